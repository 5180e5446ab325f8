// A small record of its own (the log's header, a checkpoint's meta, the identity) under a checksum
// that also covers its name, so that no record can be taken for another, and, where every commit
// rewrites it, the number of the LMDB transaction that did, so that no old record can be taken for
// the newest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::storage {

// For records that are written once.
inline constexpr uint64_t kAnyTransaction = 0;

// CRC32C over name, transaction and body, then the body.
std::string Seal(std::string_view name, uint64_t transaction, std::string_view body);
// The body, within `record`. Nothing when the record is damaged, another one's or another
// transaction's.
std::optional<std::string_view> Unseal(std::string_view name, uint64_t transaction,
                                       std::string_view record);

}  // namespace quorate::storage
