// Elections beyond figure 2: pre-vote (dissertation 9.6), check-quorum and stickiness (4.2.3, 6.2),
// how a cluster that holds both still frees itself, disks that stall, and processes that end.
#include <set>

#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// --- Pre-vote ---

TEST(PreVote, ChangesNothingOnEitherSide) {
  LoneServer server({.term = 3, .voted_for = 2, .log_terms = {3}});
  server.Tick(20);
  Messages messages = server.Settle();
  EXPECT_EQ(Only<RequestVote>(messages, kSecond), AskPreVote(4, 1, 3));
  EXPECT_EQ(Only<RequestVote>(messages, kThird), AskPreVote(4, 1, 3));
  server.Receive(kSecond, AskPreVote(4, 2, 3));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(4));
  EXPECT_EQ(server.disk().hard_state(), (HardState{Term(3), NodeId(2)}));
  EXPECT_FALSE(server.last_write);
}

// Cut off, it asks and asks, and its term stays: it cannot depose anybody when it comes back.
TEST(PreVote, KeepsAPartitionedServersTerm) {
  LoneServer server({.term = 3});
  for (int i = 0; i < 20; ++i) {
    server.Tick(20);
    server.Settle();
  }
  EXPECT_EQ(server.raft().current_term(), Term(3));
}

TEST(PreVote, IsRefusedToAShorterLog) {
  LoneServer server({.term = 3, .log_terms = {3, 3}});
  server.Receive(kSecond, AskPreVote(4, 1, 3));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(3, false));
}

// A pre-vote for the term that this server is in obeys the vote that it gave there.
TEST(PreVote, ForTheCurrentTermObeysTheVote) {
  LoneServer server({.term = 4, .voted_for = 3});
  server.Receive(kSecond, AskPreVote(4, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(4, false));
  server.Receive(kThird, AskPreVote(4, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kThird), PreVote(4));
}

// Figure 2, rules for followers: one that grants a vote gives the candidate the time to be elected.
// After a start it would stand itself within 9 ticks at the most.
TEST(Election, GrantingAVotePutsTheOwnCandidacyOff) {
  LoneServer server({.term = 3, .log_terms = {3}});
  server.Tick(3);
  server.Receive(kSecond, AskVote(4, 1, 3));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(4));
  server.Tick(server.config().election_timeout_ticks - 1);
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST(PreVote, RepliesOfAnotherAttemptDoNotCount) {
  LoneServer server({.term = 3});
  server.Tick(20);
  server.Settle();
  server.Receive(kSecond, PreVote(3));
  server.Receive(kSecond, PreVote(5));
  server.Receive(kSecond, PreVote(3, false));
  server.Receive(kSecond, Vote(3));
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(kThird, PreVote(4));
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
}

// Two that stand in the same tick with equal logs: the higher id goes on, and asks the other once
// more in case its first request came too early.
TEST(PreVote, OfTwoAtOnceTheHigherIdGoesOn) {
  LoneServer server({.voters = 3, .term = 3});
  server.Tick(20);
  server.Settle();
  server.Receive(kSecond, AskPreVote(4, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(4));
}

TEST(PreVote, OfTwoAtOnceTheLowerIdIsAskedAgain) {
  LoneServer server({.term = 3, .self = kThird});
  server.Tick(20);
  server.Settle();
  server.Receive(kSecond, AskPreVote(4, 0, 0));
  const Messages messages = server.Settle();
  EXPECT_EQ(Only<RequestVoteReply>(messages, kSecond), PreVote(3, false));
  EXPECT_EQ(Only<RequestVote>(messages, kSecond), AskPreVote(4, 0, 0));
  // With a longer log, the lower id is in the right.
  server.Receive(kSecond, AskPreVote(4, 1, 3));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(4));
}

// --- Stickiness ---

TEST(Stickiness, VoteRequestsAreIgnoredWhileALeaderIsHeard) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.Tick(9);
  server.Receive(kThird, AskVote(9, 9, 9));
  server.Receive(kThird, AskPreVote(9, 9, 9));
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().current_term(), Term(3));
  EXPECT_EQ(server.raft().leader(), kSecond);
}

TEST(Stickiness, EndsAnElectionTimeoutAfterTheLeadersLastMessage) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.Tick(10);
  server.Receive(kThird, AskVote(9, 9, 9));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kThird), Vote(9));
}

TEST(Stickiness, ALeaderIgnoresVoteRequestsToo) {
  LoneServer server;
  server.BecomeLeader();
  server.Receive(kThird, AskVote(9, 9, 9));
  server.Receive(kThird, AskPreVote(9, 9, 9));
  EXPECT_EQ(server.raft().role(), Role::kLeader);
  EXPECT_TRUE(Of<RequestVoteReply>(server.Settle()).empty());
}

TEST(Stickiness, DoesNotHinderALeadershipTransfer) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.Receive(kThird, RequestVote{Term(4), Index(0), Term(0), false, true});
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kThird), Vote(4));
}

// --- Check-quorum ---

TEST(CheckQuorum, ALeaderThatHearsNoMajorityStepsDown) {
  LoneServer server({.voters = 5});
  server.BecomeLeader();
  for (int i = 0; i < 5; ++i) {
    server.Tick(2);
    server.Receive(NodeId(2), HeartbeatReply{Term(1), 0});
  }
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_EQ(server.raft().current_term(), Term(1));
  EXPECT_FALSE(server.raft().leader());
}

TEST(CheckQuorum, ALeaderThatHearsAMajorityStays) {
  LoneServer server({.voters = 5});
  server.BecomeLeader();
  for (int i = 0; i < 10; ++i) {
    server.Tick(5);
    server.Receive(NodeId(2), HeartbeatReply{Term(1), 0});
    server.Tick(4);
    server.Receive(NodeId(3), Success(1, 0));
  }
  EXPECT_EQ(server.raft().role(), Role::kLeader);
}

// Answers of an earlier term say nothing about this one.
TEST(CheckQuorum, RepliesOfAnEarlierTermDoNotCount) {
  LoneServer server({.term = 3});
  server.BecomeLeader();
  for (int i = 0; i < 10; ++i) {
    server.Tick();
    server.Receive(kSecond, HeartbeatReply{Term(3), 0});
    server.Receive(kThird, Success(3, 1));
  }
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

// --- How a cluster frees itself in spite of pre-vote and stickiness ---

// A server whose term is ahead, and that nobody votes for: the leader it refuses learns the term
// from the refusal and steps down; the next election is in a term that all can join.
TEST(Deadlock, AStaleLeadersAppendsAreAnsweredWithTheTerm) {
  LoneServer server({.term = 5});
  server.Receive(kSecond, MakeAppend(4, 0, 0, 0));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond).term, Term(5));
  server.Receive(kSecond, Heartbeat{Term(4), Index(), 9});
  EXPECT_EQ(Only<HeartbeatReply>(server.Settle(), kSecond).term, Term(5));
}

// A server whose term is behind, and whose log is the only one that is long enough: it learns the
// term from the refusal of its pre-vote.
TEST(Deadlock, AStalePreVoteIsAnsweredWithTheTerm) {
  LoneServer server({.term = 5});
  server.Receive(kSecond, AskPreVote(4, 9, 3));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(5, false));
  // Even while a leader is heard.
  server.Follow(kThird, 5);
  server.Receive(kSecond, AskPreVote(4, 9, 3));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(5, false));
}

TEST(Deadlock, ARefusedPreVoteBringsTheTermAlong) {
  LoneServer server({.term = 3, .log_terms = {3}});
  server.Tick(20);
  server.Receive(kSecond, PreVote(6, false));
  EXPECT_EQ(server.raft().current_term(), Term(6));
  server.Tick(20);
  EXPECT_EQ(Of<RequestVote>(server.Settle(), kSecond).back(), AskPreVote(7, 1, 3));
}

// --- Timers ---

// "Raft uses randomized election timeouts": they differ from attempt to attempt and from server to
// server.
TEST(ElectionTimer, IsDrawnAnewForEachAttempt) {
  LoneServer server;
  server.Receive(kSecond, Heartbeat{Term(1), Index(), 0});
  std::set<int> waits;
  for (int attempt = 0; attempt < 30; ++attempt) {
    int ticks = 0;
    while (Of<RequestVote>(server.Settle()).empty()) {
      server.Tick();
      ++ticks;
    }
    EXPECT_GE(ticks, 10);
    EXPECT_LT(ticks, 20);
    waits.insert(ticks);
  }
  EXPECT_GT(waits.size(), 4U);
}

// All may have been started at once: nobody waits as for a leader that is only late.
TEST(ElectionTimer, IsShorterAfterAStart) {
  std::set<int> waits;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Config config = Given::Defaults();
    config.seed = seed;
    config.heartbeat_ticks = 2;
    LoneServer server({.config = config});
    int ticks = 0;
    while (server.raft().role() == Role::kFollower) {
      server.Tick();
      ++ticks;
    }
    EXPECT_GE(ticks, 4) << "a living leader has had the time for two heartbeats";
    EXPECT_LT(ticks, 9);
    waits.insert(ticks);
  }
  EXPECT_EQ(waits.size(), 5U);
}

TEST(ElectionTimer, DiffersBetweenServersWithOneSeed) {
  std::set<std::vector<int>> all;
  for (uint64_t id = 1; id <= 5; ++id) {
    Config config = Given::Defaults();
    config.id = NodeId(id);
    MemoryDisk disk;
    disk.SetConfiguration(MakeConfiguration({1, 2, 3, 4, 5}));
    Raft raft(config, disk.Recover(Index()), disk);
    std::vector<int> waits;
    for (int ticks = 0; waits.size() < 5; ++ticks) {
      raft.Tick();
      if (!raft.TakeEffects().messages.empty()) {
        waits.push_back(ticks);
      }
    }
    all.insert(waits);
  }
  EXPECT_EQ(all.size(), 5U);
}

TEST(ElectionTimer, OneSeedGivesOneHistory) {
  LoneServer one;
  LoneServer other;
  for (int i = 0; i < 200; ++i) {
    one.Tick();
    other.Tick();
    ASSERT_EQ(one.Round().size(), other.Round().size());
  }
}

TEST(SingleServer, LeadsAfterItsFirstTickAndWrite) {
  LoneServer server({.voters = 1, .term = 4, .log_terms = {4, 4}});
  server.Tick();
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().role(), Role::kLeader);
  EXPECT_EQ(server.raft().current_term(), Term(5));
  EXPECT_TRUE(server.raft().leader_is_established());
  EXPECT_EQ(server.Apply().size(), 3U);
}

TEST(SingleServer, CommitsOnlyWhatIsDurable) {
  LoneServer server({.voters = 1});
  server.Tick();
  server.Settle();
  Index index = server.Propose("x");
  server.Round();
  server.Round();
  EXPECT_LT(server.raft().commit_index(), index);
  server.MakeDurable();
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), index);
}

// --- Restarts ---

TEST(Restart, ALeaderComesBackAsAFollowerInItsTerm) {
  LoneServer server;
  server.BecomeLeader();
  server.CommitAll();
  server.Restart();
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_EQ(server.raft().current_term(), Term(1));
  EXPECT_FALSE(server.raft().leader());
  EXPECT_TRUE(server.Settle().empty());
}

// --- A process that has ended ---

TEST(PeerGone, OfTheLeaderStartsAPreVoteWithinAFewTicks) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.raft().PeerGone(kSecond);
  EXPECT_FALSE(server.raft().leader());
  server.Round();
  EXPECT_TRUE(server.leadership_changed);
  server.Tick(4);
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
}

TEST(PeerGone, EndsTheLeadersClaimAtOnce) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.raft().PeerGone(kSecond);
  server.Receive(kThird, AskPreVote(4, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kThird), PreVote(4));
}

TEST(PeerGone, OfAnotherFollowerChangesNothing) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.raft().PeerGone(kThird);
  EXPECT_EQ(server.raft().leader(), kSecond);
  server.Tick(9);
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

// It was only the connection: the leader speaks again and is followed again.
TEST(PeerGone, ALeaderThatSpeaksAgainIsFollowed) {
  LoneServer server({.term = 3});
  server.Follow(kSecond, 3);
  server.raft().PeerGone(kSecond);
  server.Follow(kSecond, 3);
  server.Tick(9);
  EXPECT_EQ(server.raft().leader(), kSecond);
}

// --- A disk that stalls ---

TEST(DiskStall, ALeaderStepsDown) {
  LoneServer server;
  server.BecomeLeader();
  server.CommitAll();
  server.Propose("x");
  server.Round();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(server.raft().role(), Role::kLeader) << i;
    server.Tick();
    server.Receive(kSecond, HeartbeatReply{Term(1), 0});
  }
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST(DiskStall, AServerAloneHasNobodyToStepDownFor) {
  LoneServer server({.voters = 1});
  server.Tick();
  server.Settle();
  server.Propose("x");
  server.Round();
  server.Tick(50);
  EXPECT_EQ(server.raft().role(), Role::kLeader);
}

TEST(DiskStall, NoElectionIsStoodForUntilTheDiskIsBack) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1)}));
  server.Round();
  server.Tick(20);
  server.Receive(kSecond, Heartbeat{Term(1), Index(), 0});
  server.Round();
  server.Tick(50);
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_FALSE(server.raft().leader());  // nor is the one of old still believed in
  server.Receive(kSecond, TimeoutNow{Term(1)});
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  server.MakeDurable();
  server.Tick();
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
}

// It could not give the vote that the pre-vote promises.
TEST(DiskStall, NoPreVoteIsGranted) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1)}));
  server.Round();
  server.Tick(20);
  server.Receive(kThird, AskPreVote(2, 9, 1));
  EXPECT_EQ(Only<RequestVoteReply>(server.Round(), kThird), PreVote(1, false));
  server.MakeDurable();
  server.Receive(kThird, AskPreVote(2, 9, 1));
  EXPECT_EQ(Only<RequestVoteReply>(server.Round(), kThird), PreVote(2));
}

}  // namespace
}  // namespace quorate::consensus
