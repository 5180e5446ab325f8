// quorate_faults: real processes under faults. See scripts/faults.
#include <signal.h>
#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "redis-tests/faults/disks.h"
#include "redis-tests/faults/fault_kinds.h"
#include "redis-tests/faults/private_network.h"
#include "redis-tests/faults/rounds.h"
#include "redis-tests/support/cluster.h"

namespace quorate::redis_tests {

namespace {

struct Options {
  int nodes = 3;
  double seconds = 0;
  double hours = 0;
  int count = 0;
  std::string kinds;
  bool disks = false;
  uint64_t seed = 0;
  std::string server = QUORATE_SERVER;
};

const FaultKind* FindKind(std::string_view name) {
  for (const FaultKind& kind : FaultKinds()) {
    if (kind.name == name) {
      return &kind;
    }
  }
  return nullptr;
}

// What is missing here; each with the reason, or empty where it is there.
struct Missing {
  std::string network;
  std::string disks;
};

// Why there can be no faults of this kind; empty where there can.
std::string WhyNot(const FaultKind& kind, int nodes, const Missing& missing) {
  if (kind.nodes_min > nodes) {
    return fmt::format("needs {} nodes", kind.nodes_min);
  }
  switch (kind.needs) {
    case Needs::kNothing:
      return "";
    case Needs::kNetwork:
      return missing.network;
    case Needs::kFailingDisks:
      if (!Disks::CanFail()) {
        return "not under sanitizers";
      }
      return missing.disks;
    case Needs::kDisks:
      return missing.disks;
  }
  return "";
}

// The kinds that were asked for and can be had here. Says which cannot.
std::vector<const FaultKind*> ChooseKinds(const Options& options, const Missing& missing) {
  std::vector<const FaultKind*> asked;
  if (options.kinds.empty()) {
    for (const FaultKind& kind : FaultKinds()) {
      asked.push_back(&kind);
    }
  }
  for (const std::string& name : CLI::detail::split(options.kinds, ',')) {
    if (!name.empty()) {
      asked.push_back(FindKind(name));
    }
  }
  std::vector<const FaultKind*> chosen;
  for (const FaultKind* kind : asked) {
    if (const std::string why_not = WhyNot(*kind, options.nodes, missing); !why_not.empty()) {
      fmt::print("skipped: {}: {}\n", kind->name, why_not);
    } else {
      chosen.push_back(kind);
    }
  }
  return chosen;
}

void PrintTable(const Rounds& rounds) {
  const Outcomes& outcomes = rounds.outcomes();
  fmt::print(
      "\noperations: {} acknowledged, {} not executed, {} unknown; {} histories too long to be "
      "searched to their end\n\n",
      outcomes.acknowledged, outcomes.not_executed, outcomes.unknown, rounds.undecided());
  fmt::print("{:<15} {:>6} {:>10}  {:^26}  {:^26}\n", "", "", "", "longest time without a",
             "first write by another");
  fmt::print("{:<15} {:>6} {:>10}  {:^26}  {:^26}\n", "", "", "", "completed write, ms",
             "node after, ms");
  fmt::print("{:<15} {:>6} {:>10}  {:>8} {:>8} {:>8}  {:>8} {:>8} {:>8}\n", "fault", "faults",
             "violations", "p50", "p90", "max", "p50", "p90", "max");
  for (const auto& [name, report] : rounds.kinds()) {
    fmt::print("{:<15} {:>6} {:>10}  {}  {}\n", name, report.faults, report.violations,
               report.pauses.Columns(), report.first_writes.Columns());
  }
  for (const auto& [name, report] : rounds.kinds()) {
    if (report.recoveries.count() > 0) {
      fmt::print("{:<15} from space on the disks to the first write, ms: {}\n", name,
                 report.recoveries.Columns());
    }
  }
}

int Report(const std::vector<std::string>& wrong, Cluster* cluster) {
  std::fflush(stdout);
  for (const std::string& what : wrong) {
    std::cerr << "VIOLATION: " << what << '\n';
  }
  if (!wrong.empty()) {
    cluster->PrintLogs(std::cerr);
  }
  return wrong.empty() ? 0 : 1;
}

// The kinds in an order drawn at random, all of them once.
std::vector<const FaultKind*> Shuffle(std::vector<const FaultKind*> kinds, Random* random) {
  for (size_t i = kinds.size() - 1; i > 0; --i) {
    std::swap(kinds[i], kinds[random->Below(i + 1)]);
  }
  return kinds;
}

int RunRounds(const Options& options, Cluster* cluster, PrivateNetwork* network, Disks* disks,
              const std::vector<const FaultKind*>& kinds) {
  Random random(options.seed);
  Rounds rounds(cluster, network, disks, random.Next());
  rounds.Prepare();
  if (!rounds.has_incr()) {
    fmt::print("skipped: counters: the server does not know INCR\n");
  }
  const bool by_count = options.count > 0;
  const auto end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double>(options.seconds + options.hours * 3600));
  std::vector<std::string> wrong;
  for (int cycle = 0; wrong.empty() && (by_count ? cycle < options.count : Clock::now() < end);
       ++cycle) {
    for (const FaultKind* kind : Shuffle(kinds, &random)) {
      if (!wrong.empty() || (!by_count && Clock::now() >= end)) {
        break;
      }
      wrong = rounds.Run(*kind);
      fmt::print("{}\n", rounds.last_round());
      std::fflush(stdout);
    }
  }
  if (wrong.empty()) {
    wrong = rounds.CheckOldRounds();
  }
  PrintTable(rounds);
  const int status = Report(wrong, cluster);
  fmt::print("\n{}\n", status == 0 ? "no violations" : "VIOLATIONS: see above");
  return status;
}

int Main(int argc, char** argv) {
  Options options;
  options.seed = (uint64_t{std::random_device()()} << 32) | std::random_device()();
  bool list = false;
  CLI::App app(
      "Runs a cluster of real processes under load and faults, and checks what clients see.");
  app.add_option("--nodes", options.nodes, "3 or 5 nodes")->check(CLI::IsMember({3, 5}));
  app.add_option("--seconds", options.seconds, "For about that long");
  app.add_option("--hours", options.hours, "For about that long");
  app.add_option("--count", options.count, "So many faults of each kind, however long it takes");
  app.add_option("--kinds", options.kinds, "These kinds only: a,b,c");
  app.add_option("--seed", options.seed, "Decides the order of the faults and what clients ask");
  app.add_option("--server", options.server, "The quorate-server to run");
  app.add_flag("--disks", options.disks,
               "Gives each node a small disk, in memory, which can be full and fail");
  app.add_flag("--list", list, "List the kinds of faults and exit");
  CLI11_PARSE(app, argc, argv);
  if (list) {
    for (const FaultKind& kind : FaultKinds()) {
      const bool has_disks = kind.needs == Needs::kDisks || kind.needs == Needs::kFailingDisks;
      fmt::print("{:<15} {}{}{}\n", kind.name, kind.what, kind.nodes_min > 3 ? " (5 nodes)" : "",
                 has_disks ? " (--disks)" : "");
    }
    return 0;
  }
  for (const std::string& name : CLI::detail::split(options.kinds, ',')) {
    if (!name.empty() && FindKind(name) == nullptr) {
      std::cerr << "there is no kind '" << name << "', see --list\n";
      return 2;
    }
  }
  if (options.count == 0 && options.seconds + options.hours == 0) {
    options.seconds = 60;
  }
  options.server = std::filesystem::absolute(options.server);
  signal(SIGPIPE, SIG_IGN);

  fmt::print("seed {}\n", options.seed);
  Missing missing = {.network = "", .disks = "runs with --disks only"};
  const std::unique_ptr<Disks> disks =
      options.disks ? Disks::Make(options.nodes, &missing.disks) : nullptr;
  const std::unique_ptr<PrivateNetwork> network =
      PrivateNetwork::Make(options.nodes, &missing.network);
  const std::vector<const FaultKind*> kinds = ChooseKinds(options, missing);
  std::fflush(stdout);
  if (kinds.empty()) {
    fmt::print("no kind of fault can be had here\n");
    return 0;
  }
  Cluster::Options cluster_options;
  cluster_options.size = options.nodes;
  cluster_options.server = options.server;
  if (network != nullptr) {
    cluster_options.hosts = network->hosts();
    cluster_options.network_namespaces = network->network_namespaces();
  }
  if (disks != nullptr) {
    cluster_options.data_folders = disks->data_folders();
    cluster_options.prefix = [&disks](int id) { return disks->Prefix(id); };
  }
  Cluster cluster(cluster_options);
  if (!cluster.Start()) {
    return Report({"the cluster does not start"}, &cluster);
  }
  return RunRounds(options, &cluster, network.get(), disks.get(), kinds);
}

}  // namespace

}  // namespace quorate::redis_tests

int main(int argc, char** argv) { return quorate::redis_tests::Main(argc, argv); }
