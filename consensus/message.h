// What the servers say to one another: the paper's RPCs as one-way messages, with replies as
// messages of their own. Sender and target stand in the Envelope; the transport checks both, and
// the cluster.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/member_health.h"
#include "consensus/types.h"

namespace quorate::consensus {

// Section 5.2 and, with `pre_vote`, dissertation 9.6. A pre-vote asks "would you vote for me in
// this term?" without anybody's term changing; its `term` is the one that the sender would campaign
// in.
struct RequestVote {
  Term term;
  Index last_log_index;
  Term last_log_term;
  bool pre_vote = false;
  // The old leader asked for this election: stickiness does not apply.
  bool leadership_transfer = false;

  bool operator==(const RequestVote&) const = default;
};

struct RequestVoteReply {
  Term term;  // the receiver's; for a granted pre-vote the term that was asked for
  bool vote_granted = false;
  bool pre_vote = false;
  // The sender's wall clock, ms since 1970. The driver fills it in and reads it; consensus has no
  // use for it.
  uint64_t wall_ms = 0;

  bool operator==(const RequestVoteReply&) const = default;
};

// Section 5.3. Never empty but as a probe for where the logs part.
struct AppendEntries {
  Term term;
  Index prev_log_index;
  Term prev_log_term;
  // Of the leader's log at prev_log_index. Raft's Log Matching property says that equal index and
  // term imply equal logs; this tells when a disk that was swapped, copied or damaged has broken
  // it.
  Chain prev_log_chain;
  Index leader_commit;
  std::vector<Entry> entries;

  bool operator==(const AppendEntries&) const = default;
};

struct AppendEntriesReply {
  Term term;
  bool success = false;
  // success: up to here the receiver's log is the leader's, and durable.
  // failure: the prev_log_index that was refused, so that late replies can be told apart; 0 where
  // the term was refused.
  Index index;
  // On failure, where the leader may try next: the receiver's last entry not past prev_log_index
  // with a term not above prev_log_term, and that entry's term (skips whole terms, end of
  // section 5.3). On success, how far the receiver's log is the leader's, durable or not: what has
  // arrived need not be sent again; hint_term is 0.
  Index hint_index;
  Term hint_term;
  // On failure: both logs have an entry of the same term at `index`, and yet the logs up to there
  // differ. The receiver has taken nothing.
  bool diverged = false;

  bool operator==(const AppendEntriesReply&) const = default;
};

// "Am I still your leader?" Answered at once, whatever the disk does, which is why it is not an
// empty AppendEntries.
struct Heartbeat {
  Term term;
  // Never past what the leader knows this receiver's log to match.
  Index leader_commit;
  // Grows with each round within one term; 0: none yet.
  uint64_t read_round = 0;

  bool operator==(const Heartbeat&) const = default;
};

struct HeartbeatReply {
  Term term;
  uint64_t read_round = 0;  // the one it answers; 0 where the term was refused
  bool unfit = false;       // to lead: see Raft::set_unfit
  // Up to here it has compared its log with the leader's in this term. Less than it has once
  // acknowledged: it was started anew, and an append is due, though it may lack nothing.
  Index verified_index = {};
  uint64_t wall_ms = 0;  // see RequestVoteReply
  // The highest that the sender has no objection to (Config::feature_level).
  uint64_t feature_level = kFirstFeatureLevel;

  bool operator==(const HeartbeatReply&) const = default;
};

// A follower's question for a read index (dissertation 6.4), one for all the reads of a round.
struct ReadIndex {
  Term term;
  uint64_t request = 0;  // unique among all that this server has ever sent, over restarts too

  bool operator==(const ReadIndex&) const = default;
};

struct ReadIndexReply {
  Term term;
  uint64_t request = 0;
  Index read_index;  // 0: refused (not leader, or leadership was lost); ask again or redirect

  bool operator==(const ReadIndexReply&) const = default;
};

// Leadership transfer (dissertation 3.10): campaign now, without a pre-vote.
struct TimeoutNow {
  Term term;

  bool operator==(const TimeoutNow&) const = default;
};

// A follower asks its leader to hand leadership over to it, as Raft::TransferLeadership does on the
// leader.
struct TransferRequest {
  Term term;

  bool operator==(const TransferRequest&) const = default;
};

// A part of a snapshot (section 7), for a follower that lacks entries which the leader has trimmed.
// The drivers at both ends speak by it; Raft looks at the terms.
struct InstallSnapshot {
  Term term;
  uint64_t transfer = 0;      // names one transfer of one leader; not 0
  Index last_included_index;  // what the snapshot stands for: the log up to here
  Term last_included_term;
  uint64_t chunk = 0;  // counted from 0
  bool done = false;   // nothing follows
  Payload data;        // opaque to consensus

  bool operator==(const InstallSnapshot&) const = default;
};

struct InstallSnapshotReply {
  Term term;
  uint64_t transfer = 0;
  uint64_t next_chunk = 0;  // all before it have arrived
  bool installed = false;  // the receiver has the whole snapshot, or its log is as far: go on there
  bool failed = false;     // the transfer has come to nothing: begin another

  bool operator==(const InstallSnapshotReply&) const = default;
};

// A server asks its leader for a change of the configuration, in place of one that it may have
// asked for before. Of no effect in another term than its own.
struct ChangeRequest {
  Term term;
  uint64_t request = 0;  // unique among all that this server has ever sent, over restarts too
  bool force = false;    // see Raft::ProposeChange
  Change change;

  bool operator==(const ChangeRequest&) const = default;
};

struct ChangeReply {
  Term term;
  uint64_t request = 0;
  // The change is proposed as this entry, of this term: it has been made once that is committed. 0:
  // refused, and in no log.
  Index index;
  ChangeRefusal refusal = ChangeRefusal::kNone;
  std::string error;  // why it was refused; at most kTextBytesMax

  bool operator==(const ChangeReply&) const = default;
};

// How all members but the sender are, for what the receiver tells its clients. It follows a
// leader's heartbeats, and proves nothing.
struct HealthReport {
  Term term;
  std::vector<MemberHealth> members;

  bool operator==(const HealthReport&) const = default;
};

// The longest text in a message.
inline constexpr size_t kTextBytesMax = 1024;

using Message =
    std::variant<RequestVote, RequestVoteReply, AppendEntries, AppendEntriesReply, Heartbeat,
                 HeartbeatReply, ReadIndex, ReadIndexReply, TimeoutNow, TransferRequest,
                 InstallSnapshot, InstallSnapshotReply, ChangeRequest, ChangeReply, HealthReport>;

struct Envelope {
  NodeId to;
  Message message;
};

}  // namespace quorate::consensus
