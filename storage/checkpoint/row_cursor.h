// Goes through the rows of a checkpoint in the order of their keys, and passes over what belongs to
// databases that are no more.
#pragma once

#include <lmdb.h>

#include <string_view>

#include "storage/checkpoint/state_records.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

class RowCursor {
 public:
  // `rows` in that transaction, which must outlive this, as must `garbage`.
  RowCursor(MDB_txn* transaction, MDB_dbi rows, const Garbage& garbage)
      : transaction_(transaction), rows_(rows), garbage_(garbage) {}

  // Moves to the first row behind that row key; "": to the first of all. These two give LMDB's
  // code: MDB_NOTFOUND behind the last row.
  int SeekBehind(std::string_view row_key);
  int Next();

  // Where the cursor is. Valid as long as the transaction.
  const MDB_val& row_key() const { return row_key_; }
  const MDB_val& row() const { return row_; }

 private:
  // From a row of such a database to what follows it.
  int SkipGarbage(int code);

  MDB_txn* const transaction_;
  const MDB_dbi rows_;
  const Garbage& garbage_;
  Cursor cursor_;
  MDB_val row_key_{0, nullptr};
  MDB_val row_{0, nullptr};
};

}  // namespace quorate::storage
