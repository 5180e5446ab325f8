// The feature level in the configuration: raised only when every member has said that it knows
// more.
#include <gtest/gtest.h>

#include <cstdint>

#include "consensus/configuration.h"
#include "tests/consensus/established_leader.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

Given Knowing(uint32_t level, size_t voters = 3) {
  Given given{.voters = voters};
  given.config.feature_level = level;
  return given;
}

// A leader of three that knows that level.
struct Leader : LoneServer {
  explicit Leader(uint32_t level, size_t voters = 3) : LoneServer(Knowing(level, voters)) {
    BecomeLeader();
    CommitAll();
  }
  void Says(NodeId peer, uint64_t level) {
    Receive(peer, HeartbeatReply{.term = raft().current_term(), .feature_level = level});
    Settle();
  }
  uint32_t level() { return raft().configuration().feature_level; }
};

TEST(FeatureLevel, RisesWhenAllMembersHaveSaidThatTheyKnowMore) {
  Leader leader(3);
  EXPECT_EQ(leader.level(), kFirstFeatureLevel);
  leader.Says(kSecond, 3);
  EXPECT_EQ(leader.level(), kFirstFeatureLevel) << "one has said nothing yet";
  leader.Says(kThird, 2);
  EXPECT_EQ(leader.level(), 2U) << "what all know";
  leader.CommitAll();
  leader.Says(kThird, 3);
  EXPECT_EQ(leader.level(), 3U);
}

TEST(FeatureLevel, NeverFalls) {
  Leader leader(2);
  leader.Says(kSecond, 2);
  leader.Says(kThird, 2);
  ASSERT_EQ(leader.level(), 2U);
  leader.CommitAll();
  leader.Says(kThird, 1);
  leader.Says(kSecond, 0);
  EXPECT_EQ(leader.level(), 2U);
}

TEST(FeatureLevel, IsNoHigherThanTheLeaderKnows) {
  Leader leader(1);
  leader.Says(kSecond, 9);
  leader.Says(kThird, 9);
  EXPECT_EQ(leader.level(), 1U);
}

TEST(FeatureLevel, OfAClusterOfOneIsWhatItKnows) {
  Leader leader(4, 1);
  leader.Settle();
  EXPECT_EQ(leader.level(), 4U);
}

TEST(FeatureLevel, WaitsForLearnersToo) {
  Leader leader(2);
  ASSERT_TRUE(std::holds_alternative<Index>(leader.raft().ProposeChange(AddLearner{"d"}, false)));
  leader.CommitAll();
  leader.Says(kSecond, 2);
  leader.Says(kThird, 2);
  EXPECT_EQ(leader.level(), 1U);
  leader.Says(kFourth, 2);
  EXPECT_EQ(leader.level(), 2U);
}

TEST(FeatureLevel, AFollowerSaysWhatItKnows) {
  Given given = Knowing(5);
  given.term = 3;
  given.log_terms = {3};
  LoneServer follower(given);
  follower.Follow(kSecond, 3);
  follower.Receive(kSecond, Heartbeat{Term(3), Index(), 4});
  EXPECT_EQ(Only<HeartbeatReply>(follower.Settle(), kSecond).feature_level, 5U);
}

TEST(FeatureLevel, IsPartOfTheConfigurationsBytes) {
  Configuration configuration;
  configuration.feature_level = 7;
  EXPECT_EQ(DecodeConfiguration(Encode(configuration)), configuration);
  configuration.feature_level = 0;
  EXPECT_FALSE(IsValid(configuration));
}

}  // namespace
}  // namespace quorate::consensus
