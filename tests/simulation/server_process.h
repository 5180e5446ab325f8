// A process on a simulated machine: the real node, sessions and dispatcher, and what stands between
// them and the simulated world. Private to Server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "consensus/message.h"
#include "src/config/config.h"
#include "src/node/instance.h"
#include "src/node/node.h"
#include "src/pipeline/dispatcher.h"
#include "src/requests/statistics.h"
#include "tests/simulation/server.h"

namespace quorate::simulation {

class SimClock : public Clock {
 public:
  SimClock(const EventQueue& events, int64_t drift_permille, const int64_t& unix_offset_us)
      : events_(events), drift_permille_(drift_permille), unix_offset_us_(unix_offset_us) {}
  int64_t monotonic_ns() const override { return events_.now() * (1000 + drift_permille_); }
  int64_t unix_us() const override;

 private:
  const EventQueue& events_;
  const int64_t drift_permille_;
  const int64_t& unix_offset_us_;
};

// The log disk, watched. `checker`: null for one that is no member.
class WatchedLog : public storage::LogWriter {
 public:
  WatchedLog(size_t place, LogDisk& disk, RaftChecker* checker, Trace& trace)
      : place_(place), disk_(disk), checker_(checker), trace_(trace) {}

  void Submit(consensus::Persist persist) override;
  void Trim(consensus::Index index) override { disk_.Trim(index); }
  consensus::PersistSeq durable() const override { return disk_.durable(); }
  consensus::Index trimmed() const override { return disk_.trimmed(); }
  size_t log_bytes() const override { return disk_.log_bytes(); }
  consensus::Index StartOfTail(size_t payload_bytes_max) const override {
    return disk_.StartOfTail(payload_bytes_max);
  }

 private:
  const size_t place_;
  LogDisk& disk_;
  RaftChecker* checker_;
  Trace& trace_;
};

// The node's mouth, watched.
class WatchedNetwork : public Network {
 public:
  WatchedNetwork(Server& server, RaftChecker* checker) : server_(server), checker_(checker) {}
  void set_node(const Node* node) { node_ = node; }

  void SetPeers(const std::vector<Member>& peers) override { server_.SetPeers(peers); }
  void Send(consensus::NodeId to, consensus::Message message) override;
  void FoundingKnown() override {}
  void Probe(const Member& place, int64_t timeout_ms, Probed done) override {
    server_.Probe(place.port, timeout_ms, std::move(done));
  }

 private:
  Server& server_;
  RaftChecker* checker_;
  const Node* node_ = nullptr;
};

// One life. The members are built in this order.
struct Server::Process {
  // `watch`: null for a node that is no member.
  Process(Server& server, RaftChecker* watch, uint64_t seed, const consensus::Recovered& recovered);

  RaftChecker* checker;
  Config config;
  Statistics statistics;
  resp::Limits limits;
  SimClock clock;
  Sessions sessions;
  WatchedLog log;
  WatchedNetwork network;
  Node node;
  Backups backups;
  Instance instance;
  Dispatcher dispatcher;

  std::map<uint64_t, std::shared_ptr<Connection>> connections;  // by session
  std::set<uint64_t> paused;                                    // sessions not read from

  // Last traced.
  consensus::Role role = consensus::Role::kFollower;
  consensus::Term term;
  std::optional<consensus::NodeId> leader;
  consensus::Index commit_index;
};

}  // namespace quorate::simulation
