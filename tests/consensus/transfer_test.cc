// Leadership transfer (dissertation 3.10).
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

class Established : public LoneServer {
 public:
  Established() {
    BecomeLeader();
    CommitAll();
  }
};

TEST(Transfer, TellsACaughtUpTargetToCampaign) {
  Established server;
  ASSERT_TRUE(server.raft().TransferLeadership(kThird));
  EXPECT_TRUE(server.raft().transferring_leadership());
  Messages messages = server.Round();
  EXPECT_EQ(Of<TimeoutNow>(messages, kThird).size(), 1U);
  EXPECT_TRUE(Of<TimeoutNow>(messages, kSecond).empty());
  EXPECT_TRUE(Of<TimeoutNow>(server.Round()).empty());
}

TEST(Transfer, LetsTheTargetCatchUpFirst) {
  Established server;
  Index index = server.Propose("x");
  server.Settle();
  server.raft().TransferLeadership(kThird);
  server.Acknowledge(kSecond, index);
  EXPECT_TRUE(Of<TimeoutNow>(server.Settle()).empty());
  server.Acknowledge(kThird, index);
  EXPECT_EQ(Of<TimeoutNow>(server.Settle(), kThird).size(), 1U);
}

// Or it would never be caught up.
TEST(Transfer, RefusesProposals) {
  Established server;
  server.raft().TransferLeadership(kThird);
  EXPECT_FALSE(server.raft().Propose(Payload()));
}

TEST(Transfer, IsGivenUpAfterAnElectionTimeout) {
  Established server;
  server.raft().TransferLeadership(kThird);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(server.raft().Propose(Payload()));
    server.Tick();
    server.Receive(kSecond, HeartbeatReply{Term(1), 0});
  }
  EXPECT_FALSE(server.raft().transferring_leadership());
  EXPECT_TRUE(server.raft().Propose(Payload()));
}

// TimeoutNow may be lost: it is repeated with the heartbeats.
TEST(Transfer, AsksAgain) {
  Established server;
  server.raft().TransferLeadership(kThird);
  server.Round();
  server.Tick(2);
  EXPECT_EQ(Of<TimeoutNow>(server.Round(), kThird).size(), 1U);
}

TEST(Transfer, EndsWithTheTerm) {
  Established server;
  server.raft().TransferLeadership(kThird);
  server.Settle();
  server.Receive(kThird, RequestVote{Term(2), Index(1), Term(1), false, true});
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kThird), Vote(2));
  EXPECT_FALSE(server.raft().transferring_leadership());
}

TEST(Transfer, IsRefusedWhereItMakesNoSense) {
  LoneServer follower({.term = 1});
  EXPECT_FALSE(follower.raft().TransferLeadership(kSecond));
  EXPECT_FALSE(follower.raft().TransferLeadership());
  Established server;
  EXPECT_FALSE(server.raft().TransferLeadership(kSelf));
  EXPECT_FALSE(server.raft().TransferLeadership(NodeId(9)));
  EXPECT_TRUE(server.raft().TransferLeadership(kSecond));
  EXPECT_FALSE(server.raft().TransferLeadership(kThird));  // one is under way
  LoneServer alone({.voters = 1});
  alone.Tick();
  alone.Settle();
  EXPECT_FALSE(alone.raft().TransferLeadership());
}

TEST(Transfer, ChoosesTheLongestLogOfThoseThatAreHeard) {
  LoneServer server({.voters = 5});
  server.BecomeLeader();
  server.Propose("x");
  server.Settle();
  server.Acknowledge(NodeId(5), Index(2));  // and is not heard again
  server.Tick(5);
  server.Acknowledge(NodeId(2), Index(1));
  server.Acknowledge(NodeId(3), Index(2));
  server.Acknowledge(NodeId(4), Index(1));
  server.Tick(5);
  ASSERT_TRUE(server.raft().TransferLeadership());
  EXPECT_EQ(Of<TimeoutNow>(server.Settle(), NodeId(3)).size(), 1U);
}

TEST(Transfer, ChoosesOneThatIsFit) {
  LoneServer server({.voters = 5});
  server.BecomeLeader();
  server.Settle();
  const auto fit = [&](uint64_t id) { return server.raft().peers()[id - 2].fit; };
  EXPECT_FALSE(fit(2));  // it has said nothing
  server.Acknowledge(NodeId(4), Index(1));
  server.Receive(NodeId(2), HeartbeatReply{Term(1), 0});
  server.Receive(NodeId(3), HeartbeatReply{Term(1), 0});
  server.Receive(NodeId(4), HeartbeatReply{Term(1), 0, true});
  server.Receive(NodeId(3), HeartbeatReply{Term(1), 0, true});
  EXPECT_TRUE(fit(2));
  EXPECT_FALSE(fit(3));
  EXPECT_FALSE(fit(4));
  ASSERT_TRUE(server.raft().TransferLeadership());
  server.Acknowledge(NodeId(2), Index(1));
  EXPECT_EQ(Of<TimeoutNow>(server.Settle(), NodeId(2)).size(), 1U);
}

// --- The target ---

TEST(TransferTarget, SaysWhetherItIsFit) {
  LoneServer server({.term = 3, .log_terms = {3}});
  server.Follow(kSecond, 3);
  for (const bool unfit : {true, false}) {
    server.raft().set_unfit(unfit);
    server.Receive(kSecond, Heartbeat{Term(3), Index(), 4});
    EXPECT_EQ(Only<HeartbeatReply>(server.Settle(), kSecond), (HeartbeatReply{Term(3), 4, unfit}));
  }
}

TEST(TransferTarget, CampaignsAtOnceWithoutAPreVote) {
  LoneServer server({.term = 3, .log_terms = {3}});
  server.Follow(kSecond, 3);
  server.Receive(kSecond, TimeoutNow{Term(3)});
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  EXPECT_EQ(Only<RequestVote>(server.Settle(), kThird),
            (RequestVote{Term(4), Index(1), Term(3), false, true}));
}

TEST(TransferTarget, IgnoresAnEarlierTermsRequest) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.Receive(kThird, TimeoutNow{Term(2)});
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_EQ(server.raft().current_term(), Term(3));
}

// The privilege to disturb is the first attempt's alone.
TEST(TransferTarget, AfterAFailedAttemptIsACandidateLikeAnyOther) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.Receive(kSecond, TimeoutNow{Term(3)});
  server.Settle();
  server.Tick(20);
  EXPECT_EQ(Only<RequestVote>(server.Settle(), kThird), AskPreVote(5, 0, 0));
}

// --- Asked for by a follower ---

TEST(TransferRequested, AFollowerAsksItsLeader) {
  LoneServer server({.term = 3});
  EXPECT_FALSE(server.raft().RequestLeadership());
  server.Follow(kSecond, 3);
  EXPECT_TRUE(server.raft().RequestLeadership());
  EXPECT_EQ(Of<TransferRequest>(server.Round(), kSecond).size(), 1U);
}

TEST(TransferRequested, TheLeaderHandsOver) {
  Established server;
  EXPECT_FALSE(server.raft().RequestLeadership());
  server.Receive(kThird, TransferRequest{Term(1)});
  EXPECT_EQ(Of<TimeoutNow>(server.Round(), kThird).size(), 1U);
}

TEST(TransferRequested, OfAnEarlierTermIsIgnored) {
  LoneServer server({.term = 3});
  server.BecomeLeader();
  server.CommitAll();
  server.Receive(kThird, TransferRequest{Term(3)});
  EXPECT_FALSE(server.raft().transferring_leadership());
}

}  // namespace
}  // namespace quorate::consensus
