// One member of the cluster at work: joins Raft, the log, the key space and the clients' requests.
// Holds no socket, file, thread or clock of its own, so that a simulation can run the real thing.
//
// One thread. The owner calls in with what happened, and Flush() once per round of its loop, after
// all of the round's events: all the writes that arrived in one round travel as one log entry, and
// all the reads share one proof of leadership.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/raft.h"
#include "resp/request_parser.h"
#include "src/base/clock.h"
#include "src/members/member.h"
#include "src/members/membership.h"
#include "src/members/probe_answer.h"
#include "src/node/change_requests.h"
#include "src/node/joining.h"
#include "src/node/log_clock.h"
#include "src/node/member_starts.h"
#include "src/node/snapshot_receiver.h"
#include "src/node/snapshot_sender.h"
#include "src/requests/batch.h"
#include "src/requests/command_table.h"
#include "src/requests/pending.h"
#include "src/requests/session.h"
#include "src/requests/statistics.h"
#include "storage/base/identity.h"
#include "storage/keyspace/key_space.h"
#include "storage/keyspace/snapshot.h"
#include "storage/log/log_writer.h"

namespace quorate {

// How messages leave for other members. Unreliable by contract: a message may be lost, never
// altered.
class Network {
 public:
  // See Probe.
  using Probed = std::function<void(const ProbeAnswer& answer)>;

  virtual ~Network() = default;
  // Whom Send can reach from now on.
  virtual void SetPeers(const std::vector<Member>& peers) = 0;
  virtual void Send(consensus::NodeId to, consensus::Message message) = 0;
  // The founding of this node's cluster has become known: members that say another one are to be
  // kept away from now on.
  virtual void FoundingKnown() = 0;
  // Finds out what answers at the peer port of `place`, trying again until something does or
  // `timeout_ms` are over. Calls `done` once and later, between two rounds, or not at all if the
  // network is closed before.
  virtual void Probe(const Member& place, int64_t timeout_ms, Probed done) = 0;
};

struct NodeOptions {
  consensus::Config raft;
  uint64_t cluster_id = 0;
  // The highest feature level that this version knows.
  uint32_t feature_level_known = consensus::kFirstFeatureLevel;
  // This node, with the address to announce; an empty host: the one that the cluster has.
  Member self;
  // May be taken in by another cluster, as long as nothing was written: it was started alone.
  bool may_be_adopted = false;
  // CLUSTER CREATE is meant for it: it was started with an initial cluster.
  bool may_be_created = true;
  // Is to become part of another cluster, and serves nobody before.
  bool is_to_join = false;
  // Called with what makes going on impossible: a damaged record. Does not return.
  void (*fatal)(const std::string& reason) = nullptr;
  int64_t request_timeout_ms = 5000;
  int64_t checkpoint_interval_ms = 3000;
  // Applied since the last checkpoint, in entries and in write commands: a restart's work.
  size_t unsaved_bytes_max = 64 << 20;
  uint64_t unsaved_commands_max = 400'000;
  // How long clients wait for a new leader before they are told that there is none.
  int64_t leader_wait_ms = 1000;
  storage::KeySpace::Limits key_space;

  // What is kept of the log for followers that were away, behind its end; never less than what is
  // in no checkpoint yet.
  size_t backlog_bytes = 64 << 20;
  uint64_t backlog_entries = 100'000;
  SnapshotSender::Options snapshots;

  size_t batch_bytes_max = 1 << 20;  // commands in one log entry (but always one command)
  size_t batch_commands_max = 4096;
  size_t batch_bytes_wait_max = 64 << 10;  // a smaller batch waits for the one before it
  // Proposed and not yet applied, and reads that wait for their proof: beyond it, clients wait. And
  // so much for which nobody waits any more, since it was not confirmed in time: beyond that,
  // writes are refused.
  size_t inflight_bytes_max = 32 << 20;
  size_t apply_bytes_per_round = 4 << 20;  // applied between two looks at the sockets
};

// Why a node is at its end within the process, and has to be built anew from its folder.
struct NewLife {
  // It was taken in by a cluster, as this member; nothing: a snapshot is ready to be installed.
  std::optional<storage::Identity> adopted;
  // With `adopted`: the folder was put back to an earlier state, and what it holds is thrown away.
  bool discards_data = false;
};

inline constexpr const char* kWaitsToJoin =
    "CLUSTERDOWN This node waits to be taken into a cluster";

class Node {
 public:
  // The references must outlive the node.
  struct Parts {
    const consensus::LogReader& log_reader;
    storage::LogWriter& log_writer;
    storage::StateReader& state_reader;
    storage::Checkpointer& checkpointer;
    storage::SnapshotStore& snapshots;
    Network& network;
    Clock& clock;
    Statistics& statistics;
    Sessions& sessions;  // told of every session whose replies have changed
    const CommandTable& commands;
  };

  Node(const NodeOptions& options, const consensus::Recovered& recovered, const Parts& parts);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // --- Requests of clients ---

  // Both answer on the session's reply queue, now or later, exactly once. Precondition: the request
  // has passed CommandTable::Resolve.
  void SubmitWrite(Session& session, const Command& command, const resp::Request& request);
  void SubmitRead(Session& session, const Command& command, const resp::Request& request);
  // Answers when the members have changed, or why they have not.
  void SubmitChange(Session& session, const Command& command, MembershipChange change);
  // CLUSTER RESET: OK when it is known that this node belongs to no cluster; an error when it does.
  void SubmitReset(Session& session, const Command& command);
  // CLUSTER CREATE: has the first members found the cluster. OK when it is there, also when it was
  // there before; or what keeps it from being founded, and then nothing has changed.
  void SubmitCreate(Session& session, const Command& command);
  // For what cannot run here: answers with a redirection. While a leader has been missing only for
  // a moment, as when leadership is handed over, the client waits to be told the new one.
  void Redirect(Session& session, const Command& command, const resp::Request& request);

  // So much is in flight that clients should not be read from. Look again after a Flush.
  bool throttled() const;

  // --- Events ---

  void Receive(consensus::NodeId from, consensus::Message message);
  // A connection to that member stands, at that address; `own_host`: from that host of this
  // machine.
  void PeerFound(const Member& peer, const std::string& own_host);
  // A peer's process seems to have ended.
  void PeerGone(consensus::NodeId peer);
  // What is at that member's address wants nothing to do with this node, and says why.
  void PeerRefused(consensus::NodeId peer, const std::string& reason);
  // That peer has found another process which is this member: this one ends.
  void AnotherHasItsPlace(consensus::NodeId by);
  enum class Offer : uint8_t {
    kNone,         // this node is, or has been, somebody
    kNotYet,       // a write may be on its way: whether it is empty is known soon
    kOtherFolder,  // it could be taken in, but not yet: with empty_folder()
    kTaken,        // it becomes that member, in a new life
  };
  // A member of that cluster has called this node by that id, and by that folder.
  Offer OfferMembership(uint64_t cluster_id, consensus::NodeId as, uint64_t folder);
  // Names this node's folder while it is empty. Another in every life: so a folder that was taken
  // in once, and is empty again, cannot be taken for the same.
  uint64_t empty_folder() const { return options_.raft.seed | 1; }
  // A learner that is to join answers that it has this folder. The leader has it noted: only then
  // can it join.
  void NameFolder(consensus::NodeId learner, uint64_t folder);
  // A member says that this node was removed from the cluster.
  void Removed(const std::string& reason);
  // Every kTickMs.
  void Tick();
  static constexpr int64_t kTickMs = 10;

  // Ends a round: proposes, persists, sends, applies, answers. True: there is more to do, call
  // again after a look at the sockets.
  bool Flush();

  // Begins a checkpoint of all that is applied, where there is something to save and none is under
  // way.
  void BeginCheckpoint();

  // Leader: hand over to that member, or to the best one. Follower: ask the leader to hand over to
  // us.
  bool TransferLeadership(std::optional<consensus::NodeId> target);

  // --- What operators and commands see ---

  const consensus::Raft& raft() const { return raft_; }
  // What tells members from older or other copies of them; for the network that connects them.
  MemberStarts& starts() { return starts_; }
  const MemberStarts& starts() const { return starts_; }
  const storage::KeySpace& keys() const { return keys_; }
  uint64_t cluster_id() const { return options_.cluster_id; }
  const std::vector<Member>& members() const { return membership_.members(); }
  const Member& self() const { return membership_.self(); }
  // The cluster's, as of the entries that are applied.
  uint32_t feature_level() const { return feature_level_; }
  uint32_t feature_level_known() const { return options_.feature_level_known; }
  // True for a node that once was a member and is none any more.
  bool was_removed(consensus::NodeId node) const;
  // It was told to join a cluster, and is alone and empty yet. A client that knows its address as
  // one of that cluster must not take it for the cluster.
  bool waits_to_join() const;
  // One of several first members of a cluster that nobody has created yet.
  bool waits_for_create() const { return raft_.waits_for_founding(); }
  // The error for what this node cannot do, where it can name nobody who does: why.
  const char* DownError() const;
  // Begun alone, and nobody has used it since: another cluster may have it.
  bool untouched() const;
  // What a CLUSTER MEET here has come to; for the one who asks on behalf of this node.
  Joining& joining() { return joining_; }
  // Alone, and with all applied that was in its log: so whether it is empty is known.
  bool has_replayed_alone() const;
  // Set: nothing goes on here any more.
  const std::optional<NewLife>& new_life() const { return new_life_; }
  std::optional<SnapshotSender::Progress> sending_snapshot(consensus::NodeId to) const {
    return snapshot_sender_.progress(to);
  }
  std::optional<SnapshotReceiver::Progress> receiving_snapshot() const {
    return snapshot_receiver_.progress();
  }
  // The member that clients may take for the leader: on the leader itself, not before it has proven
  // it.
  const Member* leader() const;
  // How the member is, by the leader's word; kSuspect where this node does not know. Clients are
  // offered the leader, and the members that are online.
  consensus::Health health(const Member& member) const;
  // The 40 hex digits by which Redis's clients know a member.
  std::string RedisNodeId(uint64_t member_id) const;
  size_t requests_in_flight() const;  // writes and reads not yet answered
  bool checkpoint_waits_for_space() const { return parts_.checkpointer.disk_full(); }
  // Whether a write command of that many bytes finds space on this node's disk. Those that do not
  // are refused before they enter the log.
  bool DiskHasRoomFor(size_t bytes) const;
  void set_request_timeout_ms(int64_t timeout_ms) { options_.request_timeout_ms = timeout_ms; }
  void set_backlog(size_t bytes, uint64_t entries) {
    options_.backlog_bytes = bytes;
    options_.backlog_entries = entries;
  }

 private:
  // --- Towards the log ---
  void CloseReadGroup();
  void ProposeBatch();
  bool BatchMayGo() const;

  // --- The log's clock ---
  // What the entries say that wait in the log to be applied again.
  void ReadLogClock(consensus::Index last_index);
  // What a message says about time.
  void HearTime(consensus::NodeId from, const consensus::Message& message);
  // Has a message say what time it is here, if it is one that does.
  void TellTime(consensus::Message* message) const;
  // Leader only: before its first entry, and then at each tick.
  void SteerClock();
  void StartEffects(consensus::Effects effects);
  void TrimLog();

  // --- Members and snapshots ---
  void UpdateMembership();
  void FollowFeatureLevel(uint32_t level);
  void UpdatePeers();
  void MakeChange(PendingRequest request, MembershipChange change);
  void AnswerChange(const PendingRequest& request, std::string_view error);
  // Where such a change goes, as soon as it is known whether this node is untouched.
  void RouteMeet(Joining::Meet meet);
  // Why a node that asks to be taken in is not; nothing: it may be.
  std::optional<std::string> AdmissionError(uint64_t asker);
  void RunJoining();
  // How it ends: empty, it was taken in; an error.
  void EndJoining(std::string_view error);
  void AnswerResets();
  // Empty: OK. Nothing: it is not known yet.
  std::optional<std::string_view> ResetAnswer() const;
  void AnnounceAddress();

  // --- CLUSTER CREATE (node_creation.cc) ---
  void AnswerCreations();
  // Empty: OK. Nothing: it is not known yet. `expired`: the client waits no longer.
  std::optional<std::string> CreationAnswer(bool expired) const;
  std::string CreationObstacle() const;

  // --- Meetings: CLUSTER MEET from the question to the answer (node_meetings.cc) ---
  struct Meeting {
    PendingRequest request;
    std::string address;
    bool is_added = false;    // the address is a member's, and it is waited for
    int64_t deadline_ms = 0;  // for that
  };
  void BeginMeeting(PendingRequest request, const std::string& address);
  void MeetAfterProbe(uint64_t number, const ProbeAnswer& answer);
  void WaitForNewcomer(uint64_t number, std::string_view error);
  void RunMeetings();
  void GiveUpMeeting(uint64_t number, const Member& newcomer);
  void EndMeeting(uint64_t number, std::string_view error);

  bool IsHeard(consensus::NodeId peer) const;
  // The only member. A leader that was removed, and has yet to hand over, is none: the one that is
  // left may lead already.
  bool IsAlone() const { return members().size() == 1 && members().front().id == self().id; }
  void HandOnSnapshots(consensus::Effects& effects);
  void RunSnapshots();

  // --- Applying ---
  bool Apply();
  void ApplyEntry(const consensus::Entry& entry);
  void ApplyBatch(const consensus::Entry& entry, const PendingBatch* pending);
  void DecodeToApply(const consensus::Entry& entry);
  void PrefetchFor(uint32_t position);
  void RunWrite(const PendingRequest* request, uint64_t seed, const BatchUnit& unit);
  using Proposed = std::multimap<consensus::Index, PendingBatch>;
  PendingBatch TakeProposed(Proposed::iterator batch);

  // --- Reads ---
  void AnswerProven(ReadGroup group);
  // `term_begins`: the entry that was just applied is the first of its term.
  void AnswerLateReads(bool term_begins);
  void RunRead(const PendingRequest& request, Arguments arguments);
  void RunKeptRead(const PendingRequest& request, std::string_view bytes);
  void RunScan();
  // False: the clients leave too much unread for this reply, and it is not made.
  bool HasMemoryFor(const PendingRequest& request, std::string_view bytes);
  void HoldBack(PendingRequest request, std::string_view bytes);
  struct Held {
    PendingRequest request;
    std::string bytes;
  };
  void RunHeldBack(const Held& held);
  // Runs those that were held back, as far as there is memory; those of one client in any case.
  void AnswerHeldBack();
  void AnswerHeldBackOf(const Session& session);

  // --- Requests that are not executed, or may not have been ---
  void RefuseGroup(const ReadGroup& group, const char* error);  // null: redirect
  void RefuseBatch(const PendingBatch& batch, const char* write_error, const char* read_error);
  void Refuse(const PendingRequest& request, std::string_view bytes, const char* error);
  void AnswerWithError(const PendingRequest& request, std::string_view error);
  // MOVED to the leader for the request's first key, or CLUSTERDOWN.
  std::string RedirectError(const PendingRequest& request, Arguments arguments) const;
  // Its host is known, or it is this node: then that is the host that the client has used. Else its
  // next connection to this node tells.
  bool CanBeTold(const Member& member) const {
    return !member.host.empty() || member.id == self().id;
  }
  // No leader is known, but one was a moment ago. Called at least once per round.
  bool LeaderMayAppear();
  void AnswerHeld();
  void ExpireRequests();

  void CheckpointIfDue();
  // A leader without space on its disk asks another to take over.
  void HandOverIfDiskHoldsUp();
  void LogLeadership();
  Arguments Parse(std::string_view bytes);
  int64_t Deadline() const;

  NodeOptions options_;
  Parts parts_;
  storage::KeySpace keys_;
  consensus::Raft raft_;
  MemberStarts starts_;
  LogClock log_clock_;
  consensus::Term steered_in_;  // the term of the newest SteerClock
  uint32_t feature_level_ = consensus::kFirstFeatureLevel;
  Membership membership_;
  ChangeRequests changes_;
  Joining joining_;
  std::vector<Joining::Meet> undecided_meets_;  // until the log is applied
  struct Reset {
    PendingRequest request;
    int64_t deadline_ms = 0;
  };
  std::vector<Reset> resets_;
  struct Creation {
    PendingRequest request;
    int64_t deadline_ms = 0;
  };
  std::vector<Creation> creations_;
  std::map<uint64_t, std::string> refusals_;  // see PeerRefused, by the peer's id; the last ones
  std::map<uint64_t, Meeting> meetings_;      // by a number that is given once
  uint64_t last_meeting_ = 0;
  SnapshotSender snapshot_sender_;
  SnapshotReceiver snapshot_receiver_;
  consensus::NodeId next_id_;  // as of last_applied: no member has had this id or a higher one
  std::optional<NewLife> new_life_;
  bool removed_ = false;  // as far as other members say
  int64_t last_announcement_ms_ = 0;
  uint64_t random_state_;
  consensus::PersistSeq submitted_;  // to the log writer
  consensus::PersistSeq persisted_;
  consensus::Index trimmed_;  // storage was told to trim up to here

  // This round's requests.
  uint64_t batch_number_ = 1;  // names the batch that is being filled, for Session::last_batch
  BatchBuilder builder_;
  PendingBatch filling_;
  ReadGroup reads_;

  // Proposed, waiting to be applied. One index can have been proposed in more than one term.
  Proposed proposed_;
  size_t proposed_bytes_ = 0;  // without those that have expired
  size_t expired_bytes_ = 0;   // they are in Raft's log all the same, until their fate is known
  size_t kept_bytes_ = 0;      // of requests in proposed_ (reads), unproven_, late_reads_ and held_
  // Waiting for proof that they are current.
  std::map<consensus::ReadToken, ReadGroup> unproven_;
  consensus::ReadToken last_token_;
  // Proven, waiting until this entry is applied.
  std::multimap<consensus::Index, ReadGroup> late_reads_;

  // Certainly not executed, waiting for a leader to be sent to.
  std::vector<Held> held_;
  // Proven reads, whose large replies wait until clients have taken others. In the order of
  // arrival.
  std::deque<Held> held_back_;
  std::deque<Held> scans_;       // proven, too
  int64_t leaderless_since_ms_;  // meaningful while no leader is known
  bool had_leader_ = false;      // at the last look

  std::deque<consensus::Entry> committed_;  // handed out by Raft, not yet applied
  consensus::Index replay_ends_;            // where the log ended at the start
  uint64_t replayed_revision_;              // of the key space, up to there
  int64_t last_checkpoint_ms_ = 0;
  size_t unsaved_bytes_ = 0;     // of entries applied since the last checkpoint began
  uint64_t saved_revision_ = 0;  // of the key space when that began
  int64_t last_expiry_ms_ = 0;
  bool disk_is_full_ = false;  // at the last tick
  // Since when applying has waited for a checkpoint to end; nothing: it does not.
  std::optional<int64_t> held_up_since_ms_;
  int64_t next_hand_over_ms_ = 0;

  Batch batch_;  // of the entry that is being applied
  resp::Limits no_limits_ = resp::Limits::None();
  resp::RequestParser parser_;
  std::string discarded_reply_;
};

}  // namespace quorate
