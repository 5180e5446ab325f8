// What clients ask for between two checks of what they were told, and what each reply means.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/reply.h"
#include "tests/simulation/operation.h"
#include "tests/simulation/random.h"

namespace quorate::redis_tests {

using simulation::CommandKind;
using simulation::Operation;
using simulation::Outcome;
using simulation::Random;
using simulation::ValueId;

// Three sorts of keys. A register holds a value that is written once, and anything may be done to
// it. A pair is two keys that are only ever written, read and deleted together, so that half of a
// write would show; to the history it is one register. A counter knows INCR and GET.
struct Request {
  // `keys`: numbers of the workload. For a counter, `count` is the result.
  Operation operation;
  bool increments = false;  // An INCR: the simulation has none, and `operation.kind` says nothing.

  bool is_write() const { return increments || simulation::IsWrite(operation.kind); }
};

// The few keys of one round, and the moments and values of its history. For all threads.
class Workload {
 public:
  static constexpr uint32_t kRegisters = 6;
  static constexpr uint32_t kPairs = 2;
  static constexpr uint32_t kCounters = 2;
  static constexpr uint32_t kFirstPair = kRegisters;
  static constexpr uint32_t kFirstCounter = kFirstPair + kPairs;
  static constexpr uint32_t kKeys = kFirstCounter + kCounters;

  // The names of its keys begin with `prefix`. `has_incr`: whether the servers know INCR.
  Workload(std::string prefix, bool has_incr) : prefix_(std::move(prefix)), has_incr_(has_incr) {}

  uint64_t NextMoment() { return ++moment_; }
  bool has_incr() const { return has_incr_; }

  // Something for a client to ask; not called yet.
  Request Compose(Random* random, bool reads_only);
  // A read of one of the keys.
  static Request Read(uint32_t key);
  Arguments ArgumentsOf(const Request& request) const;
  // Notes in the request what its reply says, and that it is completed. Returns what no right
  // server would have answered; empty when the reply may be.
  std::string Complete(const Reply& reply, Request* request);

 private:
  std::string KeyName(uint32_t key) const { return prefix_ + std::to_string(key); }
  std::vector<std::string> NamesOf(uint32_t key) const;

  const std::string prefix_;
  const bool has_incr_;
  std::atomic<uint64_t> moment_ = 0;
  std::atomic<ValueId> last_value_ = 0;
};

}  // namespace quorate::redis_tests
