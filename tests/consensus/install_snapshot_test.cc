// When a follower needs a snapshot, and whose parts of one are let through (section 7).
#include <variant>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// A leader whose log begins behind entry 3.
class Trimmed : public LoneServer {
 public:
  Trimmed() : LoneServer({.term = 1, .log_terms = {1, 1, 1, 1}, .base = 3, .last_applied = 3}) {
    BecomeLeader();
    Receive(kSecond, Refusal(2, 4, 0, 0));
    Round();
  }
};

InstallSnapshot Part(uint64_t term, uint64_t last_index) {
  return {Term(term), 7, Index(last_index), Term(1), 0, true, Payload("rows")};
}

TEST(NeedsSnapshot, IsSaidOnceAndAgainAfterAnElectionTimeout) {
  Trimmed server;
  EXPECT_EQ(server.needs_snapshot, std::vector{kSecond});
  server.Tick();
  server.Round();
  EXPECT_TRUE(server.needs_snapshot.empty());
  Messages messages;
  for (int i = 0; i < 9; ++i) {
    server.Tick();
    server.Receive(kThird, HeartbeatReply{Term(2), 0});
    messages = server.Round();
  }
  // It may have got on by itself: is the entry before the log's first there by now?
  EXPECT_EQ(Only<AppendEntries>(messages, kSecond), server.WithChain(MakeAppend(2, 3, 1, 3)));
  server.Receive(kSecond, Refusal(2, 3, 0, 0));
  server.Round();
  EXPECT_EQ(server.needs_snapshot, std::vector{kSecond});
}

TEST(NeedsSnapshot, EndsWhenTheFollowerHasOne) {
  Trimmed server;
  server.raft().SnapshotSent(kSecond);
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond), server.WithChain(MakeAppend(2, 3, 1, 3)));
  server.Receive(kSecond, Success(2, 3));
  AppendEntries append = Only<AppendEntries>(server.Round(), kSecond);
  EXPECT_EQ(append.prev_log_index, Index(3));
  EXPECT_EQ(append.entries.front().index, Index(4));
  EXPECT_TRUE(server.needs_snapshot.empty());
}

TEST(NeedsSnapshot, IsLookedAtAnewAfterADisconnection) {
  Trimmed server;
  server.raft().PeerGone(kSecond);
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond), server.WithChain(MakeAppend(2, 3, 1, 3)));
}

TEST(InstallSnapshotGate, PartsOfTheLeaderReachTheDriver) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, Part(3, 9));
  server.Settle();
  EXPECT_EQ(server.raft().current_term(), Term(3));
  EXPECT_EQ(server.raft().leader(), kSecond);
  server.Receive(kSecond, Part(3, 9));
  server.Round();
  ASSERT_EQ(server.snapshot_messages.size(), 1U);
  EXPECT_EQ(server.snapshot_messages[0].from, kSecond);
  EXPECT_EQ(std::get<InstallSnapshot>(server.snapshot_messages[0].part), Part(3, 9));
  server.raft().SendSnapshotPart(kSecond, InstallSnapshotReply{Term(), 7, 1, false, false});
  EXPECT_EQ(Only<InstallSnapshotReply>(server.Round(), kSecond),
            (InstallSnapshotReply{Term(3), 7, 1, false, false}));
}

// It keeps the followers from standing, as any message of the leader does.
TEST(InstallSnapshotGate, PutsOffAnElection) {
  LoneServer server({.term = 3, .log_terms = {1}});
  for (int i = 0; i < 10; ++i) {
    server.Receive(kSecond, Part(3, 9));
    server.Tick(9);
  }
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST(InstallSnapshotGate, APartOfAnEarlierTermIsRefusedWithTheTerm) {
  LoneServer server({.term = 4});
  server.Receive(kSecond, Part(3, 9));
  EXPECT_EQ(Only<InstallSnapshotReply>(server.Settle(), kSecond),
            (InstallSnapshotReply{Term(4), 7, 0, false, false}));
  EXPECT_TRUE(server.snapshot_messages.empty());
  EXPECT_FALSE(server.raft().leader());
}

// Going back behind what is committed here would undo it.
TEST(InstallSnapshotGate, WhatIsCommittedNeedsNoSnapshot) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeAppend(1, 3, 1, 2));
  server.Settle();
  server.Receive(kSecond, Part(1, 2));
  EXPECT_EQ(Only<InstallSnapshotReply>(server.Settle(), kSecond),
            (InstallSnapshotReply{Term(1), 7, 0, true, false}));
  EXPECT_TRUE(server.snapshot_messages.empty());
  server.Receive(kSecond, Part(1, 3));
  server.Settle();
  LoneServer other({.term = 1, .log_terms = {1, 1, 1}});
  other.Receive(kSecond, Part(1, 3));
  other.Round();
  EXPECT_EQ(other.snapshot_messages.size(), 1U);
}

TEST(InstallSnapshotGate, RepliesOfMembersInThisTermReachTheDriver) {
  LoneServer server;
  server.BecomeLeader();
  server.Receive(kSecond, InstallSnapshotReply{Term(1), 7, 3, false, false});
  server.Receive(NodeId(9), InstallSnapshotReply{Term(1), 7, 3, false, false});
  server.Round();
  ASSERT_EQ(server.snapshot_messages.size(), 1U);
  EXPECT_EQ(server.snapshot_messages[0].from, kSecond);
  server.raft().SendSnapshotPart(kSecond, Part(0, 3));
  EXPECT_EQ(Only<InstallSnapshot>(server.Round(), kSecond), Part(1, 3));
  server.Receive(kSecond, InstallSnapshotReply{Term(5), 7, 3, false, false});
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  server.Settle();
  EXPECT_TRUE(server.snapshot_messages.empty());
  server.raft().SendSnapshotPart(kSecond, Part(0, 3));
  EXPECT_TRUE(Of<InstallSnapshot>(server.Settle()).empty());
}

}  // namespace
}  // namespace quorate::consensus
