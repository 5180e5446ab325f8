// The boxes "State" of figure 2, sentence by sentence.
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// "currentTerm: latest term server has seen (initialized to 0 on first boot, increases
// monotonically)"
TEST(Figure2State, CurrentTerm_IsZeroOnFirstBoot) {
  LoneServer server;
  EXPECT_EQ(server.raft().current_term(), Term(0));
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST(Figure2State, CurrentTerm_IncreasesMonotonically) {
  LoneServer server;
  server.Follow(kSecond, 5);
  server.Receive(kThird, AskVote(3, 9, 9));
  server.Receive(kThird, MakeAppend(4, 0, 0, 0));
  server.Receive(kThird, Vote(2));
  EXPECT_EQ(server.raft().current_term(), Term(5));
}

// "currentTerm", "votedFor": "Persistent state on all servers: updated on stable storage before
// responding to RPCs"
TEST(Figure2State, HardState_IsOnStableStorageBeforeTheAnswer) {
  LoneServer server;
  server.Receive(kSecond, AskVote(1, 0, 0));
  EXPECT_TRUE(server.Round().empty());
  ASSERT_TRUE(server.last_write);
  EXPECT_EQ(server.last_write->hard_state, (HardState{Term(1), kSecond}));
  EXPECT_TRUE(server.Round().empty());
  server.MakeDurable();
  EXPECT_EQ(Only<RequestVoteReply>(server.Round(), kSecond), Vote(1));
}

// "votedFor: candidateId that received vote in current term (or null if none)"
TEST(Figure2State, VotedFor_SurvivesARestart) {
  LoneServer server;
  server.Receive(kSecond, AskVote(1, 0, 0));
  server.Settle();
  server.Restart();
  server.Receive(kThird, AskVote(1, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kThird), Vote(1, false));
  server.Receive(kSecond, AskVote(1, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(1));
}

// A vote that was not durable was not given: nobody has heard of it.
TEST(Figure2State, VotedFor_OfACrashBeforeTheDiskIsFree) {
  LoneServer server;
  server.Receive(kSecond, AskVote(1, 0, 0));
  EXPECT_TRUE(server.Round().empty());
  server.Restart();
  server.Receive(kThird, AskVote(1, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kThird), Vote(1));
}

// "votedFor ... in current term": a server that steps down within a term has still voted in it.
TEST(Figure2State, VotedFor_IsKeptWhenALeaderStepsDownInItsTerm) {
  LoneServer server;
  server.BecomeLeader();
  server.Tick(10);  // nobody answers
  ASSERT_EQ(server.raft().role(), Role::kFollower);
  server.Settle();
  server.Receive(kSecond, AskVote(1, 9, 9));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(1, false));
  EXPECT_EQ(server.disk().hard_state(), (HardState{Term(1), kSelf}));
}

// "log[]: log entries; each entry contains command for state machine, and term when entry was
// received by leader (first index is 1)"
TEST(Figure2State, Log_FirstIndexIsOne) {
  LoneServer server;
  server.BecomeLeader();
  EXPECT_EQ(server.raft().first_log_index(), Index(1));
  EXPECT_EQ(server.raft().last_log_index(), Index(1));
  EXPECT_EQ(server.Propose("x"), Index(2));
  server.Settle();
  EXPECT_EQ(server.disk().TermAt(Index(2)), Term(1));
}

TEST(Figure2State, Log_SurvivesARestart) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1), MakeEntry(2, 1)}));
  server.Settle();
  server.Restart();
  EXPECT_EQ(server.raft().last_log_index(), Index(2));
  EXPECT_EQ(server.raft().durable_index(), Index(2));
}

// "commitIndex: index of highest log entry known to be committed (initialized to 0, increases
// monotonically)"
TEST(Figure2State, CommitIndex_IsZeroAtFirst) {
  EXPECT_EQ(LoneServer({.term = 1, .log_terms = {1, 1}}).raft().commit_index(), Index(0));
}

// What is applied was committed, so a restart need not begin from 0.
TEST(Figure2State, CommitIndex_StartsAtWhatIsApplied) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .last_applied = 2});
  EXPECT_EQ(server.raft().commit_index(), Index(2));
  EXPECT_TRUE(server.Apply().empty());
}

TEST(Figure2State, CommitIndex_IncreasesMonotonically) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeAppend(1, 3, 1, 3));
  EXPECT_EQ(server.raft().commit_index(), Index(3));
  server.Receive(kSecond, MakeAppend(1, 3, 1, 1));
  server.Receive(kSecond, Heartbeat{Term(1), Index(2), 0});
  server.Follow(kThird, 2);
  EXPECT_EQ(server.raft().commit_index(), Index(3));
}

// "nextIndex[]: (initialized to leader last log index + 1)", "matchIndex[]: (initialized to 0,
// ...)",
// "(Reinitialized after election)"
TEST(Figure2State, NextAndMatchIndex_AreInitializedAfterEveryElection) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  for (int election = 0; election < 2; ++election) {
    uint64_t last = server.raft().last_log_index().value();
    Messages messages = server.BecomeLeader();
    for (const PeerStatus& peer : server.raft().peers()) {
      EXPECT_EQ(peer.match_index, Index(0));
      EXPECT_EQ(peer.next_index, Index(last + 1));
      EXPECT_EQ(Only<AppendEntries>(messages, peer.id).prev_log_index, Index(last));
    }
    server.CommitAll();
    EXPECT_EQ(server.raft().peers().front().match_index, server.raft().last_log_index());
    server.Receive(kSecond, Vote(server.raft().current_term().value() + 1, false));
    ASSERT_EQ(server.raft().role(), Role::kFollower);
  }
}

// "matchIndex[]: index of highest log entry known to be replicated on server (..., increases
// monotonically)"
TEST(Figure2State, MatchIndex_IncreasesMonotonically) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.BecomeLeader();
  server.Receive(kSecond, Success(2, 4));
  server.Receive(kSecond, Success(2, 2));
  server.Receive(kSecond, Refusal(2, 3, 1, 1));
  EXPECT_EQ(server.raft().peers().front().match_index, Index(4));
  EXPECT_EQ(server.raft().peers().front().next_index, Index(5));
}

}  // namespace
}  // namespace quorate::consensus
