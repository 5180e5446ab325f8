// The checkpointed part of the key space: what a restart begins from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/types.h"
#include "storage/base/result.h"
#include "storage/keyspace/database.h"
#include "storage/keyspace/memtable.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/slot_sums.h"

namespace quorate::storage {

// What is saved with every checkpoint, in the transaction of its data. Between nodes and in backups
// it travels as EncodeStateMeta(meta, kAnyTransaction).
struct StateMeta {
  consensus::Index last_applied;
  consensus::Term last_applied_term;
  consensus::Chain last_applied_chain;  // of the log up to last_applied
  uint64_t revision = 0;                // write commands applied since the cluster began
  int64_t clock_ms = 0;  // the log's clock: the newest entry's time, never going back
  Databases databases;
  DatabaseId next_database{};  // no database has had this id or a higher one

  // The members as of last_applied, as consensus encodes them, and the entry that set them; 0: the
  // state began with them. Empty: not known yet, to a member that joined later.
  std::string configuration;
  consensus::Index configuration_index;

  // The cluster's founding record, as consensus encodes it. Empty: not applied yet. In a state that
  // was restored, the old cluster's without its id, until the new one is founded.
  std::string founding;

  // The entry that the backup ended with which the cluster began from; 0: it began with nothing.
  consensus::Index origin_index;

  // The snapshot that this state was begun from, or zeros. The log may have to be begun anew after
  // it.
  consensus::Index snapshot_index;
  consensus::Term snapshot_term;
  consensus::Chain snapshot_chain;

  // Of all databases.
  uint64_t key_count() const;
  // Of the keys and values of all databases, and which database they are in.
  uint64_t digest() const;

  bool operator==(const StateMeta&) const = default;
};

// A checkpoint to be written: all changes since the last one, and the state that they lead to.
struct Checkpoint {
  std::shared_ptr<const Memtable> changes;
  StateMeta meta;
  // Of the databases in `meta`; their changed groups are those since the last checkpoint.
  std::shared_ptr<const DatabaseSums> sums;
};

// Reads the newest checkpoint that Refresh() has seen. Loop thread.
class StateReader {
 public:
  virtual ~StateReader() = default;
  virtual const StateMeta& meta() const = 0;
  // The view is valid until the next Refresh(). Damage is fatal inside the implementation: it is
  // reported and the process ends; it never looks like a missing key.
  //
  // Of a database that is not in meta(), nothing is there.
  virtual std::optional<RecordView> Find(DatabaseId database, std::string_view key) const = 0;
  // The sums of all slots in the checkpoint; they add up to those of meta(). Not cheap.
  virtual DatabaseSums LoadSlotSums() const = 0;
  // Moves on to the newest finished checkpoint.
  virtual void Refresh() = 0;
  // Pages of the tree that hold no rows: what a checkpoint may have to rewrite beside the rows'
  // own.
  virtual size_t branch_pages() const { return 0; }
  // Pages of the tree that hold rows.
  virtual size_t leaf_pages() const { return 0; }
  // Rows that are nobody's any more. The checkpoints to come delete them.
  virtual uint64_t garbage_rows() const { return 0; }
};

// Writes checkpoints in the background, one at a time. Loop thread.
class Checkpointer {
 public:
  virtual ~Checkpointer() = default;
  // Precondition: none is under way.
  virtual void Start(Checkpoint checkpoint) = 0;
  // True once, when the checkpoint that was started has become durable.
  virtual bool TakeFinished() = 0;
  // The checkpoint under way waits for space on the disk.
  virtual bool disk_full() const { return false; }
};

}  // namespace quorate::storage
