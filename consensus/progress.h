// What a leader knows of one follower's log, and what it has sent there: next_index and match_index
// of the paper's figure 2, and the window of AppendEntries on their way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "consensus/member_health.h"
#include "consensus/types.h"

namespace quorate::consensus {

class Progress {
 public:
  enum class State : uint8_t {
    kProbe,          // where the logs part is not known: one AppendEntries at a time
    kReplicate,      // it is: AppendEntries follow one another without waiting
    kNeedsSnapshot,  // the entries that the follower lacks have been trimmed here
    kDiverged,  // its log and the leader's differ at an equal index and term: it is sent nothing
  };

  struct Limits {
    uint64_t probe_retry_ticks;  // a probe without an answer is repeated after this
    // Entries without an acknowledgement are given up for lost, and a follower that needs a
    // snapshot is asked again, after this.
    uint64_t loss_ticks;
    size_t inflight_bytes_max;
    size_t inflight_messages_max;
  };

  // For a leader that has just been elected or a peer that was just added: `next_index` is the
  // leader's last_log_index + 1.
  Progress(NodeId id, bool voter, Index next_index, uint64_t now)
      : id_(id),
        voter_(voter),
        next_index_(next_index),
        heard_at_(now),
        advanced_at_(now),
        health_monitor_(next_index - 1, now) {}

  NodeId id() const { return id_; }
  bool voter() const { return voter_; }
  void set_voter(bool voter) { voter_ = voter; }
  State state() const { return state_; }
  Index match_index() const { return match_index_; }
  Index next_index() const { return next_index_; }
  size_t inflight_bytes() const { return inflight_bytes_; }

  // --- Sending ---

  // Goes back to probing when what was sent seems to be lost.
  void DetectLoss(uint64_t now, const Limits& limits);
  // Whether an AppendEntries should be sent now, to a leader whose log ends at `last_index`.
  bool MaySend(Index last_index, uint64_t now, const Limits& limits) const;
  // Whether it should hold no entries: a repeated probe asks no more than where the logs part.
  bool next_is_bare() const { return bare_; }
  // The entries next_index .. `last` (none if last < next_index) with `bytes` of payload were sent.
  void Sent(Index last, size_t bytes, uint64_t now);
  // The entry before next_index is not in the leader's log any more.
  void NeedSnapshot(uint64_t now);
  // Whether it is time to see whether the follower has got a snapshot, or whatever it needed.
  bool MayHaveSnapshot(uint64_t now, const Limits& limits) const;
  // Asks whether it has the entry before `first_index`, which is the first of the leader's log.
  void ProbeAfterSnapshot(Index first_index);

  // --- What comes back ---

  // The follower's log is the leader's up to `match_index`, durably, and up to `received_index` in
  // memory. True if match_index has grown.
  bool Succeeded(Index match_index, Index received_index, uint64_t now);
  // The follower has no entry at `prev_log_index` that matches; the last one that may is at
  // `last_possible`.
  void Rejected(Index prev_log_index, Index last_possible);
  // The follower says how far it has compared its log. Less than match_index: it was started anew.
  void Verified(Index verified_index);
  // The follower says that the logs differ although index and term are equal. False: it was known.
  bool Diverged();
  // The follower has lost what it acknowledged.
  void LostData();
  // Whatever was on its way is lost. `first_index` is the first of the leader's log.
  void Disconnected(Index first_index);

  // --- Liveness and reads ---

  void Heard(uint64_t now) {
    heard_at_ = now;
    was_heard_ = true;
  }
  bool was_heard() const { return was_heard_; }
  uint64_t heard_at() const { return heard_at_; }
  void AnsweredRound(uint64_t round);
  uint64_t answered_round() const { return answered_round_; }
  // It was among the first to answer a round, so that the next one may be asked of it.
  bool answers_first() const { return answers_first_; }
  void set_answers_first(bool first) { answers_first_ = first; }
  // It has said, to this leader, that it could lead well.
  bool fit() const { return fit_; }
  void set_fit(bool fit) { fit_ = fit; }

  // The highest that it has said to this leader; 0: nothing yet.
  uint64_t feature_level() const { return feature_level_; }
  void set_feature_level(uint64_t level) { feature_level_ = level; }

  HealthMonitor& health_monitor() { return health_monitor_; }
  Health health() const { return health_monitor_.health(); }

  // The highest commit index that the follower was sent, and the highest read index.
  void SentCommit(Index commit_index);
  void SentReadIndex(Index read_index);
  // True if the follower waits for a commit index past what it was sent.
  bool awaits_commit() const { return read_index_sent_ > commit_sent_; }
  Index commit_sent() const { return commit_sent_; }

 private:
  struct Inflight {
    Index last;
    size_t bytes;
  };

  void BecomeProbe(Index next_index, bool bare);
  void ForgetInflightFrom(Index index);

  NodeId id_;
  bool voter_;
  State state_ = State::kProbe;
  Index match_index_;
  Index next_index_;
  std::deque<Inflight> inflight_;  // oldest first, `last` rising
  size_t inflight_bytes_ = 0;
  bool bare_ = false;
  bool probe_outstanding_ = false;
  uint64_t probe_sent_at_ = 0;
  uint64_t needs_snapshot_since_ = 0;
  uint64_t heard_at_;  // at first when this was made, so that nobody is given up at once
  bool was_heard_ = false;
  uint64_t advanced_at_;  // when match_index last grew, or when it first fell behind next_index - 1
  uint64_t answered_round_ = 0;
  bool answers_first_ = false;
  bool fit_ = false;
  uint64_t feature_level_ = 0;
  Index commit_sent_;
  Index read_index_sent_;
  HealthMonitor health_monitor_;
};

}  // namespace quorate::consensus
