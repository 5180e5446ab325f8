// Linearizable reads without the log (dissertation 6.4). A read may be answered from a state that
// has applied the read index: the commit index when the read arrived, once it is certain that no
// other leader had committed more by then.
#include <algorithm>
#include <cassert>
#include <utility>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

bool Raft::Impl::RequestRead(ReadToken token) {
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    leader->reads.push_back({.follower = std::nullopt,
                             .token = token,
                             .read_index = commit_index_,
                             .barrier = log_.last_index()});
    leader->round_due = true;
    return true;
  }
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !follower->leader) {
    return false;
  }
  follower->new_reads.push_back(token);
  return true;
}

// --- Leader ---

void Raft::Impl::StartReadRound(Leader& leader) {
  if (!leader.round_due) {
    return;
  }
  leader.round_due = false;
  // A new number for each round: an answer to an earlier one was perhaps given before these reads
  // came, and proves nothing about them.
  ++leader.newest_round;
  for (auto read = leader.reads.rbegin(); read != leader.reads.rend() && read->round == 0; ++read) {
    read->round = leader.newest_round;
  }
  AskForRound(leader);
}

// A majority's answers are enough, and of those that were the first to answer the last time they
// come soonest. All others are asked by the periodic heartbeats, each of which may find that others
// have become quicker. With three servers, that is half the messages.
void Raft::Impl::AskForRound(Leader& leader) {
  size_t needed = Majority(leader.voters) - (leader.votes ? 1 : 0);
  auto first = [](const Progress& peer) { return peer.voter() && peer.answers_first(); };
  if (static_cast<size_t>(std::ranges::count_if(leader.peers, first)) < needed) {
    leader.heartbeat_due = true;
  }
  if (leader.heartbeat_due) {
    return;  // which asks all
  }
  for (Progress& peer : leader.peers) {
    if (needed > 0 && first(peer)) {
      SendHeartbeat(leader, peer);
      --needed;
    }
  }
}

// Who was asked for a round may be gone, or hang: when a whole tick has brought no answer, all are
// asked.
void Raft::Impl::RepeatReadRound(Leader& leader) {
  uint64_t asked_before = std::exchange(leader.newest_round_at_tick, leader.newest_round);
  if (!leader.reads.empty() && leader.proven_round < asked_before) {
    leader.heartbeat_due = true;
  }
}

void Raft::Impl::ReportReads(Leader& leader) {
  // Until an entry of this term is committed, the commit index may be behind what earlier leaders
  // have acknowledged to clients.
  if (leader.reads.empty() || commit_index_ < leader.noop_index) {
    return;
  }
  leader.rounds.assign(leader.votes ? 1 : 0, leader.newest_round);
  for (const Progress& peer : leader.peers) {
    if (peer.voter()) {
      leader.rounds.push_back(peer.answered_round());
    }
  }
  uint64_t confirmed = ReachedByMajority(leader.rounds);
  if (confirmed > leader.proven_round) {
    leader.proven_round = confirmed;
    for (Progress& peer : leader.peers) {
      peer.set_answers_first(peer.answered_round() >= confirmed);
    }
  }
  while (!leader.reads.empty()) {
    PendingRead& read = leader.reads.front();
    assert(read.round > 0);
    // Either a majority has followed this leader since the read came, or it has stored an entry
    // that was proposed since.
    if (read.round > confirmed && commit_index_ <= read.barrier) {
      break;
    }
    Index read_index = std::max(read.read_index, leader.noop_index);
    if (read.follower) {
      Send(*read.follower, ReadIndexReply{current_term(), read.request, read_index});
      FindPeer(*read.follower)->SentReadIndex(read_index);
    } else {
      proven_reads_.push_back({read.token, read_index});
    }
    leader.reads.pop_front();
  }
}

void Raft::Impl::Handle(NodeId from, const ReadIndex& request) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || request.term < current_term() || FindPeer(from) == nullptr) {
    Send(from, ReadIndexReply{current_term(), request.request, Index()});
    return;
  }
  leader->reads.push_back({.follower = from,
                           .token = ReadToken(),
                           .request = request.request,
                           .read_index = commit_index_,
                           .barrier = log_.last_index()});
  leader->round_due = true;
}

// --- Follower ---

void Raft::Impl::SendReadIndex(Follower& follower) {
  if (follower.new_reads.empty()) {
    return;
  }
  assert(follower.leader);
  uint64_t request = next_request_++;
  follower.asked_reads.push_back(
      {.request = request, .asked_at = now_, .tokens = std::exchange(follower.new_reads, {})});
  Send(*follower.leader, ReadIndex{current_term(), request});
}

void Raft::Impl::TickFollowerReads(Follower& follower) {
  while (!follower.asked_reads.empty() &&
         now_ - follower.asked_reads.front().asked_at >= config_.election_timeout_ticks) {
    AskedReads& lost = follower.asked_reads.front();
    dropped_reads_.insert(dropped_reads_.end(), lost.tokens.begin(), lost.tokens.end());
    follower.asked_reads.pop_front();
  }
}

void Raft::Impl::Handle(NodeId /*from*/, const ReadIndexReply& reply) {
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || reply.term < current_term()) {
    return;
  }
  auto& asked = follower->asked_reads;
  auto answered = std::find_if(asked.begin(), asked.end(), [&](const AskedReads& reads) {
    return reads.request == reply.request;
  });
  if (answered == asked.end()) {
    return;  // given up, or answered with a later one
  }
  if (reply.read_index == Index()) {
    dropped_reads_.insert(dropped_reads_.end(), answered->tokens.begin(), answered->tokens.end());
    asked.erase(answered);
    return;
  }
  // Reads that were asked for earlier may use it too: it was current after they had come.
  for (auto reads = asked.begin(); reads != std::next(answered); ++reads) {
    reads->read_index = reply.read_index;
  }
  ProveFollowerReads(*follower);
}

// The leader has proven its own log. What this server has applied of its log already is a part of
// that only if the two logs have been compared: its disk may be another's, or an older copy.
void Raft::Impl::ProveFollowerReads(Follower& follower) {
  auto& asked = follower.asked_reads;
  while (!asked.empty() && asked.front().read_index && compared_.verified_index >= commit_index_) {
    for (ReadToken token : asked.front().tokens) {
      proven_reads_.push_back({token, *asked.front().read_index});
    }
    asked.pop_front();
  }
}

}  // namespace quorate::consensus
