// Leader election: section 5.2 with the restriction of 5.4.1, pre-vote (dissertation 9.6), and
// stickiness (4.2.3): a server that hears its leader takes no part in electing another.
#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>
#include <vector>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

namespace {

// When a leader's process has ended, its followers learn of it at the same moment. A few ticks of
// chance keep them from standing against one another.
constexpr uint64_t kPeerGoneDelayTicksMax = 3;

}  // namespace

void Raft::Impl::TickElection() {
  if (IsSoleVoter()) {
    // Nobody to ask. But to wait for: a leader that has removed itself, and left this server alone,
    // leads until that is committed (dissertation 4.2.2), which takes this server's
    // acknowledgement.
    if (!std::holds_alternative<Candidate>(role_) && !DiskIsStalled() && !has_lost_its_data_ &&
        !HearsLeader()) {
      BecomeCandidate(current_term() + 1, false);
    }
    return;
  }
  ++election_elapsed_;
  if (election_elapsed_ < election_timeout_) {
    return;
  }
  // A server that is not a voter waits. One whose removal is not committed stands: it may be the
  // only one that has the entry, and without it nobody could be elected (dissertation 4.2.2).
  const bool may_stand =
      configurations_.MayVote(config_.id, commit_index_) && !has_lost_its_data_ && !was_deserted_;
  const bool waits_to_be_asked = WaitsForFounding() && !founding_begun_;
  if (!may_stand || waits_to_be_asked || DiskIsStalled()) {
    // With a stalled disk it could neither vote for itself nor lead. Once the disk is back it
    // stands at the next tick.
    if (leader()) {
      BecomeFollower(std::nullopt);
    }
    return;
  }
  BecomePreCandidate();
}

void Raft::Impl::ResetElectionTimer() {
  election_elapsed_ = 0;
  election_timeout_ =
      config_.election_timeout_ticks + random_.Below(config_.election_timeout_ticks);
}

// After a start, a living leader is heard within a heartbeat or two. If none is, all the servers
// may have been started, and need not wait as for a leader that is only late: a pre-vote disturbs
// nobody.
void Raft::Impl::BeginElectionTimer() {
  election_elapsed_ = 0;
  election_timeout_ = std::min(2 * config_.heartbeat_ticks, config_.election_timeout_ticks) +
                      random_.Below((config_.election_timeout_ticks + 1) / 2);
}

void Raft::Impl::PeerGone(NodeId peer) {
  if (Progress* progress = FindPeer(peer)) {
    progress->Disconnected(log_.base_index() + 1);
    // Perhaps it was asked to prove reads.
    std::get<Leader>(role_).heartbeat_due = true;
  }
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != peer) {
    return;
  }
  AbandonRequests();
  follower->leader.reset();
  election_elapsed_ = 0;
  election_timeout_ = 1 + random_.Below(kPeerGoneDelayTicksMax + 1);
}

// A leader hears itself: it steps down by its own check of the majority.
bool Raft::Impl::HearsLeader() const {
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    return follower->leader && now_ - follower->leader_heard_at < config_.election_timeout_ticks;
  }
  return is_leader();
}

void Raft::Impl::BecomePreCandidate() {
  assert(!is_leader());
  assert(!IsSoleVoter());
  AbandonRequests();
  ResetElectionTimer();
  WithdrawVoteRequests();
  PreCandidate pre_candidate{VoteTally(VotesNeeded())};
  if (IsVoter()) {
    pre_candidate.votes.Grant(config_.id);
  }
  role_ = std::move(pre_candidate);
  // In the cluster's first election, one that no earlier attempt has asked for: what answers those
  // may be of a time before that election, see FirstVoteIsDue.
  newest_pre_vote_ =
      IsInFirstElection() ? std::max(current_term(), newest_pre_vote_) + 1 : current_term() + 1;
  SendToVoters(VoteRequest(newest_pre_vote_, true, false));
}

void Raft::Impl::WithdrawVoteRequests() {
  std::erase_if(outbox_, [](const Envelope& envelope) {
    return std::holds_alternative<RequestVote>(envelope.message);
  });
}

void Raft::Impl::BecomeCandidate(Term term, bool leadership_transfer) {
  assert(!is_leader());
  AbandonRequests();
  ResetElectionTimer();
  SetHardState(term, config_.id);
  outbox_.clear();
  // Its own vote counts once it is durable, like any other.
  role_ = Candidate{VoteTally(VotesNeeded())};
  SendToVoters(VoteRequest(term, false, leadership_transfer));
}

void Raft::Impl::CountOwnVote() {
  assert(HardStateIsDurable());
  assert(hard_state_.voted_for == config_.id);
  Candidate& candidate = std::get<Candidate>(role_);
  if (IsVoter()) {
    candidate.votes.Grant(config_.id);
  }
  if (candidate.votes.Won()) {
    BecomeLeader();
  }
}

// The first election of a cluster takes all its voters, so that each of them has written down a
// vote before there is anything to lose: a voter without one, and without a log, that hears of an
// elected leader has lost its data (see NoticesLoss). Only a server whose log holds nothing can
// stand in that election, and with a majority of the votes it could also win a later one: A, B and
// C have begun, C has acknowledged an entry of A's that B lacks, and loses its folder; B must not
// become leader with C's help.
size_t Raft::Impl::VotesNeeded() const {
  size_t voters = VoterCount(configurations_.current());
  return IsInFirstElection() ? voters : Majority(voters);
}

// Nobody stands in the first election before an operator says so: all folders emptied and the same
// command lines started again would else be a new cluster. Where one does, the others vote as ever,
// and whoever has voted is not pristine any more: it stands by itself until there is a leader. So
// the votes on the disks are what remembers the decision. No vote is asked for before all have
// granted their pre-votes, which nobody does who holds data. Until then nothing is on any disk.
bool Raft::Impl::WaitsForFounding() const {
  return pristine_ && !config_.founds_unasked && !has_lost_its_data_ && !IsSoleVoter();
}

void Raft::Impl::BeginFounding() {
  if (!WaitsForFounding() || founding_begun_) {
    return;
  }
  founding_begun_ = true;
  founders_agreed_.clear();
}

void Raft::Impl::AbandonFounding() {
  founding_begun_ = false;
  if (WaitsForFounding() && std::holds_alternative<PreCandidate>(role_)) {
    BecomeFollower(std::nullopt);
  }
}

std::vector<NodeId> Raft::Impl::founders_missing() const {
  std::vector<NodeId> missing;
  for (const ConfigurationMember& member : configurations_.current().members) {
    if (member.voter && member.id != config_.id &&
        std::ranges::find(founders_agreed_, member.id) == founders_agreed_.end()) {
      missing.push_back(member.id);
    }
  }
  return missing;
}

// Such a candidate does not win a later election, but it must not be given a vote, either, by a
// server that has lost its folder: having voted, that would look whole. A and B have voted for A,
// as has C, whose vote is late. B becomes impatient and asks for pre-votes; A and C grant them, and
// B is stopped before it hears of it. A leads, commits entries with C, and crashes; C loses its
// folder; B goes on and finds the grants. It would ask C for its vote, and get it. So the first
// vote is for who was granted a pre-vote for it in this life: then that was asked for since the
// folder was lost, by a request of its own, to which whoever has committed anything since does not
// agree.
bool Raft::Impl::FirstVoteIsDue(NodeId candidate, Term term) const {
  return granted_pre_vote_ == std::pair(candidate, term);
}

// True: the message is not for a server that has nothing. See Raft::has_lost_its_data.
bool Raft::Impl::NoticesLoss(const Message& message) {
  if (has_lost_its_data_) {
    return true;
  }
  if (!pristine_) {
    return false;
  }
  if (const auto* request = std::get_if<RequestVote>(&message)) {
    // In the cluster's first election no log holds anything.
    if (request->last_log_index == origin_index_) {
      return false;
    }
    LoseData();
    return true;
  }
  if (const auto* reply = std::get_if<RequestVoteReply>(&message)) {
    // A refusal names a later term. If that were taken over, then after a restart the loss could
    // not be told any more. And a vote is for who this server was before: to ask for one it would
    // have written down its own.
    has_lost_its_data_ = reply->vote_granted && !reply->pre_vote;
    return !reply->vote_granted || has_lost_its_data_;
  }
  // The others speak of a leader, and that could not have been elected without this server.
  if (std::holds_alternative<AppendEntries>(message) ||
      std::holds_alternative<Heartbeat>(message) ||
      std::holds_alternative<InstallSnapshot>(message) ||
      std::holds_alternative<TimeoutNow>(message)) {
    LoseData();
  }
  return true;
}

void Raft::Impl::LoseData() {
  has_lost_its_data_ = true;
  BecomeFollower(std::nullopt);
  outbox_.clear();  // what it was about to say in this round, it says in ignorance
}

void Raft::Impl::BecomeLeader() {
  assert(HardStateIsDurable());
  assert(hard_state_.voted_for == config_.id);
  assert(!compared_.leader);
  compared_.leader = config_.id;
  Leader leader;
  leader.noop_index = log_.last_index() + 1;
  leader.caught_up_index = leader.noop_index;
  FollowConfiguration(leader);
  // An entry of its own term: only through it can the entries before it be committed
  // (section 5.4.2), and only then does it know the commit index that its reads need (section 8).
  Entry first{current_term(), leader.noop_index, EntryKind::kNoop, Payload()};
  if (log_.last_index() == origin_index_ && config_.founding.size() > 0) {
    // The cluster's first leader: it founds the cluster.
    first.kind = EntryKind::kFounding;
    first.payload = config_.founding;
    founding_.Append(first);
  }
  log_.Append(std::move(first));
  role_ = std::move(leader);
}

RequestVote Raft::Impl::VoteRequest(Term term, bool pre_vote, bool leadership_transfer) const {
  return {.term = term,
          .last_log_index = log_.last_index(),
          .last_log_term = log_.last_term(),
          .pre_vote = pre_vote,
          .leadership_transfer = leadership_transfer};
}

// Section 5.4.1: the later last term wins; with equal terms, the longer log.
bool Raft::Impl::IsUpToDate(const RequestVote& request) const {
  return std::tuple(request.last_log_term, request.last_log_index) >=
         std::tuple(log_.last_term(), log_.last_index());
}

bool Raft::Impl::MayVoteFor(NodeId candidate, Term term) const {
  if (term > current_term()) {
    // A pre-vote: the vote of a term that this server has not entered is free.
    return true;
  }
  if (term < current_term()) {
    return false;
  }
  // The reply to a vote may have been lost, so the same candidate gets the same answer again.
  if (hard_state_.voted_for == candidate) {
    return true;
  }
  // A term that has a leader needs no vote.
  return hard_state_.voted_for == NodeId() && !leader();
}

void Raft::Impl::Handle(NodeId from, const RequestVote& request) {
  // A server cut off from a healthy leader must not depose it when it comes back, so its term is
  // not taken over either. Not so where the leader itself asked for the election. Requests of the
  // current term and of earlier ones are answered: the asker may learn from the refusal that its
  // term is stale.
  if (request.term > current_term() && !request.leadership_transfer && HearsLeader()) {
    return;
  }
  if (request.pre_vote) {
    HandlePreVote(from, request);
    return;
  }
  if (pristine_ && !FirstVoteIsDue(from, request.term)) {
    return;
  }
  if (request.term > current_term()) {
    EnterTerm(request.term);
  }
  bool granted = MayVoteFor(from, request.term) && IsUpToDate(request);
  if (granted) {
    ResetElectionTimer();
    if (std::holds_alternative<PreCandidate>(role_)) {
      BecomeFollower(std::nullopt);
    }
    if (hard_state_.voted_for != from) {
      SetHardState(current_term(), from);
    }
  }
  Send(from, RequestVoteReply{.term = current_term(), .vote_granted = granted, .pre_vote = false});
}

void Raft::Impl::HandlePreVote(NodeId from, const RequestVote& request) {
  bool granted = MayVoteFor(from, request.term) && IsUpToDate(request);
  if (DiskIsStalled()) {
    // The vote that would follow could not be given.
    granted = false;
  }
  if (granted && OutranksPreCandidate(from, request)) {
    // Two that stand at the same moment with equal logs would split the vote. The higher id goes
    // on: the other may have ignored its request while it still believed in the leader, so it asks
    // again.
    granted = false;
    if (IsInFirstElection()) {
      BecomePreCandidate();
    } else {
      Send(from, VoteRequest(newest_pre_vote_, true, false));
    }
  }
  if (granted) {
    granted_pre_vote_ = {from, request.term};
  }
  Send(from, RequestVoteReply{.term = granted ? request.term : current_term(),
                              .vote_granted = granted,
                              .pre_vote = true});
}

bool Raft::Impl::OutranksPreCandidate(NodeId from, const RequestVote& request) const {
  return std::holds_alternative<PreCandidate>(role_) && config_.id > from &&
         request.term == newest_pre_vote_ && request.last_log_term == log_.last_term() &&
         request.last_log_index == log_.last_index();
}

void Raft::Impl::Handle(NodeId from, const RequestVoteReply& reply) {
  if (!reply.vote_granted || !consensus::IsVoter(configurations_.current(), from)) {
    return;
  }
  if (reply.pre_vote) {
    PreCandidate* pre_candidate = std::get_if<PreCandidate>(&role_);
    if (pre_candidate == nullptr || reply.term != newest_pre_vote_) {
      return;
    }
    pre_candidate->votes.Grant(from);
    if (WaitsForFounding() && std::ranges::find(founders_agreed_, from) == founders_agreed_.end()) {
      founders_agreed_.push_back(from);
    }
    if (pre_candidate->votes.Won()) {
      BecomeCandidate(newest_pre_vote_, false);
    }
    return;
  }
  Candidate* candidate = std::get_if<Candidate>(&role_);
  if (candidate == nullptr || reply.term != current_term()) {
    return;
  }
  candidate->votes.Grant(from);
  if (candidate->votes.Won() && HardStateIsDurable()) {
    BecomeLeader();
  }
}

void Raft::Impl::Handle(NodeId /*from*/, const TimeoutNow& request) {
  // Without a pre-vote: the others still hear the leader. Its request is the leave to disturb them.
  if (request.term == current_term() && !is_leader() && !DiskIsStalled() &&
      configurations_.MayVote(config_.id, commit_index_)) {
    BecomeCandidate(current_term() + 1, true);
  }
}

}  // namespace quorate::consensus
