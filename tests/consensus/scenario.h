// A cluster of Rafts that is driven by text: commands, and a trace of all that follows from them.
// See scenarios/README.md for the commands.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "consensus/raft.h"
#include "tests/consensus/memory_disk.h"

namespace quorate::consensus {

class Scenario {
 public:
  // Carries out one command. What happened, a line each; for a command that makes no sense, a line
  // that begins with "error:".
  std::string Run(const std::string& command);

 private:
  struct Server {
    Config config;
    MemoryDisk disk;
    std::unique_ptr<Raft> raft;  // none: crashed
    bool slow_disk = false;      // writes become durable by `persist` alone
  };
  struct InFlight {
    NodeId from;
    NodeId to;
    Message message;
  };
  using Words = std::vector<std::string>;

  void MakeCluster(const Words& words);
  void Join(const Words& words);
  void ProposeChange(Server& server, const Words& words);
  void Tick(const Words& words);
  void TickUntilElection(Server& server);
  void Lead(Server& server);
  void Deliver(const Words& links);
  void Settle();
  void Drop(const Words& links);
  void Hold(const Words& links);
  void Cut(const Words& words);
  void Persist(const Words& words);
  void Crash(Server& server);
  void Restart(Server& server);
  void ShowLogs();
  void ShowStatus();
  void ShowMembers();

  bool IsServer(const std::string& word) const;
  Server& At(const std::string& word) { return *servers_[std::stoul(word) - 1]; }
  Server& At(NodeId id) { return *servers_[id.value() - 1]; }
  // Whether `links` ("1>2", "*>3", ...; none: all) names this message's.
  static bool Names(const Words& links, const InFlight& message);
  void DeliverOne(InFlight message);
  // One round of the driver, and more for as long as a fast disk has something to do.
  void Round(Server& server);
  void TellLeadership(const Server& server);

  Config config_;  // of new servers
  std::vector<std::unique_ptr<Server>> servers_;
  std::deque<InFlight> network_;
  std::deque<InFlight> held_;
  std::map<std::pair<NodeId, NodeId>, bool> cut_;
  uint64_t votes_asked_ = 0;
  std::ostringstream trace_;
};

// A scenario's file: blocks of comments and commands, "----", and the trace that is expected.
struct ScenarioBlock {
  std::vector<std::string> lines;  // comments and commands
  std::string expected;
};

std::vector<ScenarioBlock> ParseScenario(const std::string& text);
// Runs the commands of each block; the file as it should read.
std::string RunScenario(const std::vector<ScenarioBlock>& blocks);

}  // namespace quorate::consensus
