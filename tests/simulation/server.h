// One machine: its disks, which outlive all else, and from a start to a crash a process with the
// real node, sessions and dispatcher. Stands where src/server/incarnation.cc, server.cc,
// peer_network.cc and client_connection.cc stand in the real one, and does in a round what they do.
//
// What the disks hold belongs to a member of the cluster, present or past, or to nobody yet: such a
// node runs as a cluster of one, until the cluster takes it in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/message.h"
#include "src/node/node.h"
#include "storage/base/identity.h"
#include "tests/simulation/connection.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/log_disk.h"
#include "tests/simulation/network.h"
#include "tests/simulation/raft_checker.h"
#include "tests/simulation/random.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/snapshot_disk.h"
#include "tests/simulation/state_disk.h"
#include "tests/simulation/trace.h"

namespace quorate::simulation {

// What all servers share.
struct Surroundings {
  const Settings& settings;
  EventQueue& events;
  Trace& trace;
  SimNetwork& network;
};

class Server {
 public:
  Server(size_t place, const Surroundings& surroundings, const DiskSettings& disks, Random random);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void set_checker(RaftChecker* checker) { checker_ = checker; }

  // --- Its life ---
  bool up() const { return process_ != nullptr; }
  // Later, where it has to wait for space on its disk.
  void Start();
  // Its clients learn of it a little later.
  void Crash();
  // Nothing happens here until then; afterwards everything at once.
  void PauseUntil(Time when);
  bool paused() const { return surroundings_.events.now() < paused_until_; }

  // --- Its folder ---
  size_t place() const { return place_; }
  // Of a member of the cluster, one that was removed among them.
  bool in_cluster() const;
  consensus::NodeId id() const { return identity_.node_id; }
  // It was a member's, is empty now or was put back to an earlier state, and does not know it.
  bool lost_its_folder() const { return lost_its_folder_; }
  bool has_run() const { return life_ > 0; }
  uint16_t port() const { return port_; }
  // The configuration in force, running or not. Precondition: in_cluster().
  consensus::Configuration newest_configuration() const;
  // As it is on its disks.
  consensus::Configuration durable_configuration() const;
  // All of these: only while it is not up.
  // Nothing is left on its disks. One of those that the cluster began with is started as such
  // again, another as a node that knows of no cluster.
  void LoseFolder();
  // A copy of all that is durable at one moment, up or not.
  struct Copy {
    storage::Identity identity;
    LogDisk::Image log;
    StateDisk::Image state;
  };
  Copy CopyFolder() const { return {identity_, log_.Copy(), state_.durable()}; }
  void PutBack(Copy copy);
  void BeBlank();
  void MoveTo(uint16_t port) { port_ = port; }

  // It runs, has not lost its folder, and none of the faults below is at work.
  bool healthy() const;
  // The same, but its disk may be full.
  bool healthy_or_full() const;
  bool full() const { return log_.full() || state_.full(); }
  // Its disk is full, or has been in the last seconds.
  bool full_lately() const { return surroundings_.events.now() < full_until_ + 10 * kSecond; }
  // As a leader, it has heard a majority (itself among it) in its term since then, or has become
  // leader then.
  Time heard_majority_at() const;

  // It has been running without a pause since then.
  Time undisturbed_since() const { return undisturbed_since_; }

  // --- What arrives ---
  // Nothing: another has connected.
  void Receive(const Address& address, std::optional<consensus::Message> message);
  void Receive(const Address& address, const Remark& remark);
  void PeerGone(consensus::NodeId peer);
  // What this is, for somebody who might add it. Nothing: nobody answers there.
  std::optional<ProbeAnswer> AnswerProbe(const Address& address);
  // It has answered that it is empty, and has this folder.
  void PeerIsEmpty(consensus::NodeId peer, uint64_t folder);
  // False: nobody listens.
  bool Accept(const std::shared_ptr<Connection>& connection);
  void ReceiveFromClient(const std::shared_ptr<Connection>& connection, std::string bytes);
  void ClientClosed(const std::shared_ptr<Connection>& connection);

  // --- Faults ---
  void TransferLeadership(std::optional<consensus::NodeId> target);
  void BeginCheckpoint();
  void JumpUnixClock(int64_t by_us) { unix_offset_us_ += by_us; }
  void FillLogUntil(Time when, size_t room_bytes, size_t journal_bytes);
  void FillStateUntil(Time when);
  // Rounds take that much longer at most.
  void set_round_delay_max(Time delay) { round_delay_max_ = delay; }
  LogDisk& log() { return log_; }
  StateDisk& state() { return state_; }

  // Preconditions: up().
  const Node& node() const;

 private:
  struct Process;

  friend class WatchedNetwork;

  consensus::Recovered Recover();
  void BeginNewLife(const NewLife& next);
  void Empty(storage::Identity identity);
  void SetPeers(const std::vector<Member>& peers);
  void SendTo(consensus::NodeId to, const consensus::Message& message);
  void SayHello();
  struct OpenProbe;
  void Probe(uint16_t port, int64_t timeout_ms, Network::Probed done);
  void TryProbe(const std::shared_ptr<OpenProbe>& probe);
  void EndProbe(const std::shared_ptr<OpenProbe>& probe, const ProbeAnswer& answer);
  // Another node, or a member that it knows of.
  struct Link {
    consensus::NodeId id;
    uint16_t told_port = 0;  // with SetPeers
    uint16_t port = 0;
    uint16_t other_port = 0;  // where it may also be, as others say or said; 0: nowhere
    uint64_t folder = 0;
    std::optional<Time> said_at = std::nullopt;  // by itself, where it is
    // The connection to it, as PeerLink has it.
    uint64_t connection = 0;  // 0: none
    std::optional<Time> dialled_at = std::nullopt;
    consensus::Expectation expectation = {};
    std::optional<uint64_t> nonce = std::nullopt;  // it has answered
    consensus::Start said = {};
  };
  // Who has connected, as PeerNetwork has it.
  struct Caller {
    consensus::NodeId from;
    uint64_t connection;
    Time since;
    MemberStarts::Visit visit;
    bool is_accepted = false;
  };
  void DialAll();
  void Dial(Link& link);
  void Introduce();
  void OnWelcome(const Address& address, const consensus::Welcome& welcome);
  void OnStatement(const Address& address, const consensus::Statement& statement);
  void Answer(const Address& address, Remark remark);
  Caller* FindCaller(const Address& address);
  Link* FindConnection(const Address& address);
  void Forget(consensus::NodeId member, const Caller* but);
  Address AddressOf(const Link& link) const;
  bool Accepts(const Address& address);
  void FollowAddress(const Address& address);
  bool IsConnected(const Link& link) const;
  Time HeardAt(consensus::NodeId member) const;
  // Now, or at the end of a pause; not at all where it is not up.
  template <typename Action>
  void Enqueue(Action action) {
    if (!up()) return;
    if (paused()) {
      inbox_.emplace_back(std::move(action));
      return;
    }
    action();
    ScheduleRound();
  }
  void ScheduleRound();
  void ScheduleTick();
  void OnTick(uint64_t life);
  void Resume();
  void EndRound();
  bool ServeClients();
  void Update(Connection& connection);
  void Feed(Connection& connection, std::string_view bytes);
  void NoteChanges();

  const size_t place_;
  Surroundings surroundings_;
  Random random_;
  RaftChecker* checker_ = nullptr;
  storage::Identity identity_;  // what the disks hold
  bool lost_its_folder_ = false;
  uint16_t port_;
  LogDisk log_;
  StateDisk state_;
  SnapshotDisk snapshots_;

  uint64_t life_ = 0;
  std::unique_ptr<Process> process_;
  Time tick_ = 0;
  Time paused_until_ = 0;
  Time undisturbed_since_ = 0;
  std::vector<std::pair<consensus::NodeId, Time>> heard_at_;  // in this node's term
  // Whom it can reach, and where: this life's.
  std::vector<Link> links_;
  std::vector<Caller> callers_;
  Time leads_since_ = 0;
  consensus::Index configuration_index_;  // in force at the last look
  Time configuration_since_ = 0;
  bool resume_planned_ = false;
  bool tick_missed_ = false;
  std::vector<std::function<void()>> inbox_;  // what arrives during a pause
  bool round_planned_ = false;
  Time hello_slot_ = 0;
  Time full_until_ = -10 * kSecond;
  Time round_delay_max_ = 0;
  int64_t clock_drift_permille_ = 0;
  int64_t unix_offset_us_ = 0;
};

// The machine that is that member, with all that it has ever had on its disks; null: none is, or
// none any more.
Server* FindMachine(const std::vector<std::unique_ptr<Server>>& servers, consensus::NodeId member);

}  // namespace quorate::simulation
