// The configuration in force and its changes: section 6 and the dissertation's chapter 4, one
// server at a time.
#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

bool Raft::Impl::IsSoleVoter() const {
  return IsVoter() && VoterCount(configurations_.current()) == 1;
}

bool Raft::Impl::IsRecentlyActive(const Progress& peer) const {
  return now_ - peer.heard_at() < config_.election_timeout_ticks;
}

// --- Changes ---

ChangeError Raft::Impl::NotLeader() {
  return {ChangeRefusal::kNotLeader, "the node that was asked is not the leader"};
}

std::variant<Index, ChangeError> Raft::Impl::ProposeChange(const Change& change, bool force) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return NotLeader();
  }
  uint64_t round = 0;
  return TryChange(*leader, change, force, &round);
}

std::variant<Index, ChangeError> Raft::Impl::TryChange(Leader& leader, const Change& change,
                                                       bool force, uint64_t* round) {
  if (leader.transfer) {
    return ChangeError{ChangeRefusal::kNotLeader, "the leader is handing over to another node"};
  }
  // Ongaro's correction of 2015 (raft-dev). Of servers 1 to 4, leader 1 adds 5 in term 1; that is
  // on 1 and 5 alone. 2 is elected in term 2 by 2, 3 and 4, removes 1, and commits that on 2 and 3,
  // two of three. Then 1 is elected by 1, 4 and 5, three of five, and overwrites it. Had 2 first
  // committed an entry of its own term, which takes three of the four, 4 would have refused 1.
  if (!leader_is_established()) {
    return ChangeError{ChangeRefusal::kNotEstablished, "the leader was elected only just now"};
  }
  if (configurations_.current_index() > commit_index_) {
    return ChangeError{ChangeRefusal::kChangePending, "another change of the members is under way"};
  }
  if (const auto* add = std::get_if<AddLearner>(&change)) {
    const auto there = IsThere(leader, add->address, round);
    if (const auto* error = std::get_if<ChangeError>(&there)) {
      return *error;
    }
    if (std::get<bool>(there)) {
      return std::max(leader.noop_index, configurations_.current_index());
    }
  }
  const auto* remove = std::get_if<RemoveMember>(&change);
  if (remove != nullptr && WasRemoved(configurations_.current(), remove->id)) {
    return std::max(leader.noop_index, configurations_.current_index());
  }
  auto changed = Changed(configurations_.current(), change);
  if (auto* error = std::get_if<ChangeError>(&changed)) {
    return *std::move(error);
  }
  auto& configuration = std::get<Configuration>(changed);
  bool voters_change = VotersApart(configurations_.current(), configuration) > 0;
  if (voters_change && !force && !HasLiveMajority(leader, configuration)) {
    return ChangeError{ChangeRefusal::kNoLiveMajority,
                       "too few of the nodes that would be left are reachable"};
  }
  return AppendConfiguration(leader, std::move(configuration));
}

// Whoever adds an address that a member has may be right: what answers there may have lost its
// folder, and so be that member no more. It answers nothing as that member then, so an answer to
// heartbeats that were begun since tells. Having been heard from lately does not.
std::variant<bool, ChangeError> Raft::Impl::IsThere(Leader& leader, const std::string& address,
                                                    uint64_t* round) {
  const ConfigurationMember* member = FindAddress(configurations_.current(), address);
  if (member == nullptr) {
    return false;
  }
  // A learner without a folder is a place that nobody has taken yet.
  const bool is_free = !member->voter && member->folder == 0;
  if (member->id == config_.id || is_free) {
    return true;
  }
  if (*round == 0) {
    *round = ++leader.newest_round;
    leader.heartbeat_due = true;
  }
  const Progress& peer = *FindPeer(member->id);
  if (peer.answered_round() >= *round) {
    return true;
  }
  if (IsRecentlyActive(peer)) {
    return ChangeError{
        ChangeRefusal::kMayBeThere,
        "whether node " + std::to_string(member->id.value()) + " is still there is not known yet"};
  }
  return false;
}

bool Raft::Impl::HasLiveMajority(const Leader& leader, const Configuration& configuration) const {
  size_t live = consensus::IsVoter(configuration, config_.id) ? 1 : 0;
  for (const Progress& peer : leader.peers) {
    if (consensus::IsVoter(configuration, peer.id()) && peer.was_heard() &&
        IsRecentlyActive(peer)) {
      ++live;
    }
  }
  return live >= Majority(VoterCount(configuration));
}

Index Raft::Impl::AppendConfiguration(Leader& leader, Configuration configuration) {
  Index index = log_.last_index() + 1;
  log_.Append({current_term(), index, EntryKind::kConfiguration, Payload(Encode(configuration))});
  configurations_.Append(index, std::move(configuration));
  FollowConfiguration(leader);
  return index;
}

// Makes the peers those of the configuration in force; what is known of those that stay is kept.
void Raft::Impl::FollowConfiguration(Leader& leader) {
  const Configuration& configuration = configurations_.current();
  std::vector<Progress> before = std::exchange(leader.peers, {});
  for (const ConfigurationMember& member : configuration.members) {
    if (member.id == config_.id) {
      continue;
    }
    auto known = std::find_if(before.begin(), before.end(),
                              [&](const Progress& peer) { return peer.id() == member.id; });
    if (known != before.end()) {
      known->set_voter(member.voter);
      leader.peers.push_back(std::move(*known));
    } else {
      leader.peers.emplace_back(member.id, member.voter, log_.last_index() + 1, now_);
    }
  }
  leader.votes = consensus::IsVoter(configuration, config_.id);
  leader.voters = VoterCount(configuration);
  leader.matches.reserve(leader.voters);
  leader.rounds.reserve(leader.voters);

  if (leader.transfer && !consensus::IsVoter(configuration, leader.transfer->target)) {
    leader.transfer.reset();
  }
  std::erase_if(leader.reads, [&](const PendingRead& read) {
    bool removed = read.follower && FindMember(configuration, *read.follower) == nullptr;
    if (removed) {
      Send(*read.follower, ReadIndexReply{current_term(), read.request, Index()});
    }
    return removed;
  });
}

// A learner that has all that was committed a moment ago keeps up (dissertation 4.2.1): as a voter
// it will not hold up commits for long.
void Raft::Impl::PromoteLearner(Leader& leader) {
  if (leader.transfer || !leader_is_established() ||
      configurations_.current_index() > commit_index_) {
    return;
  }
  for (const Progress& peer : leader.peers) {
    if (!peer.voter() && peer.was_heard() && IsRecentlyActive(peer) &&
        peer.match_index() >= leader.caught_up_index) {
      Configuration configuration = configurations_.current();
      for (ConfigurationMember& member : configuration.members) {
        member.voter = member.voter || member.id == peer.id();
      }
      if (HasLiveMajority(leader, configuration)) {
        AppendConfiguration(leader, std::move(configuration));
      }
      return;
    }
  }
}

// All members must have said so to this leader, also those that do not vote: each of them applies
// what the new level allows. What a member said in an earlier term may have been another build of
// it.
void Raft::Impl::RaiseFeatureLevel(Leader& leader) {
  uint64_t level = config_.feature_level;
  for (const Progress& peer : leader.peers) {
    level = std::min(level, peer.feature_level());
  }
  const Configuration& current = configurations_.current();
  if (level <= current.feature_level || leader.transfer || !leader_is_established() ||
      configurations_.current_index() > commit_index_) {
    return;
  }
  Configuration configuration = current;
  configuration.feature_level = static_cast<uint32_t>(level);
  AppendConfiguration(leader, std::move(configuration));
}

// Dissertation 4.2.2: a leader leads on until its removal is committed, since nobody else may know
// of it, and does not count itself meanwhile. `leader` may be gone afterwards.
void Raft::Impl::LeaveWhenRemoved(Leader& leader) {
  if (leader.votes || configurations_.current_index() > commit_index_) {
    return;
  }
  if (!leader.transfer && !TransferLeadership(std::nullopt)) {
    BecomeFollower(std::nullopt);  // nobody is there to hand over to
    return;
  }
  SendTimeoutNow(leader);
  if (!leader.transfer->timeout_now_due) {
    successor_ = leader.transfer->target;
    BecomeFollower(std::nullopt);
  }
}

// --- Changes that any server asks for ---

std::optional<uint64_t> Raft::Impl::RequestChange(const Change& change, bool force) {
  const std::optional<NodeId> to = leader();
  if (!to) {
    return std::nullopt;
  }
  const uint64_t request = next_request_++;
  const ChangeRequest question{current_term(), request, force, change};
  if (is_leader()) {
    Handle(config_.id, question);
  } else {
    Send(*to, question);
  }
  return request;
}

void Raft::Impl::Handle(NodeId from, const ChangeRequest& request) {
  AskedChange asked{from, request.request, request.change, request.force, now_};
  Leader* leader = std::get_if<Leader>(&role_);
  // Whoever asked in an earlier term may have been told since that the change was not made, by an
  // entry of this term that is committed in its place.
  if (leader == nullptr || request.term < current_term()) {
    AnswerChange(asked, NotLeader());
    return;
  }
  std::erase_if(leader->changes, [&](const AskedChange& other) { return other.from == from; });
  leader->changes.push_back(std::move(asked));
}

void Raft::Impl::MakeChanges(Leader& leader) {
  // As long as it takes to find out that a member is gone, and then some.
  const uint64_t patience = 2 * uint64_t{config_.election_timeout_ticks};
  std::vector<AskedChange> waiting;
  for (AskedChange& asked : leader.changes) {
    const auto outcome = TryChange(leader, asked.change, asked.force, &asked.round);
    const auto* error = std::get_if<ChangeError>(&outcome);
    const bool waits = error && IsForTheMoment(error->reason) && now_ - asked.asked_at < patience;
    if (waits) {
      waiting.push_back(std::move(asked));
    } else {
      AnswerChange(asked, outcome);
    }
  }
  leader.changes = std::move(waiting);
}

void Raft::Impl::AnswerChange(const AskedChange& change,
                              const std::variant<Index, ChangeError>& outcome) {
  ChangeReply reply{current_term(), change.request, Index(), ChangeRefusal::kNone, ""};
  if (const Index* index = std::get_if<Index>(&outcome)) {
    reply.index = *index;
  } else {
    reply.refusal = std::get<ChangeError>(outcome).reason;
    reply.error = std::get<ChangeError>(outcome).text;
  }
  if (change.from == config_.id) {
    Handle(change.from, reply);
  } else {
    Send(change.from, std::move(reply));
  }
}

void Raft::Impl::Handle(NodeId /*from*/, const ChangeReply& reply) {
  change_answers_.push_back({reply.request, reply.term, reply.index, {reply.refusal, reply.error}});
}

}  // namespace quorate::consensus
