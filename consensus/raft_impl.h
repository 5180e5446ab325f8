// What is behind raft.h. Private to consensus/: the parts of the protocol are in
//   raft.cc         inputs, outputs, terms and roles
//   election.cc     RequestVote and its replies, pre-votes, timers
//   replication.cc  the leader's side of AppendEntries, commit, heartbeats, leadership transfer
//   follower.cc     the follower's side of AppendEntries and heartbeats
//   read_index.cc   reads, on the leader and on followers
//   membership.cc   the configuration and its changes
//   health.cc       how the members are, for clients
//   install_snapshot.cc  the terms of snapshots that the driver moves
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/founding.h"
#include "consensus/invariants.h"
#include "consensus/log.h"
#include "consensus/message.h"
#include "consensus/progress.h"
#include "consensus/quorum.h"
#include "consensus/raft.h"
#include "consensus/random.h"
#include "consensus/types.h"

namespace quorate::consensus {

// The reads of one ReadIndex that is on its way to the leader.
struct AskedReads {
  uint64_t request;
  uint64_t asked_at;
  std::vector<ReadToken> tokens;
  std::optional<Index> read_index = {};  // what the leader has answered
};

// This log and that of the leader of the current term. There is one such leader, and its log only
// grows: what has been found out holds for the whole term, whatever this server is in it.
struct Comparison {
  std::optional<NodeId> leader = {};  // once known; this server itself, perhaps
  // Up to here the logs have been found equal. What is committed is in the log of every leader to
  // come (section 5.4), but only as long as disks keep what they were given: so it starts at 0, and
  // not at commit_index.
  Index verified_index = {};
  bool diverged = false;  // see AppendEntriesReply
};

struct Follower {
  std::optional<NodeId> leader = {};  // whom this server has heard from in this term
  uint64_t leader_heard_at = 0;

  // What the leader was last told, or the commit index before that: to be told of less is of no use
  // to it, unless it asks.
  Index acknowledged_index = {};
  bool owes_append_reply = false;
  bool owes_heartbeat_reply = false;
  uint64_t read_round = 0;  // the newest that the leader has asked for

  std::vector<ReadToken> new_reads = {};  // since the last TakeEffects
  std::deque<AskedReads> asked_reads = {};
};

struct PreCandidate {
  VoteTally votes;
};

struct Candidate {
  VoteTally votes;
};

// A read on the leader: of a client here, or a follower's ReadIndex.
struct PendingRead {
  std::optional<NodeId> follower;  // who asked; nothing: a client of this server
  ReadToken token;                 // a client's
  uint64_t request = 0;            // a follower's
  Index read_index;                // commit_index when it arrived
  Index barrier;                   // last_log_index when it arrived
  uint64_t round = 0;              // the heartbeats that will prove it; 0: not sent yet
};

// A change that a server has asked for, this one included, and that waits for its moment.
struct AskedChange {
  NodeId from;
  uint64_t request;
  Change change;
  bool force;
  uint64_t asked_at;
  // Heartbeats that were begun since, and tell who is still there; 0: none yet.
  uint64_t round = 0;
};

struct LeadershipTransfer {
  NodeId target;
  uint64_t started_at;
  bool timeout_now_due = true;
};

struct Leader {
  Index noop_index;             // the first entry of this term
  std::vector<Progress> peers;  // all other members
  bool votes = false;           // this server is a voter, so it counts in majorities
  size_t voters = 0;            // this server, if it votes, among them
  // A learner that has this entry has caught up: the commit index some heartbeat_ticks ago.
  Index caught_up_index;
  uint32_t heartbeat_elapsed = 0;
  bool heartbeat_due = false;
  uint64_t newest_round = 0;
  uint64_t proven_round = 0;          // the newest that a majority has answered
  uint64_t newest_round_at_tick = 0;  // when the last tick came
  bool round_due = false;             // reads have arrived that belong to no round yet
  std::deque<PendingRead> reads;
  std::vector<AskedChange> changes;  // in the order in which they came, one of a server
  std::optional<LeadershipTransfer> transfer;
  // Reused in every round of the driver, so that none allocates.
  std::vector<Index> matches;
  std::vector<uint64_t> rounds;
};

// The last HealthReport that this server was sent.
struct ToldHealth {
  uint64_t told_at = 0;  // meaningless without members
  std::vector<MemberHealth> members = {};
};

class Raft::Impl {
 public:
  Impl(const Config& config, const Recovered& recovered, const LogReader& reader);

  void Tick();
  void Receive(NodeId from, Message message);
  std::optional<Index> Propose(Payload payload);
  bool RequestRead(ReadToken token);
  void Persisted(PersistSeq seq);
  void Compacted(Index index);
  bool TransferLeadership(std::optional<NodeId> target);
  void set_unfit(bool unfit) { unfit_ = unfit; }
  bool RequestLeadership();
  void PeerGone(NodeId peer);
  std::variant<Index, ChangeError> ProposeChange(const Change& change, bool force);
  std::optional<uint64_t> RequestChange(const Change& change, bool force);
  void SendSnapshotPart(NodeId to, SnapshotPart part);
  void SnapshotSent(NodeId peer);
  void BeginFounding();
  void AbandonFounding();

  Effects TakeEffects();
  std::vector<Entry> NextCommitted(size_t bytes_max);

  const Config& config() const { return config_; }
  Role role() const { return static_cast<Role>(role_.index()); }
  bool is_leader() const { return std::holds_alternative<Leader>(role_); }
  bool leader_is_established() const;
  std::optional<NodeId> leader() const;
  std::optional<NodeId> successor() const { return successor_; }
  bool transferring_leadership() const;
  Term current_term() const { return hard_state_.current_term; }
  Index commit_index() const { return commit_index_; }
  const RaftLog& log() const { return log_; }
  const Configurations& configurations() const { return configurations_; }
  const KnownFounding& founding() const { return founding_; }
  const std::optional<RivalLeaders>& rival_leaders() const { return rival_leaders_; }
  bool has_diverged() const { return was_deserted_ || compared_.diverged; }
  void KeepLedger(std::string bytes) { ledger_ = std::move(bytes); }
  std::optional<DurableState> durable_state() const;
  void PeerLostData(NodeId peer);
  bool has_lost_its_data() const { return has_lost_its_data_; }
  void LoseData();
  bool has_nothing() const { return pristine_ || has_lost_its_data_; }
  bool WaitsForFounding() const;
  std::vector<NodeId> founders_missing() const;
  std::vector<PeerStatus> peers() const;
  std::optional<Health> health(NodeId member) const;

 private:
  // What a driver can see of role, term and leader.
  struct Leadership {
    Role role;
    Term term;
    std::optional<NodeId> leader;
    bool operator==(const Leadership&) const = default;
  };

  // --- raft.cc ---
  // Queues a message for when the hard state is durable.
  void Send(NodeId to, Message message);
  void SendToVoters(const Message& message);
  bool HardStateIsDurable() const;
  void SetHardState(Term term, NodeId voted_for);
  // Moves on to a higher term, as a follower that knows no leader.
  void EnterTerm(Term term);
  // A follower in the current term; what the role before held is given up.
  void BecomeFollower(std::optional<NodeId> leader);
  // Reads that wait here cannot be proven any more, nor changes made.
  void AbandonRequests();
  bool DiskIsStalled() const;
  bool IsUnfit() const { return unfit_ || DiskIsStalled(); }
  void SubmitWrites(Effects* effects);
  Leadership leadership() const { return {role(), current_term(), leader()}; }
  StateView View() const;

  // --- election.cc ---
  void TickElection();
  void BeginElectionTimer();
  void ResetElectionTimer();
  bool HearsLeader() const;
  bool NoticesLoss(const Message& message);
  // Nobody can have been elected yet, as far as this server's log tells.
  bool IsInFirstElection() const { return log_.last_index() == origin_index_; }
  size_t VotesNeeded() const;
  // Precondition: pristine_.
  bool FirstVoteIsDue(NodeId candidate, Term term) const;
  void BecomePreCandidate();
  // Those that still wait for the disk, of an attempt that is over: they would only waste votes.
  void WithdrawVoteRequests();
  void BecomeCandidate(Term term, bool leadership_transfer);
  void BecomeLeader();
  void CountOwnVote();
  RequestVote VoteRequest(Term term, bool pre_vote, bool leadership_transfer) const;
  bool MayVoteFor(NodeId candidate, Term term) const;
  bool IsUpToDate(const RequestVote& request) const;
  bool OutranksPreCandidate(NodeId from, const RequestVote& request) const;
  void Handle(NodeId from, const RequestVote& request);
  void HandlePreVote(NodeId from, const RequestVote& request);
  void Handle(NodeId from, const RequestVoteReply& reply);
  void Handle(NodeId from, const TimeoutNow& request);

  // --- replication.cc ---
  void TickLeader(Leader& leader);
  bool HearsMajority(const Leader& leader) const;
  void LeadRound(Leader& leader);
  void AdvanceCommitIndex(Leader& leader);
  void SendHeartbeat(const Leader& leader, Progress& peer);
  void SendHeartbeats(Leader& leader);
  void AskForRound(Leader& leader);
  void RepeatReadRound(Leader& leader);
  void SendAppends(Progress& peer);
  void SendTimeoutNow(Leader& leader);
  bool ReachesMajority(const Leader& leader) const;
  void Handle(NodeId from, const AppendEntriesReply& reply);
  void Handle(NodeId from, const HeartbeatReply& reply);
  void Handle(NodeId from, const TransferRequest& request);
  Progress* FindPeer(NodeId node);
  void NoteDiverged(Progress& peer, Index index);

  // --- follower.cc ---
  // The sender leads the current term: follow it.
  // Null: it is not to be listened to, see RivalLeaders.
  Follower* HearLeader(NodeId from);
  void Handle(NodeId from, AppendEntries&& request);
  void Handle(NodeId from, const Heartbeat& heartbeat);
  // Up to here this log is known to be that of this term's leader for good.
  Index settled_index() const;
  bool IsOverruled(Index index, Term term) const;
  // Where this log and the leader's are known to differ although index and term are the same, or
  // although this server's entry is settled.
  std::optional<Index> DivergesAt(AppendEntries* request) const;
  void AppendMissing(std::vector<Entry>&& entries, bool* appended);
  void RejectAppend(NodeId from, const AppendEntries& request);
  void RefuseDiverged(NodeId from, Index index);
  void SendFollowerReplies(Follower& follower);

  // --- membership.cc ---
  bool IsVoter() const { return consensus::IsVoter(configurations_.current(), config_.id); }
  bool IsSoleVoter() const;
  // Makes what can be made now; `round`: see AskedChange.
  std::variant<Index, ChangeError> TryChange(Leader& leader, const Change& change, bool force,
                                             uint64_t* round);
  static ChangeError NotLeader();
  void MakeChanges(Leader& leader);
  void AnswerChange(const AskedChange& change, const std::variant<Index, ChangeError>& outcome);
  // Whether the address need not be added, or why that is not known.
  std::variant<bool, ChangeError> IsThere(Leader& leader, const std::string& address,
                                          uint64_t* round);
  // The index of the entry that the configuration is appended as.
  Index AppendConfiguration(Leader& leader, Configuration configuration);
  void FollowConfiguration(Leader& leader);
  bool HasLiveMajority(const Leader& leader, const Configuration& configuration) const;
  void PromoteLearner(Leader& leader);
  void RaiseFeatureLevel(Leader& leader);
  void LeaveWhenRemoved(Leader& leader);
  bool IsRecentlyActive(const Progress& peer) const;
  void Handle(NodeId from, const ChangeRequest& request);
  void Handle(NodeId from, const ChangeReply& reply);

  // --- health.cc ---
  void ObserveHealth(Leader& leader);
  void SendHealthReports(const Leader& leader);
  void Handle(NodeId from, HealthReport&& report);

  // --- install_snapshot.cc ---
  void Handle(NodeId from, InstallSnapshot&& request);
  void Handle(NodeId from, InstallSnapshotReply&& reply);

  // --- read_index.cc ---
  void StartReadRound(Leader& leader);
  void ReportReads(Leader& leader);
  void SendReadIndex(Follower& follower);
  void TickFollowerReads(Follower& follower);
  void ProveFollowerReads(Follower& follower);
  void Handle(NodeId from, const ReadIndex& request);
  void Handle(NodeId from, const ReadIndexReply& reply);

  const Config config_;
  const Progress::Limits limits_;
  Random random_;
  uint64_t now_ = 0;  // in ticks
  bool unfit_ = false;

  HardState hard_state_;
  bool hard_state_submitted_ = true;
  PersistSeq hard_state_write_;        // the write that holds it
  std::optional<std::string> ledger_;  // not submitted yet
  PersistSeq last_write_;
  PersistSeq persisted_;

  RaftLog log_;
  Configurations configurations_;
  KnownFounding founding_;
  FoundingId noted_founding_;  // in what was submitted to storage
  const Index origin_index_;
  // A voter of the cluster's first configuration that has neither voted nor stored anything.
  bool pristine_;
  std::pair<NodeId, Term> granted_pre_vote_;  // the newest
  Term newest_pre_vote_;                      // that this server has asked for
  bool has_lost_its_data_ = false;
  bool founding_begun_ = false;          // see Raft::BeginFounding
  std::vector<NodeId> founders_agreed_;  // since then
  Comparison compared_;
  std::optional<RivalLeaders> rival_leaders_;
  bool rivals_found_ = false;  // since the last TakeEffects
  bool was_deserted_ = false;  // as a leader from which a majority had diverged
  std::optional<NodeId> successor_;
  Index commit_index_;
  Index released_index_;    // commit_index as of the last TakeEffects
  Index handed_out_index_;  // by NextCommitted

  std::variant<Follower, PreCandidate, Candidate, Leader> role_;  // in the order of Role
  uint64_t election_elapsed_ = 0;
  uint64_t election_timeout_ = 0;
  uint64_t next_request_;  // the number of the next ReadIndex

  ToldHealth told_health_;

  std::vector<Envelope> outbox_;
  std::vector<ReadState> proven_reads_;
  std::vector<ReadToken> dropped_reads_;
  std::vector<ChangeAnswer> change_answers_;
  std::vector<NodeId> needs_snapshot_;
  std::vector<Divergence> divergences_;
  std::vector<SnapshotMessage> snapshot_messages_;
  uint64_t reported_version_ = 0;  // of configurations_
  Leadership reported_leadership_;
  Invariants invariants_;
};

}  // namespace quorate::consensus
