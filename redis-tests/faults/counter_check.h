// Is there an order in which the operations on one counter could have happened one after another,
// each between its call and its return, with just these results? As tests/simulation's
// linearizability.h asks it of values that are written once; a counter's are not, but they have an
// order, so that no search is needed.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace quorate::redis_tests {

// An INCR or a GET of a counter that begins at 0 and that nothing else changes.
struct CounterOperation {
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  uint64_t call = 0;
  // kNever: nobody knows whether it happened, at any time after the call or not at all.
  uint64_t ret = 0;
  uint64_t connection = 0;  // Operations of one connection happen in the order of their calls.
  bool increments = false;
  int64_t result = 0;
};

// What cannot be explained; empty when all can. Moments are different, all of them.
std::string CheckCounter(std::vector<CounterOperation> operations);

}  // namespace quorate::redis_tests
