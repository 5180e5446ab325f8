// Raft under every fault that the network, the disks and the clocks may have, many seeds. Repeat
// one with
//   QUORATE_SEED=<seed> consensus_tests --gtest_filter='RandomFaults.*'
// and run more, from there on or from the first, with QUORATE_SEEDS=<count>.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/consensus/random_cluster.h"

namespace quorate::consensus {
namespace {

uint64_t running_seed = 0;

// An assertion of Raft itself ends the process: say which seed did it.
void PrintSeed(int /*signal*/) {
  std::fprintf(stderr, "repeat with QUORATE_SEED=%llu\n",
               static_cast<unsigned long long>(running_seed));
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Totals {
  uint64_t committed = 0;
  uint64_t reads = 0;
  uint64_t terms = 0;
  uint64_t changes = 0;    // of the configuration
  uint64_t snapshots = 0;  // installed
  uint64_t losses = 0;     // of data, noticed
};

Totals RunSeeds(size_t servers, uint64_t seeds) {
  std::signal(SIGABRT, PrintSeed);
  uint64_t first = FromEnvironment("QUORATE_SEED", 0);
  uint64_t count = FromEnvironment("QUORATE_SEEDS", first != 0 ? 1 : seeds);
  Totals totals;
  for (uint64_t seed = first != 0 ? first : 1; count > 0; ++seed, --count) {
    running_seed = seed;
    RandomCluster cluster(seed, servers);
    for (int i = 0; i < 2; ++i) {
      cluster.RunWithFaults(600);
    }
    cluster.HealAndServe();
    if (!cluster.violation().empty()) {
      ADD_FAILURE() << cluster.violation() << "\nrepeat with QUORATE_SEED=" << seed;
      break;
    }
    totals.committed += cluster.committed();
    totals.reads += cluster.proven_reads();
    totals.terms += cluster.terms_led();
    totals.changes += cluster.changes();
    totals.snapshots += cluster.installed();
    totals.losses += cluster.losses();
  }
  std::signal(SIGABRT, SIG_DFL);
  return totals;
}

// Figure 3's properties, durability before every promise, linearizable reads, and service after
// healing.
TEST(RandomFaults, ThreeServers) {
  Totals totals = RunSeeds(3, 250);
  EXPECT_GT(totals.committed, 0U);
  EXPECT_GT(totals.reads, 0U);
  RecordProperty("committed", std::to_string(totals.committed));
  RecordProperty("reads", std::to_string(totals.reads));
  RecordProperty("terms", std::to_string(totals.terms));
  EXPECT_GT(totals.changes, 0U);
  EXPECT_GT(totals.snapshots, 0U);
  EXPECT_GT(totals.losses, 0U);
}

TEST(RandomFaults, FiveServers) {
  Totals totals = RunSeeds(5, 120);
  EXPECT_GT(totals.committed, 0U);
  EXPECT_GT(totals.reads, 0U);
}

// Majorities of two and of four, and a server alone, are easily got wrong.
TEST(RandomFaults, EvenSizesAndOne) {
  EXPECT_GT(RunSeeds(1, 10).committed, 0U);
  EXPECT_GT(RunSeeds(2, 50).committed, 0U);
  EXPECT_GT(RunSeeds(4, 50).committed, 0U);
}

}  // namespace
}  // namespace quorate::consensus
