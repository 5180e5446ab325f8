// Simulated clusters keep Quorate's promises, whatever happens to them: the same seeds in every
// run. scripts/simulate runs new ones. A seed that finds a bug does so only until anything draws
// another number, so it is not kept here. What it found becomes a test of its own, and a mutant
// (tests/mutants/) that the simulation has to catch.
#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <string>

namespace quorate::simulation {
namespace {

class SimulationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ReportSeedOnAbort(); }

  static Result Run(uint64_t seed, size_t node_count) {
    Options options;
    options.seed = seed;
    options.node_count = node_count;
    Result result = Simulate(options);
    EXPECT_TRUE(result.violation.empty()) << Report(result);
    return result;
  }

  static void RunSeeds(uint64_t first, uint64_t last, size_t node_count) {
    for (uint64_t seed = first; seed <= last && !HasFailure(); ++seed) Run(seed, node_count);
  }
};

// What the whole idea rests on: a seed that has failed fails again.
TEST_F(SimulationTest, SameSeedSameTrace) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Result first = Run(seed, 3);
    const Result second = Run(seed, 3);
    EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
    EXPECT_EQ(first.operations_done, second.operations_done) << "seed " << seed;
  }
}

TEST_F(SimulationTest, OtherSeedOtherTrace) {
  EXPECT_NE(Run(1, 3).hash, Run(2, 3).hash);
  EXPECT_NE(Run(1, 3).hash, Run(1, 5).hash);
}

// A simulation in which nothing happens would prove nothing.
TEST_F(SimulationTest, MuchHappens) {
  Result all;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const Result result = Run(seed, 3);
    all.leaders += result.leaders;
    all.committed += result.committed;
    all.operations_done += result.operations_done;
    all.operations_unknown += result.operations_unknown;
    all.keys_undecided += result.keys_undecided;
    all.looks_due += result.looks_due;
    all.changes += result.changes;
  }
  EXPECT_GT(all.leaders, 300u);
  EXPECT_GT(all.committed, 20'000u);
  EXPECT_GT(all.operations_done, 100'000u);
  EXPECT_GT(all.operations_unknown, 2'000u);
  EXPECT_LT(all.keys_undecided, 5u);
  EXPECT_GT(all.looks_due, 2'500u);
  EXPECT_GT(all.changes, 300u);
}

TEST_F(SimulationTest, ThreeNodes) { RunSeeds(10'001, 11'200, 3); }

TEST_F(SimulationTest, FiveNodes) { RunSeeds(20'001, 20'750, 5); }

// One that becomes more.
TEST_F(SimulationTest, OneNode) { RunSeeds(30'001, 31'000, 1); }

}  // namespace
}  // namespace quorate::simulation
