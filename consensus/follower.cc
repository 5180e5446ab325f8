// The follower's side of AppendEntries (section 5.3) and of heartbeats.
#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

namespace {

// Indexes follow one another and terms do not fall. Anything else cannot have been meant.
bool IsWellFormed(const AppendEntries& request) {
  Index index = request.prev_log_index;
  Term term = request.prev_log_term;
  for (const Entry& entry : request.entries) {
    if (entry.index != index + 1 || entry.term < term || entry.term > request.term) {
      return false;
    }
    if (entry.kind == EntryKind::kConfiguration) {
      std::optional<Configuration> configuration = DecodeConfiguration(entry.payload.bytes());
      if (!configuration || VoterCount(*configuration) == 0) {
        return false;
      }
    }
    if (entry.kind == EntryKind::kFounding && !DecodeFounding(entry.payload.bytes())) {
      return false;
    }
    index = entry.index;
    term = entry.term;
  }
  return true;
}

}  // namespace

// Election Safety (figure 3) says that there is at most one leader a term. That rests on votes that
// their disks remember.
Follower* Raft::Impl::HearLeader(NodeId from) {
  if (compared_.leader.value_or(from) != from) {
    const RivalLeaders rivals{current_term(), *compared_.leader, from};
    rivals_found_ = rivals_found_ || rival_leaders_ != rivals;
    rival_leaders_ = rivals;
    return nullptr;
  }
  compared_.leader = from;
  assert(!is_leader());
  if (!std::holds_alternative<Follower>(role_)) {
    BecomeFollower(from);
  }
  Follower& follower = std::get<Follower>(role_);
  follower.leader = from;
  follower.leader_heard_at = now_;
  ResetElectionTimer();
  return &follower;
}

void Raft::Impl::Handle(NodeId from, AppendEntries&& request) {
  if (request.term < current_term()) {
    // The refusal names the term. Without it, a leader of an earlier term that this server takes no
    // entries from, and a server of a later term that nobody votes for, could go on side by side.
    //
    // It speaks of no entry: B, leading in term 1, sends an append; A, already in term 2, refuses
    // it; B is elected in term 2; only then does the refusal arrive. It names the term that B leads
    // in, and must not be taken for an answer to what B has sent in it. Index 0 is never refused in
    // earnest.
    Send(from, AppendEntriesReply{.term = current_term(),
                                  .success = false,
                                  .index = Index(),
                                  .hint_index = Index(),
                                  .hint_term = Term()});
    return;
  }
  if (!IsWellFormed(request)) {
    return;
  }
  Follower* const follower = HearLeader(from);
  if (follower == nullptr) {
    return;
  }
  // What was trimmed here is committed, so it is in this leader's log too.
  if (request.prev_log_index > settled_index() &&
      log_.TermAt(request.prev_log_index) != request.prev_log_term) {
    RejectAppend(from, request);
    return;
  }
  if (const std::optional<Index> index = DivergesAt(&request)) {
    RefuseDiverged(from, *index);
    return;
  }
  was_deserted_ = compared_.diverged = false;
  Index verified = request.prev_log_index + request.entries.size();
  bool appended = false;
  AppendMissing(std::move(request.entries), &appended);
  assert(verified <= log_.last_index());
  compared_.verified_index = std::max(compared_.verified_index, verified);
  // Past `verified` this log may hold entries that the leader does not have, whatever it has
  // committed.
  commit_index_ = std::max(commit_index_, std::min(request.leader_commit, verified));
  ProveFollowerReads(*follower);
  if (!appended) {
    // No write will bring the reply about.
    follower->owes_append_reply = true;
  }
}

// What is committed is in the log of every leader to come (section 5.4). What was found equal to
// this term's leader's log stays in that, since a leader only appends (section 5.3).
Index Raft::Impl::settled_index() const {
  return std::max(commit_index_, compared_.verified_index);
}

// So another entry in such a place is no conflict to be truncated.
bool Raft::Impl::IsOverruled(Index index, Term term) const {
  return index >= log_.base_index() && index <= settled_index() && log_.TermAt(index) != term;
}

// Raft's proof of Log Matching rests on disks that keep what was written to them. An operator who
// puts last night's copy of one in its place, or starts the same command line on emptied ones and
// then brings an old one back, makes two logs with equal indexes and terms, and other entries. To
// take that for a match would lose acknowledged writes without a word; to take it for a conflict
// and truncate would lose them for good.
std::optional<Index> Raft::Impl::DivergesAt(AppendEntries* request) const {
  if (IsOverruled(request->prev_log_index, request->prev_log_term)) {
    return request->prev_log_index;
  }
  // The furthest place at which both logs have an entry of the same term: equal there, equal
  // before.
  Index shared = request->prev_log_index;
  Chain chain = request->prev_log_chain;
  Chain shared_chain = chain;
  for (Entry& entry : request->entries) {
    chain = entry.chain = ExtendChain(chain, entry);
    if (IsOverruled(entry.index, entry.term)) {
      return entry.index;
    }
    // What was trimmed here is committed, and is compared by what the entries lead to at the base.
    if (entry.index <= log_.base_index() || log_.TermAt(entry.index) == entry.term) {
      shared = entry.index;
      shared_chain = chain;
    }
  }
  if (shared < log_.base_index()) {
    return std::nullopt;  // nothing here to compare with, and nothing to take
  }
  if (log_.ChainAt(shared) != shared_chain) {
    return shared;
  }
  return std::nullopt;
}

void Raft::Impl::RefuseDiverged(NodeId from, Index index) {
  if (!std::exchange(compared_.diverged, true)) {
    divergences_.push_back({from, index});
  }
  Send(from, AppendEntriesReply{.term = current_term(),
                                .success = false,
                                .index = index,
                                .hint_index = index,
                                .hint_term = *log_.TermAt(index),
                                .diverged = true});
}

void Raft::Impl::AppendMissing(std::vector<Entry>&& entries, bool* appended) {
  for (Entry& entry : entries) {
    if (entry.index <= log_.base_index()) {
      continue;
    }
    std::optional<Term> term = log_.TermAt(entry.index);
    if (term == entry.term) {
      // Present already, and what follows it stays: this may be an old message, and the entries
      // after it may be acknowledged.
      continue;
    }
    if (term) {
      assert(entry.index > settled_index());
      log_.TruncateFrom(entry.index);
      configurations_.TruncateFrom(entry.index);
      founding_.TruncateFrom(entry.index);
    }
    if (entry.kind == EntryKind::kConfiguration) {
      configurations_.Append(entry.index, *DecodeConfiguration(entry.payload.bytes()));
    }
    founding_.Append(entry);
    log_.Append(std::move(entry));
    *appended = true;
  }
}

void Raft::Impl::RejectAppend(NodeId from, const AppendEntries& request) {
  // An entry of a later term than prev_log_term cannot match any entry of the leader's up to
  // prev_log_index, so the leader need not try them one by one.
  Index hint_index =
      log_.LastNotAbove(request.prev_log_index, request.prev_log_term).value_or(log_.base_index());
  Send(from, AppendEntriesReply{.term = current_term(),
                                .success = false,
                                .index = request.prev_log_index,
                                .hint_index = hint_index,
                                .hint_term = *log_.TermAt(hint_index)});
}

void Raft::Impl::Handle(NodeId from, const Heartbeat& heartbeat) {
  if (heartbeat.term < current_term()) {
    // As with appends. A round of the earlier term would be worse here: counted in the term that
    // the refusal names, it would prove reads that came long after it was sent.
    Send(from, HeartbeatReply{.term = current_term(), .read_round = 0});
    return;
  }
  Follower* const follower = HearLeader(from);
  if (follower == nullptr) {
    return;
  }
  // leader_commit rests on what this server has acknowledged. But to whom? Perhaps its disk is not
  // that of the process that did.
  commit_index_ =
      std::max(commit_index_, std::min(heartbeat.leader_commit, compared_.verified_index));
  follower->owes_heartbeat_reply = true;
  follower->read_round = std::max(follower->read_round, heartbeat.read_round);
}

void Raft::Impl::SendFollowerReplies(Follower& follower) {
  if (!follower.leader) {
    return;
  }
  // One reply for all that has become durable. It never speaks of more: an acknowledged entry
  // survives any crash of this server.
  Index acknowledged = std::min(compared_.verified_index, log_.durable_index());
  if (follower.owes_append_reply || acknowledged > follower.acknowledged_index) {
    follower.owes_append_reply = false;
    follower.acknowledged_index = std::max(follower.acknowledged_index, acknowledged);
    Send(*follower.leader, AppendEntriesReply{.term = current_term(),
                                              .success = true,
                                              .index = acknowledged,
                                              .hint_index = compared_.verified_index,
                                              .hint_term = Term()});
  }
  if (follower.owes_heartbeat_reply) {
    follower.owes_heartbeat_reply = false;
    Send(*follower.leader, HeartbeatReply{.term = current_term(),
                                          .read_round = follower.read_round,
                                          .unfit = IsUnfit(),
                                          .verified_index = compared_.verified_index,
                                          .feature_level = config_.feature_level});
  }
}

}  // namespace quorate::consensus
