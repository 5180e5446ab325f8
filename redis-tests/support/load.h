// Clients that write while a test does its worst, and then check.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace quorate::redis_tests {

// Writers that remember what they were told. Each has a connection and keys of its own, and writes
// numbers that only grow; so what a key may hold at any later time is known:
//   at least the last number that was acknowledged, at most the last that was sent,
//   and never one that was answered with an error that says it was not executed (MOVED,
//   CLUSTERDOWN).
// A write whose outcome is unknown (no reply, UNKNOWN) is not sent again; the next number is.
class Load {
 public:
  static constexpr int kWriters = 8;
  static constexpr int kKeysPerWriter = 4;

  // Writes to keys that begin with `prefix`, from now on until Stop.
  Load(std::vector<uint16_t> ports, std::string prefix);
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Waits until every writer has had `count` more writes acknowledged; false after kDeadlineMs.
  bool WaitForAcknowledged(int count);
  void Stop();

  // After Stop: reads every key through the cluster and says what is wrong; empty when all is
  // right.
  std::string Check() const;
  int64_t acknowledged() const;
  // Replies that belong to no situation that was brought about here, such as a syntax error.
  std::string unexpected() const;

 private:
  struct Key {
    std::string name;
    int64_t acknowledged = 0;
    std::vector<int64_t> not_executed;
  };
  struct Writer {
    std::vector<Key> keys;
    int64_t sent = 0;  // The last number; the writer's keys share one sequence.
    std::string unexpected;
    std::atomic<int64_t> acknowledged = 0;
    std::thread thread;
  };

  void Run(Writer* writer);

  const std::vector<uint16_t> ports_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::unique_ptr<Writer>> writers_;
};

}  // namespace quorate::redis_tests
