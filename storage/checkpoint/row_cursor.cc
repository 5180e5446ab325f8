#include "storage/checkpoint/row_cursor.h"

#include <cstdint>
#include <string>

#include "storage/keyspace/row_key.h"

namespace quorate::storage {

int RowCursor::SeekBehind(std::string_view row_key) {
  if (!cursor_) {
    if (const int code = OpenCursor(transaction_, rows_, &cursor_)) return code;
  }
  row_key_ = ToValue(row_key);
  int code =
      mdb_cursor_get(cursor_.get(), &row_key_, &row_, row_key.empty() ? MDB_FIRST : MDB_SET_RANGE);
  if (code == 0 && !row_key.empty() && ToBytes(row_key_) == row_key) {
    code = mdb_cursor_get(cursor_.get(), &row_key_, &row_, MDB_NEXT);
  }
  return SkipGarbage(code);
}

int RowCursor::Next() {
  return SkipGarbage(mdb_cursor_get(cursor_.get(), &row_key_, &row_, MDB_NEXT));
}

// What does not ascend, or is no row key, is left to whoever verifies the row.
int RowCursor::SkipGarbage(int code) {
  while (code == 0 && !garbage_.empty() && IsRowKey(ToBytes(row_key_))) {
    const auto database = static_cast<uint32_t>(DatabaseOfRow(ToBytes(row_key_)));
    if (!garbage_.contains(static_cast<DatabaseId>(database))) return 0;
    if (database == UINT32_MAX) return MDB_NOTFOUND;
    const std::string behind = RowKeyPrefix(static_cast<DatabaseId>(database + 1));
    row_key_ = ToValue(behind);
    code = mdb_cursor_get(cursor_.get(), &row_key_, &row_, MDB_SET_RANGE);
    if (code == 0 && ToBytes(row_key_) < behind) return 0;
  }
  return code;
}

}  // namespace quorate::storage
