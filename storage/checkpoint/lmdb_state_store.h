// The checkpointed key space in an LMDB environment of its own: the keys' rows, and in the same
// transaction how far the log is applied in them.
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/checkpoint/lmdb_snapshot.h"
#include "storage/checkpoint/state_records.h"
#include "storage/keyspace/key_slot.h"
#include "storage/keyspace/siphash.h"
#include "storage/keyspace/state_store.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

class LmdbStateStore : public StateReader {
 public:
  struct Options {
    size_t map_bytes = kMapBytesDefault;
    FatalHandler fatal = nullptr;
    // How many rows of databases that are no more one checkpoint deletes at most.
    uint64_t garbage_rows_max = 524288;
  };

  // Makes the state before the first entry, with the members that the cluster begins with, in a
  // folder that exists and is empty. Durable.
  static Status Create(const std::string& path, const Identity& identity,
                       std::string_view configuration, const Options& options);

  // Opens the newest checkpoint. Verifies whose it is made for, its meta record, that it has as
  // many rows as that says, and that the slots' sums are this checkpoint's. Each slot is verified
  // before the first read in it; where one has more than kSlotRowsMax rows, all are verified here.
  // Writes nothing.
  static Result<std::unique_ptr<LmdbStateStore>> Open(const std::string& path,
                                                      const Options& options);

  // More would hold up the reading thread, at a slot's first read, for too long: it is the loop.
  static constexpr uint32_t kSlotRowsMax = 65536;

  const Identity& identity() const { return identity_; }
  const std::string& file() const { return environment_->file(); }
  // See Environment::CheckInPlace. Any thread.
  Status CheckInPlace() const { return environment_->CheckInPlace(); }

  // --- Reading: one thread ---

  const StateMeta& meta() const override { return meta_; }
  std::optional<RecordView> Find(DatabaseId database, std::string_view key) const override;
  DatabaseSums LoadSlotSums() const override;
  void Refresh() override;
  size_t branch_pages() const override { return branch_pages_; }
  size_t leaf_pages() const override { return leaf_pages_; }
  uint64_t garbage_rows() const override { return garbage_rows_; }

  // All of the checkpoint of that index is intact. So is what has been made of it since, and no
  // slot of these is verified again. Any thread.
  void NoteVerified(consensus::Index index) { verified_index_.store(index.value()); }

  // The newest finished checkpoint: see LmdbSnapshot::Verify.
  Status VerifyRows() const;

  // A view of the newest finished checkpoint that stays where it is. Any thread.
  Result<LmdbSnapshot> OpenSnapshot() const;

  // --- Writing: one thread at a time, which may be another ---

  // Makes the checkpoint durable in one transaction. The view for reading stays where it is. After
  // an error the store is not to be used again, as with LogStore::Commit.
  Status Write(const Checkpoint& checkpoint);

  // Writes the meta record again. When this succeeds, what Open has read is on the disk and not
  // only in the page cache, where a run that ended with a failed sync may have left it. Before the
  // first Write.
  Status ConfirmDurable();

  // Makes it another's, durably. Before the first Write.
  Status ChangeIdentity(const Identity& identity);

  // The handle of the rows' database, for who writes an environment that Create has made.
  static Status OpenDatabases(const Environment& environment, MDB_dbi* rows);

 private:
  LmdbStateStore(std::unique_ptr<Environment> environment, ReadTransaction reader);

  // From the view for reading.
  Status LoadMeta();
  Status VerifyIfLarge();
  // Verifies the slot, unless that has been done. Damage is fatal.
  void EnsureVerified(DatabaseId database, uint16_t slot) const;
  Status WriteTransactionOf(const Checkpoint& checkpoint);
  Status WriteRows(MDB_txn* transaction, const Checkpoint& checkpoint);
  // Notes which databases are no more, and deletes a part of their rows.
  Status WriteGarbage(MDB_txn* transaction, const StateMeta& meta);
  // As many of these rows as one checkpoint may, and takes them out of `garbage`.
  Status DeleteGarbage(MDB_txn* transaction, Garbage* garbage);
  // The row that the cursor has found under a long key's row key is another key's: their hashes are
  // equal. Then there is no row of this key.
  static bool IsAnothers(std::string_view row_key, std::string_view row, std::string_view key);
  Status CommitMeta(const Identity* identity);
  Status PutMeta(MDB_txn* transaction, const StateMeta& meta);
  // What is true of all checkpoints: their meta and garbage fit their rows.
  Status CheckRowCount(MDB_txn* transaction, const StateMeta& meta, const Garbage& garbage) const;

  std::unique_ptr<Environment> environment_;
  MDB_dbi rows_ = 0;
  Identity identity_;
  uint64_t garbage_rows_max_ = 0;
  bool failed_ = false;
  bool disk_was_full_ = false;  // for the last Write
  Databases written_;           // of the newest checkpoint; for writing

  // A view that is held from Refresh to Refresh. It pins the pages of one checkpoint, no more: the
  // next one is begun only after it has moved on.
  ReadTransaction reader_;
  StateMeta meta_;
  HashSecret secret_{};  // of meta_
  size_t branch_pages_ = 0;
  size_t leaf_pages_ = 0;
  uint64_t garbage_rows_ = 0;

  static constexpr uint64_t kNoIndex = std::numeric_limits<uint64_t>::max();
  std::atomic<uint64_t> verified_index_{kNoIndex};  // of a checkpoint verified as a whole
  mutable bool all_verified_ = false;               // of this view and all to come
  // Of this view.
  mutable std::map<DatabaseId, std::bitset<kSlotCount>> slots_verified_;
};

}  // namespace quorate::storage
