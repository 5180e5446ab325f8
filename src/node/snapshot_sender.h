// The leader's side of InstallSnapshot (Raft paper, section 7): streams the newest checkpoint to
// followers that lack entries which are gone from this log. No fork, no copy, no pause: a view of
// the checkpoint is read in the background, chunk by chunk, as fast as the follower writes them.
//
// Chunk 0 is the meta record; each further one holds rows. A follower acknowledges what it has
// written; what it has not is sent again after a while, so a lost connection costs at most the
// window. A view pins pages of the state's file, so it is not kept for ever: a transfer that takes
// longer begins anew with a newer one. Loop thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "consensus/message.h"
#include "consensus/types.h"
#include "storage/keyspace/snapshot.h"

namespace quorate {

class SnapshotSender {
 public:
  struct Options {
    uint64_t first_transfer = 1;  // differs from start to start, so that transfers are told apart
    size_t window_chunks = 8;
    int64_t resend_ms = 1'000;
    // Without any reply; or, once it is installed, without the follower back in the log.
    int64_t give_up_ms = 60'000;
    int64_t view_age_ms_max = 600'000;
    // A follower begins anew with a snapshot, which is a restart within its process. One that still
    // lacks entries after this, and says so, has crashed just before, and is sent another.
    int64_t join_ms = 2'000;
    // A follower that could not take one, for want of space perhaps, is sent another after this, or
    // after as long as that one took.
    int64_t retry_ms_min = 500;
  };
  struct Progress {
    uint64_t chunks = 0;  // acknowledged
    uint64_t bytes = 0;   // of them
  };
  using Send = std::function<void(consensus::NodeId to, consensus::InstallSnapshot message)>;

  // `store` must outlive the sender.
  SnapshotSender(storage::SnapshotStore& store, const Options& options);

  // That follower says that it needs a snapshot. Nothing changes where it is being sent one, has
  // just got one, or could not take the last one just now. The reason, where none can be had.
  storage::Status Start(consensus::NodeId to, int64_t now_ms);
  void StopAll();
  // True: the follower has the whole snapshot and begins anew with it. What follows in the log is
  // kept for it meanwhile: see Joined.
  bool Receive(consensus::NodeId from, const consensus::InstallSnapshotReply& reply,
               int64_t now_ms);
  // That follower's log is known to match up to there: once that is the snapshot's place, it needs
  // nothing more of the transfer.
  void Joined(consensus::NodeId follower, consensus::Index match_index);
  // Once a round: sends what the windows have room for. An error is one of this node's own state:
  // it holds a damaged row.
  storage::Status Run(int64_t now_ms, const Send& send);

  bool idle() const { return transfers_.empty(); }
  // The log behind this entry is still needed for those that are being sent a snapshot.
  std::optional<consensus::Index> oldest_index() const;
  std::optional<Progress> progress(consensus::NodeId to) const;

 private:
  struct Transfer {
    uint64_t number = 0;
    std::unique_ptr<storage::SnapshotView> view;
    std::deque<consensus::InstallSnapshot> window;  // sent and not acknowledged
    uint64_t acknowledged = 0;                      // chunks before this one
    uint64_t next_chunk = 0;
    std::string last_key;   // of the last chunk that was read
    bool reading = false;   // a chunk was asked for and not taken yet
    uint64_t asked_in = 0;  // `number` at that time
    bool all_read = false;
    bool installed = false;  // the follower has said so
    consensus::Index index;  // the view's
    int64_t opened_at_ms = 0;
    int64_t progress_at_ms = 0;
    int64_t sent_at_ms = 0;
    Progress progress;
  };

  storage::Status Begin(Transfer& transfer, int64_t now_ms);
  bool IsTooLate(const Transfer& transfer, consensus::NodeId to, int64_t now_ms) const;
  void Rewind(Transfer& transfer, int64_t now_ms);
  storage::Status Read(Transfer& transfer, consensus::NodeId to, int64_t now_ms, const Send& send);
  void SendChunk(Transfer& transfer, consensus::Payload data, bool last, consensus::NodeId to,
                 int64_t now_ms, const Send& send);

  storage::SnapshotStore& store_;
  const Options options_;
  uint64_t next_transfer_;
  std::map<consensus::NodeId, Transfer> transfers_;
  std::map<consensus::NodeId, int64_t> retry_at_ms_;  // of those that could not take the last one
};

}  // namespace quorate
