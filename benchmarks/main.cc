// The program of all micro-benchmarks. Where repetitions are asked for, it shows the medians alone,
// and how far the repetitions are apart.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "benchmarks/per_operation.h"

namespace {

thread_local uint64_t allocations = 0;

// A line for each benchmark: the time of an operation and its allocations.
class Table : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override {
    std::printf("%-*s %12s %8s %12s\n", static_cast<int>(context.name_field_width), "", "ns each",
                "spread", "allocations");
    name_width_ = static_cast<int>(context.name_field_width);
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    const Run* median = nullptr;
    double spread = 0;
    for (const Run& run : runs) {
      if (run.error_occurred) {
        std::printf("%s: %s\n", run.benchmark_name().c_str(), run.error_message.c_str());
        return;
      }
      if (run.run_type == Run::RT_Iteration && runs.size() > 1) continue;
      if (run.aggregate_name == "cv") {
        spread = Counter(run, "each");
      } else if (run.aggregate_name == "median" || run.aggregate_name.empty()) {
        median = &run;
      }
    }
    if (median == nullptr) return;
    std::printf("%-*s %12.1f %7.1f%% %12.2f\n", name_width_, median->run_name.str().c_str(),
                1e9 * Counter(*median, "each"), 100 * spread, Counter(*median, "allocations"));
    std::fflush(stdout);
  }

 private:
  static double Counter(const Run& run, const std::string& name) {
    const auto found = run.counters.find(name);
    return found == run.counters.end() ? 0 : found->second.value;
  }

  int name_width_ = 0;
};

}  // namespace

void* operator new(size_t bytes) {
  ++allocations;
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

uint64_t quorate::Allocations() { return allocations; }

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  Table table;
  const size_t run = benchmark::RunSpecifiedBenchmarks(&table);
  benchmark::Shutdown();
  return run == 0 ? 1 : 0;
}
