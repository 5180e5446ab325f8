// A small record of its own (the log's header, a checkpoint's meta, the identity) under a checksum
// that also covers its name, so that no record can be taken for another.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quorate::storage {

// CRC32C over name and body, then the body.
std::string Seal(std::string_view name, std::string_view body);
// The body, within `record`. Nothing when the record is damaged or another one's.
std::optional<std::string_view> Unseal(std::string_view name, std::string_view record);

}  // namespace quorate::storage
