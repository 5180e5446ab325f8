// What a benchmark reports of each operation, where one iteration does many.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

namespace quorate {

// How often operator new has been called on this thread.
uint64_t Allocations();

// Adds the counters `each`, the time that one operation takes, and `allocations`, how often it
// takes memory. To be made right before the benchmark's loop; it adds them when it goes.
class PerOperation {
 public:
  explicit PerOperation(benchmark::State& state, int64_t operations_per_iteration = 1)
      : state_(state),
        operations_per_iteration_(static_cast<double>(operations_per_iteration)),
        allocations_before_(Allocations()) {}
  ~PerOperation() {
    using benchmark::Counter;
    const auto allocations = static_cast<double>(Allocations() - allocations_before_);
    state_.counters["each"] =
        Counter(operations_per_iteration_, Counter::kIsIterationInvariantRate | Counter::kInvert);
    state_.counters["allocations"] =
        Counter(allocations / operations_per_iteration_, Counter::kAvgIterations);
  }
  PerOperation(const PerOperation&) = delete;
  PerOperation& operator=(const PerOperation&) = delete;

 private:
  benchmark::State& state_;
  const double operations_per_iteration_;
  const uint64_t allocations_before_;
};

}  // namespace quorate
