#include "storage/checkpoint/lmdb_snapshot.h"

#include <cstdint>
#include <optional>

#include "storage/checkpoint/row_cursor.h"
#include "storage/checkpoint/row_verifier.h"
#include "storage/checkpoint/state_records.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/snapshot_rows.h"

namespace quorate::storage {

Result<SnapshotChunk> LmdbSnapshot::Read(std::string_view after_key,
                                         const std::atomic<bool>& stop) const {
  SnapshotChunk chunk;
  RowCursor cursor(transaction_.handle(), rows_, garbage_);
  const auto has_room = [&] {
    return chunk.rows.empty() || chunk.rows.size() + cursor.row().mv_size <= kChunkBytes;
  };
  int code = cursor.SeekBehind(after_key);
  while (code == 0 && has_room() && !stop) {
    const std::string_view row_key = ToBytes(cursor.row_key());
    const std::string_view row = ToBytes(cursor.row());
    const Decoded<Row> content = DecodeRow(row_key, row);
    if (!content) return UnreadableRow(environment_, row_key, content.why());
    AppendSnapshotRow(&chunk.rows, row_key, row);
    chunk.last_key = row_key;
    code = cursor.Next();
  }
  if (code != 0 && code != MDB_NOTFOUND) {
    return environment_.MakeError("the snapshot cannot be read", code);
  }
  chunk.last = code == MDB_NOTFOUND;
  return chunk;
}

Status LmdbSnapshot::Verify(const std::atomic<bool>& stop) const {
  // What is deleted one day lies among the rest, and can lead lookups astray as well.
  const Garbage none;
  RowCursor cursor(transaction_.handle(), rows_, none);
  RowVerifier verifier(environment_, transaction_.handle(), rows_,
                       RowVerifier::LargeValues::kVerify);
  int code = cursor.SeekBehind("");
  while (code == 0 && !stop) {
    if (Status checked = verifier.Check(cursor.row_key(), cursor.row()); !checked.ok()) {
      return checked;
    }
    code = cursor.Next();
  }
  if (stop) return Ok();
  if (code != MDB_NOTFOUND) return environment_.MakeError("the state cannot be read", code);
  if (Status found = verifier.Finish(); !found.ok()) return found;
  if (!verifier.totals().AreOf(meta_, garbage_)) {
    return environment_.MakeError(
        "the checkpoint is damaged: its rows are not those it was made of");
  }
  return Ok();
}

}  // namespace quorate::storage
