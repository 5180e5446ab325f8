#include "storage/checkpoint/lmdb_snapshot.h"

#include <cstdint>
#include <optional>

#include "storage/checkpoint/row_verifier.h"
#include "storage/checkpoint/state_records.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/snapshot_rows.h"

namespace quorate::storage {

Result<SnapshotChunk> LmdbSnapshot::Read(std::string_view after_key,
                                         const std::atomic<bool>& stop) const {
  SnapshotChunk chunk;
  Cursor cursor;
  int code = OpenCursor(transaction_.handle(), rows_, &cursor);
  MDB_val row_key = ToValue(after_key);
  MDB_val row;
  if (code == 0) {
    code =
        mdb_cursor_get(cursor.get(), &row_key, &row, after_key.empty() ? MDB_FIRST : MDB_SET_RANGE);
  }
  if (code == 0 && !after_key.empty() && ToBytes(row_key) == after_key) {
    code = mdb_cursor_get(cursor.get(), &row_key, &row, MDB_NEXT);
  }
  const auto has_room = [&] {
    return chunk.rows.empty() || chunk.rows.size() + row.mv_size <= kChunkBytes;
  };
  while (code == 0 && has_room() && !stop) {
    const Decoded<Row> content = DecodeRow(ToBytes(row_key), ToBytes(row));
    if (!content) return UnreadableRow(environment_, ToBytes(row_key), content.why());
    AppendSnapshotRow(&chunk.rows, ToBytes(row_key), ToBytes(row));
    chunk.last_key = ToBytes(row_key);
    code = mdb_cursor_get(cursor.get(), &row_key, &row, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) {
    return environment_.MakeError("the snapshot cannot be read", code);
  }
  chunk.last = code == MDB_NOTFOUND;
  return chunk;
}

Status LmdbSnapshot::Verify(const std::atomic<bool>& stop) const {
  Cursor cursor;
  int code = OpenCursor(transaction_.handle(), rows_, &cursor);
  RowVerifier verifier(environment_, transaction_.handle(), rows_,
                       RowVerifier::LargeValues::kVerify);
  MDB_val row_key;
  MDB_val row;
  if (code == 0) code = mdb_cursor_get(cursor.get(), &row_key, &row, MDB_FIRST);
  while (code == 0 && !stop) {
    if (Status checked = verifier.Check(row_key, row); !checked.ok()) return checked;
    code = mdb_cursor_get(cursor.get(), &row_key, &row, MDB_NEXT);
  }
  if (stop) return Ok();
  if (code != MDB_NOTFOUND) return environment_.MakeError("the state cannot be read", code);
  if (Status found = verifier.Finish(); !found.ok()) return found;
  if (verifier.key_count() != meta_.key_count || verifier.digest() != meta_.digest) {
    return environment_.MakeError(
        "the checkpoint is damaged: its rows are not those it was made of");
  }
  return Ok();
}

}  // namespace quorate::storage
