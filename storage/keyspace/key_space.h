// The replicated key space as commands see it: the newest changes in memory over the last
// checkpoint in LMDB. It is changed only by applying log entries, in order, so at equal
// last_applied it is equal on all nodes. Loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/types.h"
#include "storage/keyspace/memtable.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/slot_sums.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

class KeySpace {
 public:
  // Bounds on the changes not yet in a checkpoint; beyond them full() says so and applying has to
  // wait.
  //
  // They also keep one checkpoint within one LMDB transaction, which holds 131,071 dirty pages and
  // starts to write them out early when twice the next value's pages no longer fit: at 64 MiB a
  // value, above 98,000. A changed key is counted as 2 pages (its leaf, and a sibling when that is
  // split or merged), 3 with a value of its own pages; but all of them as no more than the leaves
  // there are, and those that rows which are new or take more room can make by splitting them; plus
  // the branch pages above. What an entry writes beyond the limits comes on top: up to 4,000 keys
  // or so stay within. One MSET of many more is still written rightly, as LMDB spills pages then,
  // only more slowly.
  struct Limits {
    size_t memtable_bytes_max = 64 << 20;
    size_t memtable_keys_max = 262144;
    size_t checkpoint_pages_max = 90000;
  };

  // Starts from the reader's checkpoint. `reader` must outlive the KeySpace.
  KeySpace(StateReader& reader, const Limits& limits);

  // --- Reading ---

  // `database` is a number, as SELECT takes it, here and everywhere below. Commands look through a
  // ReadView or WriteView, which know what has expired.
  //
  // Valid until the next change, BeginCheckpoint or CheckpointFinished.
  std::optional<RecordView> Find(uint32_t database, std::string_view key) const;
  // Hints that a key is going to be looked up: one early, and one a few lookups before it. What
  // they ask memory for has arrived then.
  void PrefetchEarly(uint32_t database, std::string_view key) const;
  void PrefetchLate(uint32_t database, std::string_view key) const;
  const Databases& databases() const { return meta_.databases; }
  uint64_t key_count(uint32_t database) const;
  // Of all databases.
  uint64_t key_count() const { return meta_.key_count(); }
  uint64_t digest() const { return meta_.digest(); }
  uint64_t revision() const { return meta_.revision; }
  int64_t clock_ms() const { return meta_.clock_ms; }
  consensus::Index last_applied() const { return meta_.last_applied; }
  consensus::Term last_applied_term() const { return meta_.last_applied_term; }
  consensus::Chain last_applied_chain() const { return meta_.last_applied_chain; }
  // See StateMeta.
  const std::string& configuration() const { return meta_.configuration; }
  const std::string& founding() const { return meta_.founding; }
  consensus::Index configuration_index() const { return meta_.configuration_index; }
  // In all databases.
  uint64_t CountKeysInSlot(uint16_t slot) const;

  // --- Applying ---

  // Opens the next entry. Precondition: index == last_applied() + 1. The clock never goes back: an
  // earlier `clock_ms` counts as the current one. Until EndEntry, no checkpoint may begin.
  // `chain` is the log's, up to this entry.
  void BeginEntry(consensus::Index index, consensus::Term term, consensus::Chain chain,
                  int64_t clock_ms);
  // Each write command of an entry begins with this: what it writes carries a revision of its own.
  void BeginCommand() { ++meta_.revision; }
  // What changes keys and databases is for inside an entry. The value may be the one that the key
  // has.
  void Put(uint32_t database, std::string_view key, ValueType type, int64_t expire_at_ms,
           std::string_view value);
  // What the key had; nothing: there was none.
  std::optional<RecordHeader> Delete(uint32_t database, std::string_view key);
  // Deletes all keys of the database, or of all, in no time. False: not done, as ids have run out.
  bool Flush(uint32_t database);
  bool FlushAll();
  // Each has the other's keys then.
  void Swap(uint32_t database, uint32_t other);
  // The entry sets the members. Precondition: inside an entry.
  void SetConfiguration(std::string_view configuration);
  // Precondition: inside an entry, which holds that founding record.
  void SetFounding(std::string_view founding);
  void EndEntry();

  // --- Checkpoints ---

  // No further entry may be applied before a checkpoint has begun or ended.
  bool full() const;
  bool checkpoint_under_way() const { return checkpoint_under_way_; }
  // Something was applied that is in no checkpoint, begun or finished.
  bool has_changes() const { return older_index_ < meta_.last_applied; }
  // There is something for a checkpoint to do.
  bool wants_checkpoint() const { return has_changes() || reader_.garbage_rows() > 0; }
  // Freezes the changes so far. Precondition: none is under way, outside an entry.
  Checkpoint BeginCheckpoint();
  // The checkpoint begun last is durable: reads of what has not changed since move over to it. Its
  // changes stay in memory until the next one begins, as what was written of late is what is likely
  // to be asked for.
  void CheckpointFinished();
  // Everything up to here is in a finished checkpoint.
  consensus::Index checkpoint_index() const { return reader_.meta().last_applied; }
  size_t memtable_bytes() const;
  size_t unsaved_keys() const;  // changed, and in no finished checkpoint

 private:
  // Null: it has never had a key.
  const Database* FindDatabase(uint32_t number) const;
  Database& OpenDatabase(uint32_t number);
  DatabaseId TakeDatabaseId();
  const Memtable::Change* FindChanged(const Memtable::Key& key) const;
  // What a key has before it is changed.
  struct Before {
    RecordHeader header;
    uint64_t header_digest;
    uint64_t digest;
    size_t bytes;  // of key and value

    bool expires() const { return header.expire_at_ms != 0; }
  };
  std::optional<Before> BeforeOf(const Memtable::Key& key) const;
  // Whether a row of so many bytes, key and value, may not find room in the leaf of the one before.
  static bool MaySplitLeaf(const std::optional<Before>& before, size_t bytes);
  // How many pages a checkpoint of what is in the memtable may dirty.
  size_t CheckpointPagesMax() const;
  // How many leaves it may add to the tree.
  size_t SplitsMax() const;

  StateReader& reader_;
  Limits limits_;
  StateMeta meta_;
  DatabaseSums sums_;  // of meta_.databases
  Memtable active_;
  // The changes of the checkpoint that was begun last, up to older_index_; null before the first.
  std::shared_ptr<const Memtable> older_;
  consensus::Index older_index_;
  bool checkpoint_under_way_ = false;
  size_t changes_under_way_ = 0;  // keys of that checkpoint, or of the last one
  // The entry that is being applied; nothing outside of one.
  struct OpenEntry {
    consensus::Index index;
    consensus::Term term;
    consensus::Chain chain;
  };
  std::optional<OpenEntry> open_entry_;
  size_t splitting_puts_ = 0;  // in active_
  // Leaves that the checkpoint under way may add to those that the reader knows of.
  size_t leaves_to_come_ = 0;
};

}  // namespace quorate::storage
