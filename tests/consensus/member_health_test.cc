// Whom clients are offered: a member that is in touch and keeps up, and none that flips.
#include "consensus/member_health.h"

#include <algorithm>
#include <optional>

#include "gtest/gtest.h"
#include "tests/consensus/established_leader.h"

namespace quorate::consensus {
namespace {

constexpr uint64_t kElectionTimeout = 10;
constexpr uint64_t kPatience = HealthMonitor::kPatience * kElectionTimeout;

// A member that is heard each tick, of a leader that commits `rate` entries a tick. The member's
// log is what the leader's was `lag` ticks ago.
class Follower {
 public:
  void Run(uint64_t ticks, uint64_t lag) {
    for (uint64_t i = 0; i < ticks; ++i) {
      ++now_;
      sight_.was_heard = true;
      sight_.heard_at = now_;
      const Index log(rate * (now_ - std::min(now_, lag)));
      sight_.match_index = std::max(sight_.match_index, log);
      Look();
    }
  }
  void BeSilent(uint64_t ticks) {
    for (uint64_t i = 0; i < ticks; ++i) {
      ++now_;
      Look();
    }
  }

  HealthMonitor::Sight& sight() { return sight_; }
  Health health() const { return monitor_.health(); }
  int changes() const { return changes_; }
  uint64_t rate = 3;

 private:
  void Look() {
    const Health before = monitor_.health();
    monitor_.Observe(sight_, Index(rate * now_), now_, kElectionTimeout);
    changes_ += monitor_.health() != before ? 1 : 0;
  }

  uint64_t now_ = 1000;
  HealthMonitor monitor_{Index(3000), 1000};
  HealthMonitor::Sight sight_{.heard_at = 1000};
  int changes_ = 0;
};

TEST(HealthMonitor, ComesOnlineOnceWhatWasCommittedIsThere) {
  Follower follower;
  EXPECT_EQ(follower.health(), Health::kSuspect);
  follower.Run(3, 5);
  EXPECT_EQ(follower.health(), Health::kLoading);
  follower.Run(2, 5);
  EXPECT_EQ(follower.health(), Health::kOnline);
}

// Each goal of a member that lags by three election timeouts is reached after as long.
TEST(HealthMonitor, ToReachAGoalLateIsNotEnough) {
  Follower follower;
  follower.Run(20 * kPatience, 3 * kElectionTimeout);
  EXPECT_EQ(follower.health(), Health::kLoading);
  follower.Run(4 * kElectionTimeout, kElectionTimeout - 2);
  EXPECT_EQ(follower.health(), Health::kOnline);
}

TEST(HealthMonitor, SteadyLoadWithSlowRepliesChangesNothing) {
  Follower follower;
  follower.Run(10, 2);
  ASSERT_EQ(follower.health(), Health::kOnline);
  const int changes = follower.changes();
  for (int round = 0; round < 50; ++round) {
    follower.Run(60, 2);
    follower.Run(60, kElectionTimeout + 3);
    follower.Run(60, kPatience / 2);
  }
  EXPECT_EQ(follower.changes(), changes);
}

TEST(HealthMonitor, WhoStaysBehindIsOfferedNoMore) {
  Follower follower;
  follower.Run(10, 2);
  ASSERT_EQ(follower.health(), Health::kOnline);
  follower.Run(2 * kPatience, 2 * kPatience);
  EXPECT_EQ(follower.health(), Health::kLoading);
}

TEST(HealthMonitor, WhoNeedsASnapshotIsOfferedNoMore) {
  Follower follower;
  follower.Run(10, 2);
  follower.sight().needs_snapshot = true;
  follower.Run(1, 2);
  EXPECT_EQ(follower.health(), Health::kLoading);
}

TEST(HealthMonitor, SilenceIsNoticed) {
  Follower follower;
  follower.rate = 0;  // nothing is written: its log stays complete
  follower.sight().match_index = Index(3000);
  follower.Run(10, 0);
  ASSERT_EQ(follower.health(), Health::kOnline);
  follower.BeSilent(kElectionTimeout - 1);
  EXPECT_EQ(follower.health(), Health::kOnline);
  follower.BeSilent(1);
  EXPECT_EQ(follower.health(), Health::kSuspect);
  follower.BeSilent(kPatience - kElectionTimeout);
  EXPECT_EQ(follower.health(), Health::kFailed);
  follower.Run(2, 0);
  EXPECT_EQ(follower.health(), Health::kOnline);
}

// Its log was complete when it went. What was committed since is not there yet.
TEST(HealthMonitor, WhoComesBackHasToCatchUpFirst) {
  Follower follower;
  follower.Run(10, 2);
  ASSERT_EQ(follower.health(), Health::kOnline);
  follower.BeSilent(2 * kElectionTimeout);
  follower.sight().heard_at += 2 * kElectionTimeout;
  follower.BeSilent(1);
  EXPECT_EQ(follower.health(), Health::kLoading);
  follower.Run(5, 2);
  EXPECT_EQ(follower.health(), Health::kOnline);
}

// CLUSTER MEET takes loading as a sign of life.
TEST(HealthMonitor, WhoWasNeverHeardIsSuspect) {
  Follower follower;
  follower.rate = 0;
  follower.sight().match_index = Index(3000);
  follower.BeSilent(1);
  EXPECT_EQ(follower.health(), Health::kSuspect);
}

TEST(HealthMonitor, AFreePlaceIsNoMember) {
  Follower follower;
  follower.sight().place_is_free = true;
  follower.BeSilent(1);
  EXPECT_EQ(follower.health(), Health::kHandshake);
  follower.BeSilent(2 * kPatience);
  EXPECT_EQ(follower.health(), Health::kHandshake);
}

// --- On a leader ---

void HearAll(LoneServer& server, int ticks) {
  for (int i = 0; i < ticks; ++i) {
    server.Tick();
    for (NodeId id : server.others()) {
      server.Receive(id, HeartbeatReply{server.raft().current_term(), 0});
    }
    server.Settle();
  }
}

TEST(LeaderHealth, TheLeaderIsOnlineAndSoAreThoseThatFollow) {
  Established server;
  HearAll(server, 2);
  EXPECT_EQ(server.raft().health(kSelf), Health::kOnline);
  EXPECT_EQ(server.raft().health(kSecond), Health::kOnline);
  EXPECT_EQ(server.raft().health(kThird), Health::kOnline);
  EXPECT_EQ(server.raft().health(kFourth), std::nullopt);
}

TEST(LeaderHealth, ADeadMemberIsNot) {
  Established server;
  HearAll(server, 2);
  server.HearOnly({kSecond});
  EXPECT_EQ(server.raft().health(kSecond), Health::kOnline);
  EXPECT_EQ(server.raft().health(kThird), Health::kSuspect);
  for (uint64_t i = 1; i < HealthMonitor::kPatience; ++i) {
    server.HearOnly({kSecond});
  }
  EXPECT_EQ(server.raft().health(kThird), Health::kFailed);
}

TEST(LeaderHealth, ALearnerIsAHandshakeUntilItIsHeardAndLoadsUntilItFollows) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.CommitAll();
  HearAll(server, 3);
  EXPECT_EQ(server.raft().health(kFourth), Health::kHandshake);
  server.Receive(kFourth, Refusal(server.raft().current_term().value(), 0, 0, 0));
  HearAll(server, 1);
  EXPECT_EQ(server.raft().health(kFourth), Health::kLoading);
  server.Acknowledge(kFourth, server.raft().last_log_index());
  HearAll(server, 1);
  EXPECT_EQ(server.raft().health(kFourth), Health::kOnline);
}

// --- What followers hear of it ---

TEST(HealthReports, GoToAllMembersWithEachHeartbeat) {
  Established server;
  HearAll(server, 2);
  for (int round = 0; round < 3; ++round) {
    server.Tick(server.config().heartbeat_ticks);
    const Messages messages = server.Round();
    const HealthReport expected{server.raft().current_term(),
                                {{kSecond, Health::kOnline}, {kThird, Health::kOnline}}};
    EXPECT_EQ(Only<HealthReport>(messages, kSecond), expected);
    EXPECT_EQ(Only<HealthReport>(messages, kThird), expected);
  }
}

// It has not heard yet what is committed, so it knows of nobody whether it keeps up.
TEST(HealthReports, ALeaderThatIsNotEstablishedSendsNone) {
  LoneServer server;
  server.BecomeLeader();
  server.Tick(server.config().heartbeat_ticks);
  const Messages messages = server.Round();
  EXPECT_EQ(Of<Heartbeat>(messages).size(), 2U);
  EXPECT_TRUE(Of<HealthReport>(messages).empty());
}

TEST(HealthReports, AFollowerKnowsWhatItsLeaderSays) {
  LoneServer server;
  server.Follow(kSecond, 1);
  EXPECT_EQ(server.raft().health(kSecond), Health::kOnline);
  EXPECT_EQ(server.raft().health(kThird), std::nullopt);
  server.Receive(kSecond,
                 HealthReport{Term(1), {{kSelf, Health::kLoading}, {kThird, Health::kFailed}}});
  EXPECT_EQ(server.raft().health(kSelf), Health::kLoading);
  EXPECT_EQ(server.raft().health(kThird), Health::kFailed);
}

TEST(HealthReports, ThatAreOldAreForgotten) {
  LoneServer server;
  server.Follow(kSecond, 1);
  server.Receive(kSecond, HealthReport{Term(1), {{kThird, Health::kOnline}}});
  for (uint64_t i = 0; i < kElectionTimeout; ++i) {
    EXPECT_EQ(server.raft().health(kThird), Health::kOnline) << i;
    server.Tick();
    server.Follow(kSecond, 1);
  }
  EXPECT_EQ(server.raft().health(kThird), std::nullopt);
}

// The next leader needs a moment to know more than the last one did.
TEST(HealthReports, OfTheLastLeaderCountUntilTheNextOneSpeaks) {
  LoneServer server;
  server.Follow(kSecond, 1);
  server.Receive(kSecond, HealthReport{Term(1), {{kThird, Health::kOnline}}});
  server.Follow(kThird, 2);
  EXPECT_EQ(server.raft().health(kThird), Health::kOnline);
  EXPECT_EQ(server.raft().health(kSecond), std::nullopt);
  server.Receive(kThird, HealthReport{Term(2), {{kSecond, Health::kLoading}}});
  EXPECT_EQ(server.raft().health(kSecond), Health::kLoading);
  server.Receive(kSecond, HealthReport{Term(1), {{kSecond, Health::kOnline}}});
  EXPECT_EQ(server.raft().health(kSecond), Health::kLoading);
}

}  // namespace
}  // namespace quorate::consensus
