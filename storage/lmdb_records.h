// The small records of an environment, by name, in its main database. LMDB keeps the roots of the
// other databases there as well, so a commit writes its one page anyway.
#pragma once

#include <lmdb.h>

#include <string>
#include <string_view>

#include "storage/identity.h"
#include "storage/lmdb_environment.h"
#include "storage/result.h"
#include "storage/slot_sums.h"
#include "storage/state_store.h"

namespace quorate::storage {

// Must precede the others, once an environment. All give LMDB's codes.
[[nodiscard]] int OpenRecords(MDB_txn* transaction);
[[nodiscard]] int PutRecord(MDB_txn* transaction, std::string_view name, std::string_view record);
// `record` points into the transaction's pages.
[[nodiscard]] int GetRecord(MDB_txn* transaction, std::string_view name, std::string_view* record);

[[nodiscard]] int PutIdentity(MDB_txn* transaction, const Identity& identity);
// An error when it is missing, damaged, or of another format version.
Result<Identity> GetIdentity(MDB_txn* transaction, const Environment& environment);

// A state's meta record. Every commit of a state writes it again.
[[nodiscard]] int PutStateMeta(MDB_txn* transaction, const StateMeta& meta);
// An error when it is missing, damaged, or of another commit.
Result<StateMeta> GetStateMeta(MDB_txn* transaction, const Environment& environment);

// The sums of the slots, in groups. A group that has never had a key has no record.
//
// Writes the groups that have changed, and their total. `meta` is written in the same transaction.
[[nodiscard]] int PutSlotSums(MDB_txn* transaction, const SlotSums& sums, const StateMeta& meta);
// An error when a record is damaged, or not of the checkpoint that `meta` is of.
Result<SlotSums> GetSlotSums(MDB_txn* transaction, const Environment& environment,
                             const StateMeta& meta);
// One slot's. An error when the record is damaged; whether it is the newest is not looked at.
Result<SlotSum> GetSlotSum(MDB_txn* transaction, const Environment& environment, uint16_t slot);

std::string Hexadecimal(std::string_view bytes);
// What to say of a row of the state that DecodeRow refuses.
Error DamagedRow(const Environment& environment, std::string_view row_key);

}  // namespace quorate::storage
