// What a round's history says of the cluster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "redis-tests/faults/workload.h"

namespace quorate::redis_tests {

struct Verdict {
  std::vector<std::string> violations;
  size_t undecided = 0;  // Keys whose search took too long to be brought to its end.
};

// Whether the requests, in the order of their calls, can be explained: each key is linearizable, no
// acknowledged write is lost, and what was not executed has had no effect. All are completed.
Verdict Judge(const std::vector<Request>& requests);

// How many requests had which outcome.
struct Outcomes {
  int64_t acknowledged = 0;
  int64_t not_executed = 0;
  int64_t unknown = 0;

  void Count(const std::vector<Request>& requests);
};

}  // namespace quorate::redis_tests
