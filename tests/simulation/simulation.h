// One simulated cluster from its first moment to its last: a storm of faults, then calm weather in
// which it has to recover, then a look at everything that its clients have seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/event_queue.h"

namespace quorate::simulation {

struct Options {
  uint64_t seed = 0;
  std::optional<size_t> node_count;  // nothing: the seed decides
  bool verbose = false;              // every happening on standard output
};

struct Result {
  uint64_t seed = 0;
  size_t node_count = 0;
  std::string violation;                // empty: none
  std::vector<std::string> trace;       // the newest happenings, where there is a violation
  std::vector<std::string> operations;  // on the key that cannot be explained
  uint64_t hash = 0;

  Time simulated = 0;
  uint64_t events = 0;
  uint64_t committed = 0;  // entries
  uint64_t leaders = 0;    // terms that had one
  uint64_t operations_done = 0;
  uint64_t operations_unknown = 0;
  uint64_t changes = 0;       // of the members, committed
  uint64_t looks_due = 0;     // at a cluster that owed a write for long
  size_t keys_undecided = 0;  // whose histories were too tangled to judge in bounded time
};

Result Simulate(const Options& options);

// What violates an assert ends the process; this has it say which seed that was, and what happened
// last. Once, before the first simulation.
void ReportSeedOnAbort();

// The command that repeats a simulation.
std::string CommandFor(const Result& result);

// Some lines for people about a result with a violation.
std::string Report(const Result& result);

}  // namespace quorate::simulation
