#include "storage/checkpoint/row_verifier.h"

#include <cassert>
#include <optional>
#include <string>

#include "storage/checkpoint/state_records.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/row_key.h"
#include "storage/lmdb/lmdb_records.h"

namespace quorate::storage {
namespace {

// LMDB's map begins at a page, and its pages are of the system's size, which is no smaller. Where
// it is larger, more rows are looked up than need be.
constexpr uintptr_t kPageBytes = 4096;

uintptr_t PageOf(const MDB_val& key) {
  return reinterpret_cast<uintptr_t>(key.mv_data) / kPageBytes;
}

// A row too large for its leaf has pages of its own.
bool IsBesideItsKey(const MDB_val& row_key, const MDB_val& row) {
  return row.mv_data == static_cast<const char*>(row_key.mv_data) + row_key.mv_size;
}

}  // namespace

Status RowVerifier::Check(const MDB_val& row_key, const MDB_val& row) {
  const std::string_view key = ToBytes(row_key);
  const std::string_view bytes = ToBytes(row);
  const bool whole = large_values_ == LargeValues::kVerify || IsBesideItsKey(row_key, row);
  const Decoded<RowHead> head = DecodeRowHead(key, bytes);
  if (!head) return UnreadableRow(environment_, key, head.why());

  const bool is_first = last_key_.mv_data == nullptr;
  if (!is_first && ToBytes(last_key_) >= key) {
    return environment_.MakeError("the checkpoint is damaged: its rows are not in order");
  }
  // What leads down to a page leads to all of its rows, where it leads to the first and the last.
  if (is_first || PageOf(last_key_) != PageOf(row_key)) {
    if (!is_first) {
      if (Status found = CheckLookup(last_key_); !found.ok()) return found;
    }
    if (Status found = CheckLookup(row_key); !found.ok()) return found;
  }
  last_key_ = row_key;
  ++key_count_;
  const uint64_t header_digest = HeaderDigest(head->key, head->header);
  header_digest_ += header_digest;
  if (!whole) return Ok();
  const Decoded<Row> content = DecodeRow(key, bytes);
  if (!content) return UnreadableRow(environment_, key, content.why());
  totals_.Add(DatabaseOfRow(key), head->header, RecordDigest(header_digest, content->record.value));
  return Ok();
}

Status RowVerifier::Finish() {
  return last_key_.mv_data == nullptr ? Ok() : CheckLookup(last_key_);
}

Status RowVerifier::CheckLookup(const MDB_val& row_key) {
  // A cursor that has been somewhere looks there first, and not from the root.
  int code = lookup_ ? mdb_cursor_renew(transaction_, lookup_.get())
                     : OpenCursor(transaction_, rows_, &lookup_);
  MDB_val key = row_key;
  MDB_val row;
  if (code == 0) code = mdb_cursor_get(lookup_.get(), &key, &row, MDB_SET_KEY);
  if (code != 0 && code != MDB_NOTFOUND) {
    return environment_.MakeError("the state cannot be read", code);
  }
  if (code == 0 && key.mv_data == row_key.mv_data) return Ok();
  return environment_.MakeError(
      "the checkpoint is damaged: a lookup does not find the row with the key " +
      Hexadecimal(ToBytes(row_key)) + " (hexadecimal)");
}

namespace {

// The first row at or behind `from`, looked up from the root.
int FindFrom(MDB_txn* transaction, MDB_dbi rows, std::string_view from, Cursor* cursor,
             MDB_val* row_key, MDB_val* row) {
  if (const int code = OpenCursor(transaction, rows, cursor)) return code;
  *row_key = ToValue(from);
  return mdb_cursor_get(cursor->get(), row_key, row, MDB_SET_RANGE);
}

}  // namespace

// Why no lookup of any key of the slot goes wrong then: on its way down, a key is compared with
// some separators, and takes the way of its neighbours among the rows until one comparison tells
// these apart. Both neighbours are found where the cursor passed them, so the key, too, comes to
// the page of one of them. The first row's neighbour is the slot's beginning, the last one's its
// end, where the cursor began and where it must have stopped. Rows that the cursor has not passed,
// left over in a page that is out of date, are so never found either.
Status VerifySlot(const Environment& environment, MDB_txn* transaction, MDB_dbi rows,
                  DatabaseId database, uint16_t slot) {
  assert(slot < kSlotCount);
  const Result<SlotSum> expected = GetSlotSum(transaction, environment, database, slot);
  if (!expected.ok()) return Error{expected.error()};
  RowVerifier verifier(environment, transaction, rows, RowVerifier::LargeValues::kSkip);
  Cursor cursor;
  MDB_val row_key;
  MDB_val row;
  const std::string prefix = RowKeyPrefix(database, slot);
  int code = FindFrom(transaction, rows, prefix, &cursor, &row_key, &row);
  while (code == 0 && ToBytes(row_key).starts_with(prefix)) {
    if (Status checked = verifier.Check(row_key, row); !checked.ok()) return checked;
    code = mdb_cursor_get(cursor.get(), &row_key, &row, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) {
    return environment.MakeError("the state cannot be read", code);
  }
  if (Status found = verifier.Finish(); !found.ok()) return found;

  const std::string name = "the checkpoint is damaged: slot " + std::to_string(slot);
  Cursor end;
  MDB_val end_key;
  MDB_val end_row;
  const std::string behind = RowKeyPrefix(database, static_cast<uint16_t>(slot + 1));
  const int end_code = FindFrom(transaction, rows, behind, &end, &end_key, &end_row);
  if (end_code != code || (code == 0 && end_key.mv_data != row_key.mv_data)) {
    return environment.MakeError(name + " does not end where the next one begins");
  }
  const SlotSum& sum = expected.value();
  if (verifier.key_count() != sum.key_count) {
    return environment.MakeError(name + " has " + std::to_string(verifier.key_count()) +
                                 " keys and should have " + std::to_string(sum.key_count));
  }
  if (verifier.header_digest() != sum.digest) {
    return environment.MakeError(name + " has other keys or values than it was written with");
  }
  return Ok();
}

}  // namespace quorate::storage
