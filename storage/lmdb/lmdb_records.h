// The small records of an environment, by name, in its main database. LMDB keeps the roots of the
// other databases there as well, so a commit writes its one page anyway.
#pragma once

#include <lmdb.h>

#include <string>
#include <string_view>

#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

// Must precede the others, once an environment. All give LMDB's codes.
[[nodiscard]] int OpenRecords(MDB_txn* transaction);
[[nodiscard]] int PutRecord(MDB_txn* transaction, std::string_view name, std::string_view record);
// `record` points into the transaction's pages.
[[nodiscard]] int GetRecord(MDB_txn* transaction, std::string_view name, std::string_view* record);
[[nodiscard]] int DeleteRecord(MDB_txn* transaction, std::string_view name);

[[nodiscard]] int PutIdentity(MDB_txn* transaction, const Identity& identity);
// An error when it is missing, damaged, or of another format version.
Result<Identity> GetIdentity(MDB_txn* transaction, const Environment& environment);

std::string Hexadecimal(std::string_view bytes);
}  // namespace quorate::storage
