// Concurrent clients that write down all that they ask and learn.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "redis-tests/faults/workload.h"
#include "redis-tests/support/client.h"

namespace quorate::redis_tests {

using Clock = std::chrono::steady_clock;

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

// A write that was answered with its result.
struct CompletedWrite {
  Clock::time_point time;
  int node = 0;
};

// The clients of one round, each a thread with connections of its own; they begin when this is
// made. Writers behave as cluster clients do: they follow MOVED, and try another node on
// CLUSTERDOWN and when a connection breaks or an answer takes too long; no command is sent twice.
// They differ in their patience. There is a reader for each node, which sends READONLY and stays
// with it. All but acknowledged() is for one thread.
class RecordingLoad {
 public:
  static constexpr int kWriters = 10;

  // `nodes`: by id, beginning with 1. `workload` outlives this.
  RecordingLoad(std::vector<Endpoint> nodes, Workload* workload, Random random);
  ~RecordingLoad();
  RecordingLoad(const RecordingLoad&) = delete;
  RecordingLoad& operator=(const RecordingLoad&) = delete;

  // How many writes were answered with their result until now. For any thread.
  int64_t acknowledged() const { return acknowledged_; }

  // The clients finish what they have begun. The rest is for after this.
  void Stop();
  // In the order of the calls.
  std::vector<Request> TakeRequests();
  // In the order of time.
  std::vector<CompletedWrite> completed_writes() const;
  // Replies that no right server would have given.
  std::vector<std::string> wrong_replies() const;

 private:
  struct ClientState {
    uint64_t number = 0;
    bool is_reader = false;
    int patience_ms = 0;
    Random random;
    size_t node = 0;  // from 0
    std::optional<Client> connection;
    uint64_t connections = 0;
    bool said_readonly = false;  // On this connection.
    std::vector<Request> requests;
    std::vector<CompletedWrite> writes;
    std::vector<std::string> wrong;
    std::thread thread;
  };
  // After a pipeline; the greatest of what its replies ask for.
  enum class Next : uint8_t { kStay, kGoElsewhere, kFollow };

  void AddClient(bool is_reader, int patience_ms, size_t node, Random random);
  void Run(ClientState* client);
  bool Connect(ClientState* client);
  Next SendPipeline(ClientState* client);
  Next WhatNext(const Reply& reply, ClientState* client);

  const std::vector<Endpoint> nodes_;
  Workload* const workload_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> acknowledged_ = 0;
  std::vector<std::unique_ptr<ClientState>> clients_;
};

}  // namespace quorate::redis_tests
