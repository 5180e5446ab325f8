// Snapshots of the key space: what a follower gets that is behind the log's tail (Raft paper,
// section 7), and what a backup is made of. A snapshot is a view of one checkpoint. It is read in
// chunks while newer checkpoints go on, and written, elsewhere, beside the state in use. Nothing
// here decides anything: whoever drives a transfer does. Implemented over LMDB and by the
// simulation.
//
// All of it belongs to one thread, the loop's, which never waits here: the work is done in the
// background, and each implementation has a way to wake the loop when there is something to take.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/result.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

// Some of a snapshot's rows, one after the other in the order of their row keys.
struct SnapshotChunk {
  // In storage's format, opaque to everybody else: some 256 KiB, more only where one row alone has
  // more. Each row carries the checksum that it lies under on the sender's disk. Empty when there
  // is no row left.
  std::string rows;
  std::string last_key;  // row key of the last of them; empty when there are none
  bool last = false;     // no row follows
};

// A checkpoint as it was when the view was opened, to be read in pieces of any order. It pins that
// checkpoint's pages, which are not reused while it exists: the state's file grows by what is
// changed meanwhile. Let go by destroying it.
class SnapshotView {
 public:
  virtual ~SnapshotView() = default;
  // What the snapshot holds: its index, and what the receiver has to arrive at.
  virtual const StateMeta& meta() const = 0;
  // Asks for the chunk of the rows behind that row key; "": from the first one on. At most one may
  // be asked for at a time: the last one must have been taken.
  virtual void Prepare(std::string_view after_key) = 0;
  // The chunk, once. Nothing: it is not ready. An error (a damaged row, named) ends the view: it is
  // not to be asked again.
  virtual std::optional<Result<SnapshotChunk>> Take() = 0;
};

// A snapshot that arrives. It takes effect only when it is finished and then installed; destroyed
// before, it has never been.
class SnapshotTarget {
 public:
  virtual ~SnapshotTarget() = default;
  // The `rows` of the next chunk. What comes from a peer's disk is checked row by row. Rows that
  // are there already are passed over, so a chunk may come again: after a lost connection the
  // sender goes on behind last_key().
  virtual void Add(std::string rows) = 0;
  // How many of the chunks added have been written: the sender is to be held back by this.
  virtual uint64_t written() const = 0;
  // Row key of the last row that has been written; empty: none has.
  virtual std::string last_key() const = 0;
  // All chunks have been added: verifies that the rows are those of the meta record, and makes all
  // of it durable.
  virtual void Finish() = 0;
  // Once: Ok when it is finished and can be installed. An error (a damaged chunk, rows that are not
  // the snapshot's, a full disk) may come at any time, and ends the target; the state in use is
  // none the worse.
  virtual std::optional<Status> TakeFinished() = 0;
};

// Where snapshots come from and go to on this node. Outlives what it gives out.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;
  // A view of the newest finished checkpoint. There may be many.
  virtual Result<std::unique_ptr<SnapshotView>> OpenView() = 0;
  // Begins to receive the snapshot of that meta record, in place of one that was begun before.
  // Precondition: there is no other target.
  virtual std::unique_ptr<SnapshotTarget> BeginTarget(const StateMeta& meta) = 0;
};

}  // namespace quorate::storage
