// The small records of a state's environment beside its rows: what the checkpoint is of.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <map>
#include <string_view>

#include "storage/base/result.h"
#include "storage/keyspace/slot_sums.h"
#include "storage/keyspace/state_store.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

// A state's meta record. Every commit of a state writes it again.
[[nodiscard]] int PutStateMeta(MDB_txn* transaction, const StateMeta& meta);
// An error when it is missing, damaged, or of another commit.
Result<StateMeta> GetStateMeta(MDB_txn* transaction, const Environment& environment);

// The sums of the slots, in groups. A group that has never had a key has no record.
//
// Writes the groups that have changed, and their total. `meta` is written in the same transaction.
[[nodiscard]] int PutSlotSums(MDB_txn* transaction, const DatabaseSums& sums,
                              const StateMeta& meta);
// An error when a record is damaged, or not of the checkpoint that `meta` is of.
Result<DatabaseSums> GetSlotSums(MDB_txn* transaction, const Environment& environment,
                                 const StateMeta& meta);
// One slot's. An error when the record is damaged; whether it is the newest is not looked at.
Result<SlotSum> GetSlotSum(MDB_txn* transaction, const Environment& environment,
                           DatabaseId database, uint16_t slot);
// Of a database that is no more.
[[nodiscard]] int DeleteSlotSums(MDB_txn* transaction, DatabaseId database);

// Databases that are no more, with the number of their rows that are still to be deleted.
using Garbage = std::map<DatabaseId, uint64_t>;
// Writes the record, or deletes it when there is no garbage.
[[nodiscard]] int PutGarbage(MDB_txn* transaction, const Garbage& garbage);
// An error when the record is damaged.
Result<Garbage> GetGarbage(MDB_txn* transaction, const Environment& environment);

// What to say of a row of the state that DecodeRow refuses.
Error UnreadableRow(const Environment& environment, std::string_view row_key, Unreadable why);

}  // namespace quorate::storage
