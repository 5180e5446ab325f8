// The Raft consensus algorithm (Ongaro and Ousterhout 2014, "the paper"; Ongaro's dissertation) as
// a pure state machine: no I/O, no clock, no thread, no randomness but the seed in Config. The same
// inputs in the same order give the same outputs.
//
// Inputs (Tick, Receive, Propose, ...) only note what happened. TakeEffects() says what follows,
// once per round of the driver's loop; NextCommitted() hands over what may be applied.
//
// What vouches for a write that is not yet durable (a vote, an append's acknowledgement, the
// leader's own acknowledgement, any message of a term that is not on disk) stays inside until
// Persisted() says that it is. Nothing in one Effects waits for anything else in it, so a driver
// may write, send, apply and answer in any order or at once.
//
// One thread. All preconditions are asserted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/member_health.h"
#include "consensus/message.h"
#include "consensus/types.h"

namespace quorate::consensus {

struct Config {
  NodeId id;
  // Must differ from start to start, or read requests could be mistaken for old ones.
  uint64_t seed = 0;

  // In ticks. An election starts after election_timeout_ticks up to twice that, drawn anew each
  // time; after a start, two heartbeats and up to half of election_timeout_ticks.
  uint32_t heartbeat_ticks = 5;
  uint32_t election_timeout_ticks = 50;
  // A leader with a write that is not durable after this long steps down, and no node with one
  // stands for election: a stalled disk must not hold up the cluster.
  uint32_t disk_stall_ticks = 100;

  size_t append_bytes_max = 1 << 20;  // payload in one AppendEntries (but always one entry)
  // Payload sent to one follower and not yet acknowledged (exceeded by one entry at most).
  size_t inflight_bytes_max = 16 << 20;
  size_t inflight_messages_max = 256;  // AppendEntries sent to one follower and not acknowledged
  size_t cached_bytes_max = 64 << 20;  // payload of durable, committed entries kept in memory

  // The highest feature level that this server knows, or lets the cluster have.
  uint32_t feature_level = kFirstFeatureLevel;

  // What this server proposes as the cluster's founding record (founding.h) when it is its first
  // leader. Empty: none, its first entry is a no-op like any other leader's.
  Payload founding = {};
  // One of several first voters stands in the cluster's first election without being asked to. If
  // not, see Raft::BeginFounding.
  bool founds_unasked = true;
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// A read that may be answered once the state machine has applied `index` (dissertation 6.4).
struct ReadState {
  ReadToken token;
  Index index;

  bool operator==(const ReadState&) const = default;
};

using SnapshotPart = std::variant<InstallSnapshot, InstallSnapshotReply>;

// For the driver, which moves snapshots: Raft has looked at its term.
struct SnapshotMessage {
  NodeId from;
  SnapshotPart part;
};

// What has become of a RequestChange.
struct ChangeAnswer {
  uint64_t request = 0;
  // The change is proposed as the entry `index` of `term`. It has been made once an entry of that
  // term is applied there, and has certainly not been made once another is. 0: refused, and in no
  // log.
  Term term;
  Index index;
  ChangeError error;  // why it was refused
};

// This server's log and a peer's have an entry of the same term at `index`, and yet they differ up
// to there; or the follower's entry is committed and the leader has another one. One of the two
// disks is another's, was put back, or is damaged. Nothing is truncated, and nothing replicated
// between the two. For operators.
struct Divergence {
  NodeId peer;
  Index index;

  bool operator==(const Divergence&) const = default;
};

// Two servers have led in one term, which cannot be unless somebody has voted twice in it: a data
// folder was put back to an earlier state, or is a copy. This server listens to the one that it
// heard first, and takes nothing from the other. For operators.
struct RivalLeaders {
  Term term;
  NodeId first;
  NodeId second;

  bool operator==(const RivalLeaders&) const = default;
};

struct Effects {
  std::optional<Persist> persist;  // hand to storage; call Persisted(seq) when it is durable
  std::vector<Envelope> messages;  // send now
  std::vector<ReadState> reads;    // proven, in the order of RequestRead
  // Cannot be proven here any more: not executed, redirect them.
  std::vector<ReadToken> dropped_reads;
  bool leadership_changed = false;  // role, term or known leader differ from the last TakeEffects
  bool founding_known = false;      // founding() has changed
  // configuration() differs from the last TakeEffects.
  bool configuration_changed = false;
  std::vector<ChangeAnswer> change_answers;
  // Leader: these members lack entries that were trimmed here, and get no further without a
  // snapshot. Named again and again for as long as it is so.
  std::vector<NodeId> needs_snapshot;
  // Found since the last TakeEffects; of one leader and follower, named once as long as they stay
  // connected.
  std::vector<Divergence> divergences;
  bool rivals_found = false;  // rival_leaders() has changed
  // Parts of a snapshot for this server to install, all from the leader; on a leader, what became
  // of those that it sent.
  std::vector<SnapshotMessage> snapshot_messages;
};

// What a leader knows of another member; for operators.
struct PeerStatus {
  NodeId id;
  bool voter = false;
  Index match_index;
  Index next_index;
  bool recently_active = false;  // heard, and that within an election timeout
  bool needs_snapshot = false;   // what it lacks was trimmed
  bool diverged = false;         // see Divergence
  bool fit = false;              // it could take over now, and has said that it would lead well
  Health health = Health::kSuspect;
  uint64_t feature_level = 0;  // that it has said in this term; 0: none yet
  uint64_t silent_ticks = 0;   // since it was heard last
};

class Raft {
 public:
  // `reader` must outlive the Raft. A restarted server is a follower in the term it had.
  Raft(const Config& config, const Recovered& recovered, const LogReader& reader);
  ~Raft();
  Raft(const Raft&) = delete;
  Raft& operator=(const Raft&) = delete;

  // --- Inputs ---

  void Tick();

  // A message from `from`, which the transport has authenticated as a server of this cluster
  // speaking to this server. It need not be a member of configuration(): a new leader may be one
  // whose addition this server has yet to hear of (dissertation 4.1), so for the same reason
  // messages may go to such. The transport keeps out ids that were removed. It delivers nothing
  // that was sent to this server before its folder was last emptied.
  void Receive(NodeId from, Message message);

  // Appends an entry of kind kBatch. Its index; nothing when this server is not leader or is
  // handing leadership over: the payload is certainly not in any log then.
  std::optional<Index> Propose(Payload payload);

  // Asks for proof that a read is current. Exactly one of Effects::reads and Effects::dropped_reads
  // will name the token later; false: neither will, no leader is known. On a leader, the read is
  // proven at the latest by the commit of any entry proposed after this call, and reported no later
  // than that commit.
  bool RequestRead(ReadToken token);

  // All writes up to and including `seq` are durable. Later calls never go back.
  void Persisted(PersistSeq seq);

  // The log's entries up to and including `index`, which has been handed out as committed, are read
  // no more from now on: storage may trim them. Precondition: first_log_index() - 1 <= index.
  void Compacted(Index index);

  // --- Members (dissertation, chapter 4: one server at a time) ---

  // Appends the configuration that follows from the change; it is in force at once, here, and made
  // once that entry is committed. A learner becomes a voter by another entry, which the leader adds
  // by itself when it has caught up. A leader that is removed leads until that is committed, then
  // hands over and steps down. `force`: also where the voters that would be left are, as far as is
  // known, too few to commit anything. What is so already needs no entry: the index is that of one
  // which is committed.
  std::variant<Index, ChangeError> ProposeChange(const Change& change, bool force);

  // The same on any server, by way of the leader, who waits for a while with what cannot be done at
  // this moment. A number that Effects::change_answers will name, unless the question or the answer
  // is lost; once this server is in another term, ask again. What was asked for before is given up.
  // Nothing: no leader is known.
  std::optional<uint64_t> RequestChange(const Change& change, bool force);

  // --- What the driver keeps beside the log ---

  // The next Persist carries these bytes, in place of what was kept before.
  void KeepLedger(std::string bytes);
  // Term, vote and the end of the log as they are on the disk. Nothing: term or vote are on their
  // way there.
  struct DurableState {
    HardState hard_state;
    Index last_index;
  };
  std::optional<DurableState> durable_state() const;

  // --- Snapshots (section 7), which the driver moves ---

  // Sends a part, or a reply, with the current term in place of its own. Dropped if it is a part
  // and this server does not lead.
  void SendSnapshotPart(NodeId to, SnapshotPart part);

  // Leader: `peer` says that it has installed a snapshot.
  void SnapshotSent(NodeId peer);

  // --- The first election ---

  // Somebody decides that the first voters are to found the cluster now. This server stands in the
  // first election, which takes all their votes, until it has voted or AbandonFounding is called.
  // It is enough to ask one server. Once a server has voted, it goes on by itself, also after a
  // restart: its vote is the durable record of the decision. No effect unless waits_for_founding().
  void BeginFounding();
  // Takes the decision back. It is too late, and of no effect, once this server has voted.
  void AbandonFounding();

  // --- Leadership ---

  // Leader: let `target` catch up, then have it start an election (dissertation 3.10). Proposals
  // are refused until leadership has gone or an election timeout has passed. False: not leader,
  // `target` is no other voter, or a transfer is under way.
  bool TransferLeadership(NodeId target);

  // The same, to a voter that was recently active: the one with the longest log of those that are
  // fit, if any is.
  bool TransferLeadership();

  // `peer` has forgotten what it acknowledged, and takes part in nothing any more. As leader, this
  // server does not count it.
  void PeerLostData(NodeId peer);

  // Whether this server would lead badly just now, as one whose disk is full. It tells its leader.
  // The same is said while its disk is stalled.
  void set_unfit(bool unfit);

  // Follower: asks the leader to hand over to this server (a TransferRequest). False: not a
  // follower, or no leader is known.
  bool RequestLeadership();

  // A connection from `peer` has broken in a way that says its process has ended. If it was the
  // leader, this server does not wait for the election timeout but holds a pre-vote at one of the
  // next few ticks.
  void PeerGone(NodeId peer);

  // --- Outputs ---

  Effects TakeEffects();

  // Committed entries not handed out before, in order: none, or at least one and then until
  // `bytes_max` of payload is reached. May read the disk through LogReader (replay). Committed as
  // of the last TakeEffects(), so every read that an entry's commit proves has been reported before
  // the entry is handed out; and durable on this server, so a checkpoint is never ahead of the log
  // beside it.
  std::vector<Entry> NextCommitted(size_t bytes_max);

  // --- State, for the driver and operators ---

  NodeId id() const;
  Role role() const;
  bool is_leader() const;
  // True on a leader that has committed an entry of its own term: it may be shown to clients as
  // leader.
  bool leader_is_established() const;
  std::optional<NodeId> leader() const;  // of the current term, this server included
  // To whom this server has handed leadership over when it was removed: nobody will tell it more.
  std::optional<NodeId> successor() const;
  bool transferring_leadership() const;
  Term current_term() const;
  Index commit_index() const;
  Index last_log_index() const;
  Index durable_index() const;  // this server's own log is on its disk up to here
  Index first_log_index() const;
  std::vector<PeerStatus> peers() const;  // empty but on a leader
  // How a member of configuration() is, by the leader's word: on the leader by what it knows, on
  // others by what they were told within the last election timeout. Nothing: this server does not
  // know.
  std::optional<Health> health(NodeId member) const;
  // The one in force: the latest in this server's log, committed or not.
  const Configuration& configuration() const;
  Index configuration_index() const;  // 0: what the cluster began with
  // Of the cluster that this server belongs to; 0: it is not founded yet, or this server has yet to
  // hear of it.
  FoundingId founding() const;
  // A founding is in the log that is not known to be committed. Until it is, Propose returns
  // nothing.
  bool founding_is_pending() const;
  // This server is one of several first voters, has not voted, and stands in no election unless it
  // is asked to; see BeginFounding.
  bool waits_for_founding() const;
  // The first voters that have not granted a pre-vote to this server since BeginFounding: those
  // that cannot be reached, or have data already.
  std::vector<NodeId> founders_missing() const;
  // This server's log differs from that of the term's leader, or differed from those of a majority
  // when it was the leader itself: see Divergence. Such a leader steps down, and does not stand
  // before it has followed another's log. A follower may stand: it cannot know which of the two
  // logs the majority has.
  bool has_diverged() const;
  // The last that this server has noticed since it was made.
  const std::optional<RivalLeaders>& rival_leaders() const;
  // This server began with nothing although it is one of those that the cluster began with, and
  // has now heard from a cluster that has been at work since: its votes and acknowledgements are
  // forgotten, so it must not give others. It takes no part in anything from now on; it can return
  // only under a new id. The first election needs all voters, so none that took part in nothing
  // looks like this.
  bool has_lost_its_data() const;
  // The driver has found that out: of a server that began alone, or whose folder was put back.
  void LoseData();
  // The same, or it is one of those that the cluster began with and has not voted yet: nothing is
  // lost when this server becomes another.
  bool has_nothing() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::consensus
