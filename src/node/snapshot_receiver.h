// The follower's side of InstallSnapshot (Raft paper, section 7): gathers the chunks of a snapshot
// beside the state in use. When all of it is there, verified and durable, the node ends this life
// and begins the next one with it. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "consensus/message.h"
#include "consensus/types.h"
#include "storage/keyspace/snapshot.h"

namespace quorate {

class SnapshotReceiver {
 public:
  struct Progress {
    consensus::Index index;  // of the snapshot
    uint64_t key_count = 0;  // it has so many
    uint64_t chunks = 0;     // written so far
    uint64_t bytes = 0;      // received so far
    int64_t heard_at_ms = 0;
  };
  using Reply = std::function<void(consensus::NodeId to, consensus::InstallSnapshotReply reply)>;

  // `store` must outlive the receiver.
  explicit SnapshotReceiver(storage::SnapshotStore& store) : store_(store) {}

  // From the leader of the current term. `last_applied` is this node's.
  void Receive(consensus::NodeId from, consensus::InstallSnapshot message,
               consensus::Index last_applied, int64_t now_ms);
  // Once a round: acknowledges what has been written, finishes what is complete, and lets go of
  // what this node has overtaken by its log. `last_applied` is this node's.
  void Run(consensus::Index last_applied, const Reply& reply);

  // Complete and durable: the next life begins with it.
  bool ready() const { return ready_; }
  std::optional<Progress> progress() const;

 private:
  struct Transfer {
    consensus::NodeId from;
    uint64_t number = 0;
    std::unique_ptr<storage::SnapshotTarget> target;
    uint64_t next_chunk = 0;    // the one to come
    uint64_t acknowledged = 0;  // the leader was told that chunks before this one are written
    bool reply_due = false;
    bool complete = false;  // the last chunk has come
    Progress progress;
  };

  void Begin(consensus::NodeId from, const consensus::InstallSnapshot& message,
             consensus::Index last_applied);

  storage::SnapshotStore& store_;
  std::optional<Transfer> transfer_;
  // Of a transfer that is unknown here, or has failed.
  struct Refused {
    consensus::NodeId from;
    uint64_t number;
    bool failed;
  };
  std::optional<Refused> refused_;
  bool ready_ = false;
};

}  // namespace quorate
