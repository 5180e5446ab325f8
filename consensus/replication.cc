// The leader's side of log replication (section 5.3), commitment (5.4.2), and leadership transfer
// (dissertation 3.10).
#include <algorithm>
#include <cassert>
#include <utility>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

void Raft::Impl::TickLeader(Leader& leader) {
  if (!HearsMajority(leader)) {
    // Another may have been elected out of its sight; clients should not wait for it.
    BecomeFollower(std::nullopt);
    return;
  }
  if (!ReachesMajority(leader)) {
    // A majority has another log, so nothing can be committed here. One of the others can lead,
    // but not while this server stands: its log ends in this term, and so counts as newer.
    was_deserted_ = true;
    BecomeFollower(std::nullopt);
    return;
  }
  if (DiskIsStalled() && !IsSoleVoter()) {
    // It could go on with the disks of the others, but would hold up all that it has to apply
    // itself.
    BecomeFollower(std::nullopt);
    return;
  }
  if (leader.transfer && now_ - leader.transfer->started_at >= config_.election_timeout_ticks) {
    leader.transfer.reset();
    if (!leader.votes) {
      // Removed, and the one to hand over to did not take it: an election will find another.
      BecomeFollower(std::nullopt);
      return;
    }
  }
  ObserveHealth(leader);
  RepeatReadRound(leader);
  ++leader.heartbeat_elapsed;
  if (leader.heartbeat_elapsed >= config_.heartbeat_ticks) {
    leader.heartbeat_due = true;
    leader.caught_up_index = std::max(leader.noop_index, commit_index_);
    if (leader.transfer) {
      leader.transfer->timeout_now_due = true;
    }
  }
}

bool Raft::Impl::HearsMajority(const Leader& leader) const {
  size_t heard = leader.votes ? 1 : 0;
  for (const Progress& peer : leader.peers) {
    if (peer.voter() && IsRecentlyActive(peer)) {
      ++heard;
    }
  }
  return heard >= Majority(leader.voters);
}

bool Raft::Impl::ReachesMajority(const Leader& leader) const {
  size_t reached = leader.votes ? 1 : 0;
  for (const Progress& peer : leader.peers) {
    if (peer.voter() && peer.state() != Progress::State::kDiverged) {
      ++reached;
    }
  }
  return reached >= Majority(leader.voters);
}

void Raft::Impl::LeadRound(Leader& leader) {
  AdvanceCommitIndex(leader);
  MakeChanges(leader);
  PromoteLearner(leader);
  RaiseFeatureLevel(leader);
  StartReadRound(leader);
  ReportReads(leader);
  if (leader.heartbeat_due) {
    SendHeartbeats(leader);
  }
  for (Progress& peer : leader.peers) {
    SendAppends(peer);
    if (peer.awaits_commit() && std::min(peer.match_index(), commit_index_) > peer.commit_sent()) {
      // Reads on that follower wait for it.
      SendHeartbeat(leader, peer);
    }
  }
  SendTimeoutNow(leader);
  LeaveWhenRemoved(leader);
}

void Raft::Impl::AdvanceCommitIndex(Leader& leader) {
  leader.matches.assign(leader.votes ? 1 : 0, log_.durable_index());
  for (const Progress& peer : leader.peers) {
    if (peer.voter()) {
      leader.matches.push_back(peer.match_index());
    }
  }
  Index reached = ReachedByMajority(leader.matches);
  assert(reached <= log_.last_index());
  // Figure 8: an entry of an earlier term may be on a majority and still be overwritten, by a
  // server whose last entry has a later term. Once an entry of this term is on a majority, no such
  // server can be elected any more, and all before it is committed with it. Terms do not fall along
  // the log, so when the entry at `reached` is not of this term, none before it is.
  if (reached > commit_index_ && log_.TermAt(reached) == current_term()) {
    commit_index_ = reached;
  }
}

// --- Sending ---

void Raft::Impl::SendHeartbeat(const Leader& leader, Progress& peer) {
  // A heartbeat verifies nothing, so it must not commit what the follower may have to overwrite.
  Index leader_commit = std::min(peer.match_index(), commit_index_);
  peer.SentCommit(leader_commit);
  Send(peer.id(), Heartbeat{.term = current_term(),
                            .leader_commit = leader_commit,
                            .read_round = leader.newest_round});
}

void Raft::Impl::SendHeartbeats(Leader& leader) {
  for (Progress& peer : leader.peers) {
    SendHeartbeat(leader, peer);
  }
  SendHealthReports(leader);
  leader.heartbeat_due = false;
  leader.heartbeat_elapsed = 0;
}

void Raft::Impl::SendAppends(Progress& peer) {
  peer.DetectLoss(now_, limits_);
  if (peer.MayHaveSnapshot(now_, limits_)) {
    peer.ProbeAfterSnapshot(log_.base_index() + 1);
  }
  while (peer.MaySend(log_.last_index(), now_, limits_)) {
    Index first = peer.next_index();
    Index prev_log_index = first - 1;
    std::optional<Term> prev_log_term = log_.TermAt(prev_log_index);
    if (!prev_log_term) {
      peer.NeedSnapshot(now_);
      needs_snapshot_.push_back(peer.id());
      return;
    }
    AppendEntries append{.term = current_term(),
                         .prev_log_index = prev_log_index,
                         .prev_log_term = *prev_log_term,
                         .prev_log_chain = *log_.ChainAt(prev_log_index),
                         .leader_commit = commit_index_,
                         .entries = {}};
    bool from_memory = true;
    size_t bytes = 0;
    if (!peer.next_is_bare() && first <= log_.last_index()) {
      size_t room =
          config_.inflight_bytes_max - std::min(config_.inflight_bytes_max, peer.inflight_bytes());
      from_memory = log_.IsCached(first);
      append.entries =
          log_.Read(first, log_.last_index(), std::min(config_.append_bytes_max, room));
      assert(append.entries.front().index == first);
      assert(append.entries.front().term >= *prev_log_term);
      assert(append.entries.back().term <= current_term());
      for (const Entry& entry : append.entries) {
        bytes += entry.payload.size();
      }
    }
    Index last = prev_log_index + append.entries.size();
    peer.Sent(last, bytes, now_);
    peer.SentCommit(std::min(commit_index_, last));
    Send(peer.id(), std::move(append));
    if (!from_memory) {
      // One read of the disk a round: the followers that keep up are not to wait for it.
      return;
    }
  }
}

void Raft::Impl::SendTimeoutNow(Leader& leader) {
  if (!leader.transfer || !leader.transfer->timeout_now_due) {
    return;
  }
  // Who leaves the cluster does not hear what becomes of its entries later.
  const bool may_leave = leader.votes || commit_index_ == log_.last_index();
  if (may_leave && FindPeer(leader.transfer->target)->match_index() == log_.last_index()) {
    leader.transfer->timeout_now_due = false;
    Send(leader.transfer->target, TimeoutNow{current_term()});
  }
}

// --- What comes back ---

Progress* Raft::Impl::FindPeer(NodeId node) {
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    for (Progress& peer : leader->peers) {
      if (peer.id() == node) {
        return &peer;
      }
    }
  }
  return nullptr;
}

void Raft::Impl::NoteDiverged(Progress& peer, Index index) {
  if (peer.Diverged()) {
    divergences_.push_back({peer.id(), index});
  }
}

void Raft::Impl::Handle(NodeId from, const AppendEntriesReply& reply) {
  Progress* peer = FindPeer(from);
  if (peer == nullptr || reply.term < current_term()) {
    return;
  }
  if (reply.success) {
    if (reply.index > log_.last_index()) {
      // No log that agrees with this one reaches so far: another process leads in this term, as
      // this server, from a copy of its folder.
      NoteDiverged(*peer, reply.index);
      return;
    }
    peer->Succeeded(reply.index, std::min(reply.hint_index, log_.last_index()), now_);
    return;
  }
  if (reply.diverged) {
    NoteDiverged(*peer, reply.index);
    return;
  }
  // Where the follower's entry at the hint has an earlier term than this log's, the logs cannot
  // agree before this log's last entry of such a term: a whole term is skipped with each rejection.
  std::optional<Index> last_possible = log_.LastNotAbove(reply.hint_index, reply.hint_term);
  if (!last_possible) {
    assert(log_.base_index() > Index());
    last_possible = std::min(reply.hint_index, log_.base_index() - 1);
  }
  peer->Rejected(reply.index, *last_possible);
}

void Raft::Impl::Handle(NodeId from, const HeartbeatReply& reply) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || reply.term < current_term() || reply.read_round > leader->newest_round) {
    return;
  }
  if (Progress* peer = FindPeer(from)) {
    peer->AnsweredRound(reply.read_round);
    peer->set_fit(!reply.unfit);
    peer->set_feature_level(reply.feature_level);
    peer->Verified(reply.verified_index);
  }
}

// --- Leadership transfer ---

bool Raft::Impl::TransferLeadership(std::optional<NodeId> target) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->transfer) {
    return false;
  }
  if (!target) {
    const Progress* best = nullptr;
    for (const Progress& peer : leader->peers) {
      const auto merit = [](const Progress& of) { return std::pair(of.fit(), of.match_index()); };
      if (peer.voter() && IsRecentlyActive(peer) &&
          (best == nullptr || merit(peer) > merit(*best))) {
        best = &peer;
      }
    }
    if (best == nullptr) {
      return false;
    }
    target = best->id();
  }
  if (const Progress* peer = FindPeer(*target); peer == nullptr || !peer->voter()) {
    return false;
  }
  leader->transfer = LeadershipTransfer{.target = *target, .started_at = now_};
  return true;
}

bool Raft::Impl::RequestLeadership() {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !follower->leader) {
    return false;
  }
  Send(*follower->leader, TransferRequest{current_term()});
  return true;
}

void Raft::Impl::Handle(NodeId from, const TransferRequest& request) {
  if (request.term == current_term()) {
    TransferLeadership(from);
  }
}

}  // namespace quorate::consensus
