// One member of the simulated cluster: its disks, which outlive it, and from a start to a crash a
// process with the real node, sessions and dispatcher. Stands where src/server.cc, peer_network.cc
// and client_connection.cc stand in the real one, and does in a round what they do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "consensus/message.h"
#include "src/node.h"
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
  void Start();
  // Its clients learn of it a little later.
  void Crash();
  // Nothing happens here until then; afterwards everything at once.
  void PauseUntil(Time when);
  bool paused() const { return surroundings_.events.now() < paused_until_; }

  // It runs, and none of the faults below is at work.
  bool healthy() const;
  // As a leader, it has heard a majority (itself among it) in its term since then, or has become
  // leader then.
  Time heard_majority_at() const;

  // It has been running without a pause since then.
  Time undisturbed_since() const { return undisturbed_since_; }

  // --- What arrives ---
  void Receive(consensus::NodeId from, consensus::Message message);
  void PeerGone(consensus::NodeId peer);
  // False: nobody listens.
  bool Accept(const std::shared_ptr<Connection>& connection);
  void ReceiveFromClient(const std::shared_ptr<Connection>& connection, const std::string& bytes);
  void ClientClosed(const std::shared_ptr<Connection>& connection);

  // --- Faults ---
  void TransferLeadership(std::optional<consensus::NodeId> target);
  void BeginCheckpoint();
  void JumpUnixClock(int64_t by_us) { unix_offset_us_ += by_us; }
  // Rounds take that much longer at most.
  void set_round_delay_max(Time delay) { round_delay_max_ = delay; }
  LogDisk& log() { return log_; }
  StateDisk& state() { return state_; }

  // Preconditions: up().
  const Node& node() const;
  consensus::NodeId id() const { return consensus::NodeId(place_ + 1); }

 private:
  struct Process;

  consensus::Recovered Recover();
  void Enqueue(std::function<void()> action);
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
  LogDisk log_;
  StateDisk state_;
  SnapshotDisk snapshots_;

  uint64_t life_ = 0;
  std::unique_ptr<Process> process_;
  Time tick_ = 0;
  Time paused_until_ = 0;
  Time undisturbed_since_ = 0;
  std::vector<Time> heard_at_;  // each member, in this node's term
  Time leads_since_ = 0;
  bool resume_planned_ = false;
  bool tick_missed_ = false;
  std::vector<std::function<void()>> inbox_;  // what arrives during a pause
  bool round_planned_ = false;
  Time round_delay_max_ = 0;
  int64_t clock_drift_permille_ = 0;
  int64_t unix_offset_us_ = 0;
};

}  // namespace quorate::simulation
