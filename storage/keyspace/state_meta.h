// The bytes of a checkpoint's meta record.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/keyspace/state_store.h"

namespace quorate::storage {

// As written by the LMDB transaction of that number, or kAnyTransaction outside of LMDB.
std::string EncodeStateMeta(const StateMeta& meta, uint64_t transaction);
// Nothing when the record is damaged, or was written by another transaction.
std::optional<StateMeta> DecodeStateMeta(std::string_view record, uint64_t transaction);

}  // namespace quorate::storage
