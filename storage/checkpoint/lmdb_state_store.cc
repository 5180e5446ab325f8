#include "storage/checkpoint/lmdb_state_store.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "storage/checkpoint/row_verifier.h"
#include "storage/checkpoint/state_records.h"
#include "storage/keyspace/key_slot.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/state_meta.h"
#include "storage/lmdb/lmdb_records.h"

namespace quorate::storage {
namespace {

// The elements of other types of values, and an index of expiry times, get databases of their own.
constexpr const char* kRowsDatabase = "keys";

// What one checkpoint deletes of databases that are no more, beside Options::garbage_rows_max: so
// many pages' worth of leaves, and so many pages of large values. This keeps its transaction as
// short and as small as others are, and is more than a checkpoint can write: whoever fills a
// database and flushes it, again and again, is not faster than what deletes the rows.
constexpr size_t kGarbageLeavesMax = 24576;
constexpr size_t kGarbageValuePagesMax = 65536;

// A changed key in the order of its row.
struct ChangedRow {
  DatabaseId database;
  uint64_t place;
  const Memtable::Change* change;

  Row row() const { return {change->key(), change->view()}; }
  bool operator<(const ChangedRow& other) const {
    return database != other.database ? database < other.database : place < other.place;
  }
};

uint64_t RowsIn(const Garbage& garbage) {
  uint64_t rows = 0;
  for (const auto& [database, count] : garbage) rows += count;
  return rows;
}

bool Has(const Databases& databases, DatabaseId id) {
  return std::ranges::any_of(databases, [id](const auto& entry) { return entry.second.id == id; });
}

// What a row takes of its leaf page, where two of any size have to fit: the rest of a larger one is
// in pages of its own.
size_t LeafBytes(size_t key_bytes, size_t row_bytes, size_t page_bytes) {
  const size_t bytes = key_bytes + row_bytes;
  return bytes <= page_bytes / 2 ? bytes : key_bytes;
}

// Whether the leaves hold less than a third of what they could, if all rows are as large as these,
// which nobody knows: a wrong answer costs time, and no more.
bool LooksSparse(const MDB_stat& tree, const std::vector<ChangedRow>& rows) {
  size_t bytes = 0;
  size_t count = 0;
  for (const ChangedRow& row : rows) {
    if (row.change->deleted()) continue;
    bytes += LeafBytes(RowKey::BytesFor(row.change->key()), RowBytes(row.row()), tree.ms_psize);
    ++count;
  }
  const double mean = count == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(count);
  return 3 * mean * static_cast<double>(tree.ms_entries) <
         static_cast<double>(tree.ms_leaf_pages) * tree.ms_psize;
}

}  // namespace

LmdbStateStore::LmdbStateStore(std::unique_ptr<Environment> environment, ReadTransaction reader)
    : environment_(std::move(environment)), reader_(std::move(reader)) {}

// --- Creating and opening ---

Status LmdbStateStore::Create(const std::string& path, const Identity& identity,
                              std::string_view configuration, const Options& options) {
  StateMeta meta;
  meta.configuration = configuration;
  const Environment::Options settings{
      .map_bytes = options.map_bytes, .random_reads = true, .fatal = options.fatal};
  if (Status created = Environment::Create(path, settings); !created.ok()) return created;
  auto environment = Environment::Open(path, settings);
  if (!environment.ok()) return Error{environment.error()};
  auto transaction = WriteTransaction::Begin(*environment.value());
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  MDB_dbi rows = 0;
  int code = OpenRecords(handle);
  if (code == 0) code = mdb_dbi_open(handle, kRowsDatabase, MDB_CREATE, &rows);
  if (code == 0) code = PutIdentity(handle, identity);
  if (code == 0) code = PutSlotSums(handle, DatabaseSums(), meta);
  if (code == 0) code = PutStateMeta(handle, meta);
  if (code == 0) code = transaction.value().Commit();
  if (code != 0) return environment.value()->MakeWriteError("the state cannot be created", code);
  return Ok();
}

Result<std::unique_ptr<LmdbStateStore>> LmdbStateStore::Open(const std::string& path,
                                                             const Options& options) {
  auto environment = Environment::Open(
      path, {.map_bytes = options.map_bytes, .random_reads = true, .fatal = options.fatal});
  if (!environment.ok()) return Error{environment.error()};
  MDB_dbi rows = 0;
  if (Status opened = OpenDatabases(*environment.value(), &rows); !opened.ok()) {
    return Error{opened.error()};
  }
  auto reader = ReadTransaction::Begin(*environment.value());
  if (!reader.ok()) return Error{reader.error()};
  std::unique_ptr<LmdbStateStore> store(
      new LmdbStateStore(std::move(environment.value()), std::move(reader.value())));
  store->rows_ = rows;
  store->garbage_rows_max_ = options.garbage_rows_max;
  Result<Identity> identity = GetIdentity(store->reader_.handle(), *store->environment_);
  if (!identity.ok()) return Error{identity.error()};
  store->identity_ = std::move(identity.value());
  if (Status loaded = store->LoadMeta(); !loaded.ok()) return Error{loaded.error()};
  store->written_ = store->meta_.databases;
  if (Status verified = store->VerifyIfLarge(); !verified.ok()) return Error{verified.error()};
  return store;
}

Status LmdbStateStore::OpenDatabases(const Environment& environment, MDB_dbi* rows) {
  auto transaction = ReadTransaction::Begin(environment);
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  int code = OpenRecords(handle);
  if (code == 0) code = mdb_dbi_open(handle, kRowsDatabase, 0, rows);
  if (code == 0) code = transaction.value().CommitHandles();
  if (code != 0) return environment.MakeError("this is no state of Quorate's", code);
  return Ok();
}

Status LmdbStateStore::LoadMeta() {
  Result<StateMeta> meta = GetStateMeta(reader_.handle(), *environment_);
  if (!meta.ok()) return Error{meta.error()};
  const Result<Garbage> garbage = GetGarbage(reader_.handle(), *environment_);
  if (!garbage.ok()) return Error{garbage.error()};
  Status checked = CheckRowCount(reader_.handle(), meta.value(), garbage.value());
  if (!checked.ok()) return checked;
  MDB_stat statistics;
  if (const int code = mdb_stat(reader_.handle(), rows_, &statistics)) {
    return environment_->MakeError("cannot be read", code);
  }
  const Result<HashSecret> secret = HashSecretOf(meta.value());
  if (!secret.ok()) return environment_->MakeError(secret.error());
  secret_ = secret.value();
  branch_pages_ = statistics.ms_branch_pages;
  leaf_pages_ = statistics.ms_leaf_pages;
  garbage_rows_ = RowsIn(garbage.value());
  meta_ = std::move(meta.value());
  return Ok();
}

Status LmdbStateStore::VerifyIfLarge() {
  const Result<DatabaseSums> sums = GetSlotSums(reader_.handle(), *environment_, meta_);
  if (!sums.ok()) return Error{sums.error()};
  const auto has_large = [](const auto& entry) {
    for (uint16_t slot = 0; slot < kSlotCount; ++slot) {
      if (entry.second.of(slot).key_count > kSlotRowsMax) return true;
    }
    return false;
  };
  if (std::ranges::none_of(sums.value(), has_large)) return Ok();
  for (const auto& [database, slots] : sums.value()) {
    for (uint16_t slot = 0; slot < kSlotCount; ++slot) {
      Status verified = VerifySlot(*environment_, reader_.handle(), rows_, database, slot);
      if (!verified.ok()) return verified;
    }
  }
  all_verified_ = true;
  return Ok();
}

Status LmdbStateStore::CheckRowCount(MDB_txn* transaction, const StateMeta& meta,
                                     const Garbage& garbage) const {
  MDB_stat statistics;
  if (const int code = mdb_stat(transaction, rows_, &statistics)) {
    return environment_->MakeError("cannot be read", code);
  }
  const uint64_t rows = meta.key_count() + RowsIn(garbage);
  if (statistics.ms_entries != rows) {
    return environment_->MakeError("the checkpoint is damaged: it has " +
                                   std::to_string(statistics.ms_entries) +
                                   " keys and should have " + std::to_string(rows));
  }
  return Ok();
}

// --- Reading ---

std::optional<RecordView> LmdbStateStore::Find(DatabaseId database, std::string_view key) const {
  if (!Has(meta_.databases, database)) return std::nullopt;
  const RowKey row_key(secret_, database, key);
  EnsureVerified(database, SlotOfRow(row_key.bytes()));
  MDB_val row_key_value = ToValue(row_key.bytes());
  MDB_val row;
  const int code = mdb_get(reader_.handle(), rows_, &row_key_value, &row);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != 0) environment_->Fail(environment_->MakeError("the state cannot be read", code));
  const Decoded<Row> found = DecodeRow(row_key.bytes(), ToBytes(row));
  if (!found) {
    environment_->Fail(UnreadableRow(*environment_, row_key.bytes(), found.why()));
  }
  if (found->key != key) return std::nullopt;  // a long key with an equal hash
  return found->record;
}

DatabaseSums LmdbStateStore::LoadSlotSums() const {
  Result<DatabaseSums> sums = GetSlotSums(reader_.handle(), *environment_, meta_);
  if (!sums.ok()) environment_->Fail(Error{sums.error()});
  return std::move(sums.value());
}

// A lookup alone proves nothing: a damaged inner page can lead it past the row that is there, or to
// an older page, with a row that is intact and out of date. So no row of a slot counts before all
// of them do.
//
// The view for reading may have moved on from the checkpoint that was opened. What a later one has
// changed in this slot does not hide damage: whoever changes a key looks up what it was, here, so
// the slot was verified before its sum was changed.
void LmdbStateStore::EnsureVerified(DatabaseId database, uint16_t slot) const {
  if (all_verified_) return;
  std::bitset<kSlotCount>& slots = slots_verified_[database];
  if (slots[slot]) return;
  const uint64_t verified_index = verified_index_.load();
  // Of an older view, pages may be read that are in no newer one.
  if (verified_index != kNoIndex && meta_.last_applied >= consensus::Index(verified_index)) {
    all_verified_ = true;
    return;
  }
  const Status verified = VerifySlot(*environment_, reader_.handle(), rows_, database, slot);
  if (!verified.ok()) environment_->Fail(Error{verified.error()});
  slots.set(slot);
}

void LmdbStateStore::Refresh() {
  reader_.Reset();
  if (const int code = reader_.Renew()) {
    environment_->Fail(environment_->MakeError("the state cannot be read", code));
  }
  const consensus::Index before = meta_.last_applied;
  if (Status loaded = LoadMeta(); !loaded.ok()) environment_->Fail(Error{loaded.error()});
  assert(meta_.last_applied >= before);
  // A checkpoint splits and merges pages, and copies what lies in them of other slots. A damaged
  // row of one that is not verified can become the separator that rows of this one are not found
  // behind.
  slots_verified_.clear();
}

Status LmdbStateStore::VerifyRows() const {
  const Result<LmdbSnapshot> snapshot = OpenSnapshot();
  if (!snapshot.ok()) return Error{snapshot.error()};
  return snapshot.value().Verify(false);
}

Result<LmdbSnapshot> LmdbStateStore::OpenSnapshot() const {
  auto transaction = ReadTransaction::Begin(*environment_);
  if (!transaction.ok()) return Error{transaction.error()};
  Result<StateMeta> meta = GetStateMeta(transaction.value().handle(), *environment_);
  if (!meta.ok()) return Error{meta.error()};
  Result<Garbage> garbage = GetGarbage(transaction.value().handle(), *environment_);
  if (!garbage.ok()) return Error{garbage.error()};
  return LmdbSnapshot(*environment_, std::move(transaction.value()), rows_, std::move(meta.value()),
                      std::move(garbage.value()));
}

// --- Writing ---

Status LmdbStateStore::Write(const Checkpoint& checkpoint) {
  if (failed_) return environment_->MakeError("an earlier checkpoint has failed");
  Status written = WriteTransactionOf(checkpoint);
  disk_was_full_ = written.disk_full();
  failed_ = !written.ok() && !written.disk_full();
  return written;
}

Status LmdbStateStore::WriteTransactionOf(const Checkpoint& checkpoint) {
  auto transaction = WriteTransaction::Begin(*environment_);
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  if (Status written = WriteRows(handle, checkpoint); !written.ok()) return written;
  if (Status written = WriteGarbage(handle, checkpoint.meta); !written.ok()) return written;
  if (const int code = PutSlotSums(handle, *checkpoint.sums, checkpoint.meta)) {
    return environment_->MakeWriteError("the sums of the slots cannot be written", code);
  }
  if (Status put = PutMeta(handle, checkpoint.meta); !put.ok()) return put;
  if (const int code = transaction.value().Commit()) {
    return environment_->MakeWriteError("the checkpoint cannot be written", code);
  }
  written_ = checkpoint.meta.databases;
  return Ok();
}

Status LmdbStateStore::WriteRows(MDB_txn* transaction, const Checkpoint& checkpoint) {
  // The reading thread's may be of an earlier checkpoint, before the cluster was founded.
  const Result<HashSecret> secret = HashSecretOf(checkpoint.meta);
  if (!secret.ok()) return environment_->MakeError(secret.error());
  const Memtable& changes = *checkpoint.changes;
  // In the order of the rows, so that each page is found, copied and split while it is at hand.
  // With one cursor, which looks for a row in the last one's page first.
  std::vector<ChangedRow> sorted;
  sorted.reserve(changes.key_count());
  changes.VisitAll([&](const Memtable::Change& change) {
    if (!Has(checkpoint.meta.databases, change.database())) return;
    sorted.push_back({change.database(), KeyPlace(secret.value(), change.key()), &change});
  });
  std::sort(sorted.begin(), sorted.end());

  Cursor cursor;
  if (const int code = OpenCursor(transaction, rows_, &cursor)) {
    return environment_->MakeWriteError("the rows cannot be written", code);
  }
  // LMDB joins pages that have become nearly empty when a row is deleted, and only then. So a row
  // that will take less of its page is deleted first, and in a tree that is sparse already each row
  // is. Else a tree of large values would stay as large when they become small ones, and
  // checkpoints of random keys would write all of its pages for ever.
  MDB_stat tree;
  if (const int code = mdb_stat(transaction, rows_, &tree)) {
    return environment_->MakeWriteError("the rows cannot be written", code);
  }
  const bool sparse = LooksSparse(tree, sorted);
  for (const ChangedRow& changed : sorted) {
    const bool deleted = changed.change->deleted();
    const Row content = changed.row();
    const RowKey row_key(secret.value(), changed.database, changed.place, content.key);
    MDB_val key = ToValue(row_key.bytes());
    MDB_val row{deleted ? 0 : RowBytes(content), nullptr};
    MDB_val before;
    int code = mdb_cursor_get(cursor.get(), &key, &before, MDB_SET);
    // Keys that are equal for LMDB cannot both be stored. No client can find such keys, since the
    // hash is under a secret, but none is ever taken for the other.
    if (code == 0 && IsAnothers(row_key.bytes(), ToBytes(before), content.key)) {
      if (deleted) continue;
      return environment_->MakeError("two keys have the row key " + Hexadecimal(row_key.bytes()) +
                                     " (hexadecimal): only one of them can be stored");
    }
    if (code == 0 && (deleted || sparse ||
                      LeafBytes(key.mv_size, before.mv_size, tree.ms_psize) >
                          LeafBytes(key.mv_size, row.mv_size, tree.ms_psize))) {
      code = mdb_cursor_del(cursor.get(), 0);
    }
    if (code != 0 && code != MDB_NOTFOUND) {
      return environment_->MakeWriteError("a row cannot be deleted", code);
    }
    if (deleted) continue;
    code = mdb_cursor_put(cursor.get(), &key, &row, MDB_RESERVE);
    if (code != 0) return environment_->MakeWriteError("a row cannot be written", code);
    EncodeRowTo(static_cast<char*>(row.mv_data), row_key.bytes(), content);
  }
  return Ok();
}

Status LmdbStateStore::WriteGarbage(MDB_txn* transaction, const StateMeta& meta) {
  Result<Garbage> before = GetGarbage(transaction, *environment_);
  if (!before.ok()) return Error{before.error()};
  Garbage garbage = before.value();
  for (const auto& [number, database] : written_) {
    if (Has(meta.databases, database.id)) continue;
    if (database.key_count > 0) garbage[database.id] = database.key_count;
    if (const int code = DeleteSlotSums(transaction, database.id)) {
      return environment_->MakeWriteError("the sums of the slots cannot be deleted", code);
    }
  }
  // To delete takes room, too: what cannot be written is tried again without.
  if (!disk_was_full_) {
    if (Status deleted = DeleteGarbage(transaction, &garbage); !deleted.ok()) return deleted;
  }
  // What leads away from the truth is found before it is made durable.
  if (Status checked = CheckRowCount(transaction, meta, garbage); !checked.ok()) return checked;
  if (garbage == before.value()) return Ok();
  if (const int code = PutGarbage(transaction, garbage)) {
    return environment_->MakeWriteError("the record of what is to be deleted cannot be written",
                                        code);
  }
  return Ok();
}

Status LmdbStateStore::DeleteGarbage(MDB_txn* transaction, Garbage* garbage) {
  MDB_stat tree;
  Cursor cursor;
  int code = garbage->empty() ? 0 : mdb_stat(transaction, rows_, &tree);
  if (code == 0 && !garbage->empty()) code = OpenCursor(transaction, rows_, &cursor);
  uint64_t rows = 0;
  size_t leaf_bytes = 0;
  size_t value_pages = 0;
  const auto may_go_on = [&] {
    return rows < garbage_rows_max_ && leaf_bytes < kGarbageLeavesMax * tree.ms_psize &&
           value_pages < kGarbageValuePagesMax;
  };
  while (code == 0 && !garbage->empty() && may_go_on()) {
    const auto [database, left] = *garbage->begin();
    const std::string prefix = RowKeyPrefix(database);
    MDB_val row_key = ToValue(prefix);
    MDB_val row;
    uint64_t deleted = 0;
    code = mdb_cursor_get(cursor.get(), &row_key, &row, MDB_SET_RANGE);
    while (code == 0 && deleted < left && may_go_on() && ToBytes(row_key).starts_with(prefix)) {
      const size_t in_leaf = LeafBytes(row_key.mv_size, row.mv_size, tree.ms_psize);
      leaf_bytes += in_leaf;
      if (in_leaf == row_key.mv_size) value_pages += row.mv_size / tree.ms_psize + 1;
      code = mdb_cursor_del(cursor.get(), 0);
      ++deleted;
      ++rows;
      if (code == 0) code = mdb_cursor_get(cursor.get(), &row_key, &row, MDB_NEXT);
    }
    if (code == MDB_NOTFOUND) code = 0;
    if (code == 0 && deleted < left && may_go_on()) {
      return environment_->MakeError(
          "the checkpoint is damaged: what is left of a database is not as much as it should be");
    }
    garbage->begin()->second -= deleted;
    if (deleted == left) garbage->erase(garbage->begin());
  }
  if (code != 0) return environment_->MakeWriteError("a row cannot be deleted", code);
  return Ok();
}

bool LmdbStateStore::IsAnothers(std::string_view row_key, std::string_view row,
                                std::string_view key) {
  if (!KeyIsInRow(row_key)) return false;
  const Decoded<RowHead> head = DecodeRowHead(row_key, row);
  return head && head->key != key;
}

Status LmdbStateStore::PutMeta(MDB_txn* transaction, const StateMeta& meta) {
  if (const int code = PutStateMeta(transaction, meta)) {
    return environment_->MakeWriteError("the checkpoint's meta record cannot be written", code);
  }
  return Ok();
}

Status LmdbStateStore::ConfirmDurable() { return CommitMeta(nullptr); }

Status LmdbStateStore::ChangeIdentity(const Identity& identity) {
  Status changed = CommitMeta(&identity);
  if (changed.ok()) identity_ = identity;
  return changed;
}

Status LmdbStateStore::CommitMeta(const Identity* identity) {
  auto transaction = WriteTransaction::Begin(*environment_);
  if (!transaction.ok()) return Error{transaction.error()};
  if (identity != nullptr) {
    if (const int code = PutIdentity(transaction.value().handle(), *identity)) {
      return environment_->MakeWriteError("the identity cannot be written", code);
    }
  }
  if (Status put = PutMeta(transaction.value().handle(), meta_); !put.ok()) return put;
  if (const int code = transaction.value().Commit()) {
    return environment_->MakeWriteError("the state cannot be written", code);
  }
  return Ok();
}

}  // namespace quorate::storage
