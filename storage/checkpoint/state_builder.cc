#include "storage/checkpoint/state_builder.h"

#include <utility>

#include "storage/checkpoint/state_records.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/keyspace/state_meta.h"
#include "storage/lmdb/lmdb_records.h"

namespace quorate::storage {
namespace {

// Rows in one transaction. Durable one by one: so nobody waits long behind this on the disk, nor
// this at its end.
constexpr size_t kTransactionBytes = 16 << 20;
// What LMDB's pages hold for a row beside its bytes.
constexpr size_t kRowOverheadBytes = 16;

}  // namespace

StateBuilder::StateBuilder(std::unique_ptr<Environment> environment, StateMeta meta)
    : environment_(std::move(environment)), meta_(std::move(meta)) {
  meta_.snapshot_index = meta_.last_applied;
  meta_.snapshot_term = meta_.last_applied_term;
  meta_.snapshot_chain = meta_.last_applied_chain;
}

Result<std::unique_ptr<StateBuilder>> StateBuilder::Begin(const std::string& path,
                                                          const Identity& identity,
                                                          const StateMeta& meta,
                                                          const LmdbStateStore::Options& options) {
  // An empty state, in which the rows and, at the end, the meta record then take their places.
  if (Status created = LmdbStateStore::Create(path, identity, "", options); !created.ok()) {
    return Error{created.error()};
  }
  auto environment =
      Environment::Open(path, {.map_bytes = options.map_bytes, .fatal = options.fatal});
  if (!environment.ok()) return Error{environment.error()};
  MDB_dbi rows = 0;
  if (Status opened = LmdbStateStore::OpenDatabases(*environment.value(), &rows); !opened.ok()) {
    return Error{opened.error()};
  }
  std::unique_ptr<StateBuilder> builder(new StateBuilder(std::move(environment.value()), meta));
  builder->rows_ = rows;
  for (const auto& [number, database] : meta.databases) builder->sums_[database.id];
  const Result<HashSecret> secret = HashSecretOf(meta);
  if (!secret.ok()) return Error{secret.error()};
  builder->secret_ = secret.value();
  if (Status begun = builder->BeginTransaction(); !begun.ok()) return Error{begun.error()};
  return builder;
}

Status StateBuilder::BeginTransaction() {
  auto transaction = WriteTransaction::Begin(*environment_);
  if (!transaction.ok()) return Error{transaction.error()};
  transaction_.emplace(std::move(transaction.value()));
  transaction_bytes_ = 0;
  return Ok();
}

Status StateBuilder::Commit() {
  if (const int code = transaction_->Commit()) {
    return environment_->MakeWriteError("the snapshot cannot be written", code);
  }
  transaction_.reset();
  return Ok();
}

Status StateBuilder::Add(std::string_view rows) {
  SnapshotRowReader reader(rows);
  while (const std::optional<SnapshotRow> next = reader.Next()) {
    if (!last_key_.empty() && next->row_key <= last_key_) continue;
    const Row& content = next->content;
    const DatabaseId database = DatabaseOfRow(next->row_key);
    // A peer's row in another place than its key's would never be found.
    if (RowKey(secret_, database, content.key).bytes() != next->row_key) {
      return environment_->MakeError("the row with the key " + Hexadecimal(next->row_key) +
                                     " (hexadecimal) arrived with another place than its key has");
    }
    if (!sums_.contains(database)) {
      return environment_->MakeError("the row with the key " + Hexadecimal(next->row_key) +
                                     " (hexadecimal) arrived of a database that is not there");
    }
    MDB_val key = ToValue(next->row_key);
    MDB_val row = ToValue(next->row);
    if (const int code = mdb_put(transaction_->handle(), rows_, &key, &row, MDB_APPEND)) {
      return environment_->MakeWriteError("a row of the snapshot cannot be written", code);
    }
    last_key_ = next->row_key;
    const uint64_t header_digest = HeaderDigest(content.key, content.record.header);
    totals_.Add(database, content.record.header, RecordDigest(header_digest, content.record.value));
    sums_[database].Add(SlotOfRow(next->row_key), header_digest);
    transaction_bytes_ += next->row_key.size() + next->row.size() + kRowOverheadBytes;
  }
  if (const auto why = reader.unreadable()) {
    return environment_->MakeError(
        "a row behind the snapshot's first " + std::to_string(totals_.key_count()) + " " +
        (*why == Unreadable::kNewer ? kWrittenByNewer : "arrived damaged: its checksum is wrong"));
  }
  if (transaction_bytes_ < kTransactionBytes) return Ok();
  if (Status committed = Commit(); !committed.ok()) return committed;
  return BeginTransaction();
}

Status StateBuilder::Finish() {
  if (!totals_.AreOf(meta_)) {
    return environment_->MakeError("the snapshot that has arrived is not the one that was sent: " +
                                   std::to_string(totals_.key_count()) + " of " +
                                   std::to_string(meta_.key_count()) +
                                   " keys, or others than were sent");
  }
  MDB_txn* handle = transaction_->handle();
  int code = PutSlotSums(handle, sums_, meta_);
  if (code == 0) code = PutStateMeta(handle, meta_);
  if (code != 0) {
    return environment_->MakeWriteError("the snapshot's meta record cannot be written", code);
  }
  if (Status committed = Commit(); !committed.ok()) return committed;
  environment_.reset();
  return Ok();
}

}  // namespace quorate::storage
