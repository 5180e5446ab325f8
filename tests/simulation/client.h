// A client as a Redis cluster client behaves: it sends pipelines, follows MOVED, tries another node
// on CLUSTERDOWN and when its connection breaks, and gives up waiting after a while. What it asks
// and what it learns goes into the history.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/connection.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/history.h"
#include "tests/simulation/network.h"
#include "tests/simulation/random.h"
#include "tests/simulation/reply_reader.h"
#include "tests/simulation/server.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/trace.h"
#include "tests/simulation/verdict.h"

namespace quorate::simulation {

// What all clients share.
struct ClientWorld {
  const Settings& settings;
  EventQueue& events;
  Trace& trace;
  Verdict& verdict;
  SimNetwork& network;
  History& history;
  std::vector<std::unique_ptr<Server>>& servers;
};

class Client {
 public:
  enum class Role : uint8_t {
    kUsual,
    kReader,        // sends READONLY first, stays with its node, and mostly reads
    kProbe,         // writes one key and reads all of them until that has succeeded once
    kWatch,         // writes a key of its own, one write at a time, and does not wait long
    kHaunter,       // reads that key at leaders that have been replaced, and do not know it
    kReadingProbe,  // reads all keys at one node with READONLY, until that has succeeded once
  };

  Client(uint64_t id, Role role, size_t first_server, ClientWorld world, Random random);

  void Start();
  // Begins nothing new.
  void Stop() { stopping_ = true; }
  bool idle() const { return waiting_.empty(); }
  // A probe that has got what it asked for.
  bool succeeded() const { return succeeded_; }

 private:
  void PlanStep(Time delay);
  void Haunt();
  void Step();
  void Connect();
  void SendPipeline();
  void SendBytes(std::string bytes);
  void Deliver(std::string bytes);
  void Disconnect();
  void GiveUpWaiting();
  void CheckUnanswered();

  std::vector<Operation> Compose();
  Operation ComposeOne();
  Operation SetOf(uint32_t key);
  std::vector<uint32_t> DrawKeys(size_t count_max);

  void OnBytes(const std::string& bytes);
  void OnClosed();
  void OnReply(const Reply& reply);
  void OnError(size_t operation, const std::string& text);
  bool OnResult(Operation& operation, const Reply& reply);
  std::optional<ValueId> ReadValue(const Reply& reply);
  void PipelineDone();
  void GoElsewhere();
  bool IsReader() const { return role_ == Role::kReader || role_ == Role::kReadingProbe; }
  bool IsProbe() const { return role_ == Role::kProbe || role_ == Role::kReadingProbe; }
  uint32_t key_count() const { return world_.settings.clients.key_count; }

  const uint64_t id_;
  const Role role_;
  ClientWorld world_;
  Random random_;
  size_t server_;
  bool stopping_ = false;
  bool succeeded_ = false;
  bool refused_ = false;  // something in this pipeline

  std::shared_ptr<Connection> connection_;
  uint64_t connections_ = 0;
  ReplyReader replies_;
  std::deque<std::optional<size_t>> waiting_;  // operations; nothing: READONLY's
  uint64_t plan_ = 0;
  uint64_t pipeline_ = 0;
  std::optional<size_t> moved_to_;
};

}  // namespace quorate::simulation
