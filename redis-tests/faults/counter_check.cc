#include "redis-tests/faults/counter_check.h"

#include <algorithm>
#include <map>
#include <optional>

namespace quorate::redis_tests {

namespace {

// When the counter can have become some value: between these moments.
struct Window {
  uint64_t after = 0;
  uint64_t before = CounterOperation::kNever;
  bool has_increment = false;
};

std::string Name(const CounterOperation& operation) {
  return std::string(operation.increments ? "INCR" : "GET") + " called at " +
         std::to_string(operation.call) + " with result " + std::to_string(operation.result);
}

std::string CheckConnections(const std::vector<CounterOperation>& operations) {
  std::map<uint64_t, CounterOperation> last;
  for (const CounterOperation& operation : operations) {
    if (operation.ret == CounterOperation::kNever) {
      continue;
    }
    const auto [found, first] = last.emplace(operation.connection, operation);
    const int64_t least = found->second.result + (operation.increments ? 1 : 0);
    if (!first && operation.result < least) {
      return Name(operation) + " came on the same connection after " + Name(found->second);
    }
    found->second = operation;
  }
  return "";
}

}  // namespace

std::string CheckCounter(std::vector<CounterOperation> operations) {
  std::ranges::sort(operations, {}, &CounterOperation::call);
  if (std::string wrong = CheckConnections(operations); !wrong.empty()) {
    return wrong;
  }
  int64_t greatest = 0;
  for (const CounterOperation& operation : operations) {
    if (operation.ret == CounterOperation::kNever) {
      continue;
    }
    if (operation.result < (operation.increments ? 1 : 0)) {
      return Name(operation);
    }
    greatest = std::max(greatest, operation.result);
  }
  // More than the calls can explain: said here, before anything of that size is made.
  if (std::ranges::count(operations, true, &CounterOperation::increments) < greatest) {
    return "the counter became " + std::to_string(greatest) + ", by more INCRs than were sent";
  }

  // Of 0, which it has from the beginning, up to one behind the greatest.
  std::vector<Window> windows(static_cast<size_t>(greatest) + 2);
  std::vector<uint64_t> unknown;  // The calls of INCRs that may have happened, in their order.
  for (const CounterOperation& operation : operations) {
    if (operation.ret == CounterOperation::kNever) {
      if (operation.increments) {
        unknown.push_back(operation.call);
      }
      continue;
    }
    Window& window = windows[static_cast<size_t>(operation.result)];
    window.before = std::min(window.before, operation.ret);
    if (operation.increments) {
      if (window.has_increment) {
        return "two INCRs have made it " + std::to_string(operation.result);
      }
      window.has_increment = true;
      window.after = std::max(window.after, operation.call);
    } else {
      Window& next = windows[static_cast<size_t>(operation.result) + 1];
      next.after = std::max(next.after, operation.call);
    }
  }
  // What no known INCR has made, an unknown one must have. The one that was called first can do
  // whatever any of them can, so it is taken for the smallest value.
  size_t taken = 0;
  uint64_t moment = 0;
  for (int64_t value = 1; value <= greatest; ++value) {
    Window& window = windows[static_cast<size_t>(value)];
    if (!window.has_increment) {
      if (taken == unknown.size()) {
        return "no INCR can have made it " + std::to_string(value);
      }
      window.after = std::max(window.after, unknown[taken++]);
    }
    moment = std::max(moment, window.after);
    if (moment >= window.before) {
      return "it was " + std::to_string(value) + " before " + std::to_string(window.before) +
             ", but cannot have become that before " + std::to_string(moment);
    }
  }
  return "";
}

}  // namespace quorate::redis_tests
