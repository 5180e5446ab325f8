// The bytes of a checkpoint's meta record.
#pragma once

#include <string>
#include <string_view>

#include "storage/base/decoded.h"
#include "storage/base/result.h"
#include "storage/keyspace/siphash.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

// As written by the LMDB transaction of that number, or kAnyTransaction outside of LMDB.
std::string EncodeStateMeta(const StateMeta& meta, uint64_t transaction);
// Damaged is also what another transaction has written.
Decoded<StateMeta> DecodeStateMeta(std::string_view record, uint64_t transaction);

// The secret of the state's keyed hashes, from its founding record; zeros where there is none yet,
// and so no key. An error: the founding record is a newer version's.
Result<HashSecret> HashSecretOf(const StateMeta& meta);

}  // namespace quorate::storage
