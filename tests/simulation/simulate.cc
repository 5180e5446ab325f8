// Runs simulated clusters: one seed, a range of them, or as many as there is time for.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>

#include "tests/simulation/simulation.h"

namespace quorate::simulation {
namespace {

struct Totals {
  uint64_t runs = 0;
  uint64_t failures = 0;
  Time simulated = 0;
  uint64_t events = 0;
  uint64_t operations = 0;
  uint64_t unknown = 0;
  uint64_t undecided = 0;
  uint64_t changes = 0;
};

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void RunOne(const Options& options, bool quiet, Totals* totals) {
  const auto start = std::chrono::steady_clock::now();
  const Result result = Simulate(options);
  const double seconds = SecondsSince(start);
  ++totals->runs;
  totals->simulated += result.simulated;
  totals->events += result.events;
  totals->operations += result.operations_done;
  totals->unknown += result.operations_unknown;
  totals->undecided += result.keys_undecided;
  totals->changes += result.changes;
  if (!result.violation.empty()) {
    ++totals->failures;
    std::fputs(Report(result).c_str(), stdout);
  } else if (!quiet) {
    std::printf(
        "seed %lu: %zu nodes, %.1f s in %.3f s (%.0f times), %lu events, %lu entries, %lu leaders, "
        "%lu changes of members, %lu operations, %lu unknown, %zu keys undecided, trace %016lx\n",
        result.seed, result.node_count, static_cast<double>(result.simulated) / kSecond, seconds,
        static_cast<double>(result.simulated) / kSecond / seconds, result.events, result.committed,
        result.leaders, result.changes, result.operations_done, result.operations_unknown,
        result.keys_undecided, result.hash);
  }
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  CLI::App app("Simulates a Quorate cluster with faults, and checks that it keeps its promises.");
  std::string seeds;
  double run_seconds = 0;
  size_t nodes = 0;
  bool verbose = false;
  bool quiet = false;
  bool stop = false;
  auto* one = app.add_option("--seed,--seeds", seeds, "A seed, or a range of seeds: 1..1000");
  app.add_option("--seconds", run_seconds,
                 "New seeds for that long (from a seed of chance, or from --seed on)");
  app.add_option("--nodes", nodes, "1, 3 or 5 members at first; by default the seed decides");
  app.add_flag("--trace", verbose, "Print everything that happens");
  app.add_flag("--quiet", quiet, "Print failures and the totals only");
  app.add_flag("--stop", stop, "Stop at the first failure");
  CLI11_PARSE(app, argc, argv);

  uint64_t first = (uint64_t{std::random_device()()} << 32) | std::random_device()();
  uint64_t last = UINT64_MAX;
  if (one->count() > 0) {
    const size_t dots = seeds.find("..");
    first = std::stoull(seeds.substr(0, dots));
    if (dots != std::string::npos) {
      last = std::stoull(seeds.substr(dots + 2));
    } else if (run_seconds == 0) {
      last = first;
    }
  } else if (run_seconds == 0) {
    run_seconds = 60;
  }

  ReportSeedOnAbort();
  const auto start = std::chrono::steady_clock::now();
  Totals totals;
  for (uint64_t seed = first;; ++seed) {
    Options options;
    options.seed = seed;
    options.verbose = verbose;
    if (nodes != 0) options.node_count = nodes;
    RunOne(options, quiet, &totals);
    if (seed == last || (stop && totals.failures > 0)) break;
    if (run_seconds > 0 && SecondsSince(start) >= run_seconds) break;
  }
  const double seconds = SecondsSince(start);
  const double simulated = static_cast<double>(totals.simulated) / kSecond;
  std::printf(
      "%lu simulations from seed %lu on: %.0f s of simulated time in %.1f s (%.0f times), %lu "
      "events, %lu changes of members, %lu operations, %lu of unknown outcome, %lu keys "
      "undecided, %lu failed\n",
      totals.runs, first, simulated, seconds, simulated / seconds, totals.events, totals.changes,
      totals.operations, totals.unknown, totals.undecided, totals.failures);
  return totals.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace quorate::simulation

int main(int argc, char** argv) { return quorate::simulation::Main(argc, argv); }
