// Majorities of every size, and votes that are counted once.
#include "consensus/quorum.h"

#include <algorithm>

#include "consensus/random.h"
#include "gtest/gtest.h"

namespace quorate::consensus {
namespace {

TEST(Majority, AnyTwoHaveAServerInCommon) {
  EXPECT_EQ(Majority(1), 1U);
  EXPECT_EQ(Majority(2), 2U);
  EXPECT_EQ(Majority(3), 2U);
  EXPECT_EQ(Majority(4), 3U);
  EXPECT_EQ(Majority(5), 3U);
  for (size_t voters = 1; voters < 100; ++voters) {
    EXPECT_GT(2 * Majority(voters), voters);
    EXPECT_LE(2 * (Majority(voters) - 1), voters);
  }
}

// Against the definition: the largest value that at least a majority has reached.
TEST(ReachedByMajority, IsTheLargestValueThatAMajorityHas) {
  Random random(1);
  for (int round = 0; round < 1000; ++round) {
    std::vector<uint64_t> values(1 + random.Below(9));
    for (uint64_t& value : values) {
      value = random.Below(6);
    }
    uint64_t expected = 0;
    for (uint64_t value : values) {
      auto reached = std::count_if(values.begin(), values.end(),
                                   [&](uint64_t other) { return other >= value; });
      if (static_cast<size_t>(reached) >= Majority(values.size())) {
        expected = std::max(expected, value);
      }
    }
    EXPECT_EQ(ReachedByMajority(values), expected);
  }
}

TEST(VoteTally, CountsEachVoterOnce) {
  VoteTally votes(Majority(5));
  votes.Grant(NodeId(2));
  votes.Grant(NodeId(2));
  votes.Grant(NodeId(2));
  votes.Grant(NodeId(1));
  EXPECT_FALSE(votes.Won());
  votes.Grant(NodeId(4));
  EXPECT_TRUE(votes.Won());
}

}  // namespace
}  // namespace quorate::consensus
