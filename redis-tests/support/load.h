// Clients that write while a test does its worst, and remember what they were told.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "redis-tests/support/following_client.h"

namespace quorate::redis_tests {

// Writers, each with a connection and keys of its own. Each writes numbers, one after the other,
// twice: to a new key, which is never written again, so that no later write hides that one is lost;
// and to its register, which it reads back between the writes. A write whose outcome is unknown (no
// reply, or UNKNOWN) is not repeated; the next number follows.
class Load {
 public:
  static constexpr int kWriters = 8;

  // Writes to keys that begin with `prefix`, from now on until Stop.
  Load(std::vector<uint16_t> ports, std::string prefix);
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Waits until every writer has had `count` more writes acknowledged; false after kDeadlineMs.
  bool WaitForAcknowledged(int count);
  void Stop();

  // After Stop, with a cluster that serves: reads all keys and says what is wrong now or was wrong
  // on the way; empty when all is right. Wrong are:
  //   an acknowledged write that is lost;
  //   a write that happened though its answer said that it was not executed (MOVED, CLUSTERDOWN,
  //   MISCONF);
  //   a register that holds another number than the last one acknowledged, or one sent later whose
  //   outcome is unknown, or that goes back;
  //   an answer that belongs to no situation a test brings about, such as a syntax error.
  std::string Check() const;
  int64_t acknowledged() const;

 private:
  struct Writer {
    std::string prefix;
    int64_t number = 0;
    std::vector<int64_t> written;         // The numbers whose own keys must exist...
    std::vector<int64_t> not_executed;    // ... and those whose keys must not.
    std::vector<int64_t> possible = {0};  // What the register may hold, in order; 0 is no value.
    std::vector<std::string> wrong;
    std::atomic<int64_t> acknowledged = 0;
    std::thread thread;
  };
  enum class Outcome { kWritten, kNotExecuted, kUnknown };

  void Run(Writer* writer);
  static std::string KeyOf(const Writer& writer, int64_t number);
  static std::string RegisterOf(const Writer& writer) { return writer.prefix + "register"; }
  static Outcome Write(FollowingClient* client, const std::string& key, int64_t number,
                       Writer* writer);
  static void ReadRegister(FollowingClient* client, Writer* writer);

  const std::vector<uint16_t> ports_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::unique_ptr<Writer>> writers_;
};

}  // namespace quorate::redis_tests
