// Two leaders in one term: somebody has voted twice, because its disk has forgotten the first vote
// or there are two of it. Whoever notices says so, and listens to one of them only.
#include <optional>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

RivalLeaders Rivals(uint64_t term, NodeId first, NodeId second) {
  return {Term(term), first, second};
}

TEST(RivalLeader, IsNotListenedTo) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Follow(kSecond, 2);
  server.Receive(kSecond, MakeAppend(2, 2, 1, 2));
  server.Settle();
  server.Receive(kThird, MakeAppend(2, 2, 1, 3, {MakeEntry(3, 2)}));
  server.Receive(kThird, Heartbeat{Term(2), Index(2), 1});
  server.Receive(kThird, InstallSnapshot{Term(2), 1, Index(9), Term(2), 0, true, Payload("x")});
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().leader(), kSecond);
  EXPECT_EQ(server.raft().last_log_index(), Index(2));
  EXPECT_TRUE(server.snapshot_messages.empty());
  EXPECT_EQ(server.raft().rival_leaders(), Rivals(2, kSecond, kThird));
}

TEST(RivalLeader, IsNotListenedToByTheLeader) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.BecomeLeader();
  server.Receive(kThird, Heartbeat{Term(2), Index(1), 1});
  EXPECT_TRUE(server.raft().is_leader());
  EXPECT_EQ(server.raft().rival_leaders(), Rivals(2, kSelf, kThird));
}

// The connection has broken, this server stands and asks in vain: the term has its leader for good.
TEST(RivalLeader, IsNotListenedToAfterTheFirstIsGone) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Follow(kSecond, 2);
  server.raft().PeerGone(kSecond);
  server.Tick(20);
  ASSERT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(kThird, Heartbeat{Term(2), Index(), 1});
  EXPECT_FALSE(server.raft().leader());
  EXPECT_EQ(server.raft().rival_leaders(), Rivals(2, kSecond, kThird));
  server.Receive(kSecond, Heartbeat{Term(2), Index(), 1});
  EXPECT_EQ(server.raft().leader(), kSecond);
}

TEST(RivalLeader, IsNotListenedToByAFormerLeader) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.BecomeLeader();
  server.Tick(100);  // hears nobody
  ASSERT_FALSE(server.raft().is_leader());
  server.Receive(kThird, Heartbeat{Term(2), Index(1), 1});
  EXPECT_FALSE(server.raft().leader());
  EXPECT_EQ(server.raft().rival_leaders(), Rivals(2, kSelf, kThird));
}

TEST(RivalLeader, IsNobodyInTheNextTerm) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Follow(kSecond, 2);
  server.Follow(kThird, 3);
  EXPECT_EQ(server.raft().leader(), kThird);
  EXPECT_EQ(server.raft().rival_leaders(), std::nullopt);
}

TEST(RivalLeader, IsReportedOnce) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Follow(kSecond, 2);
  server.raft().TakeEffects();
  for (const bool found : {true, false, false}) {
    server.raft().Receive(kThird, Heartbeat{Term(2), Index(), 1});
    EXPECT_EQ(server.raft().TakeEffects().rivals_found, found);
  }
}

}  // namespace
}  // namespace quorate::consensus
