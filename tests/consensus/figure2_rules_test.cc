// The box "Rules for Servers" of figure 2, sentence by sentence.
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// --- All servers ---

// "If commitIndex > lastApplied: increment lastApplied, apply log[lastApplied] to state machine"
TEST(Figure2AllServers, AppliesWhatIsCommittedOnceAndInOrder) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Receive(kSecond, MakeAppend(1, 2, 1, 3, {MakeEntry(3, 1), MakeEntry(4, 1)}));
  server.Settle();
  EXPECT_EQ(server.Apply(), (std::vector{MakeEntry(1, 1), MakeEntry(2, 1), MakeEntry(3, 1)}));
  EXPECT_TRUE(server.Apply().empty());
  server.Receive(kSecond, MakeAppend(1, 4, 1, 4));
  server.Settle();
  EXPECT_EQ(server.Apply(), (std::vector{MakeEntry(4, 1)}));
}

// What is applied is what the last round knew: the driver has been told of all reads that go before
// it.
TEST(Figure2AllServers, ApplyNothingThatTheLastRoundDidNotKnow) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Receive(kSecond, MakeAppend(1, 2, 1, 2));
  EXPECT_EQ(server.raft().commit_index(), Index(2));
  EXPECT_TRUE(server.Apply().empty());
  server.Round();
  EXPECT_EQ(server.Apply().size(), 2U);
}

// "If RPC request or response contains term T > currentTerm: set currentTerm = T, convert to
// follower"
class HigherTerm : public testing::TestWithParam<Message> {};

TEST_P(HigherTerm, ConvertsALeaderToFollower) {
  LoneServer server;
  server.BecomeLeader();
  server.Receive(kSecond, GetParam());
  EXPECT_EQ(server.raft().current_term(), Term(7));
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST_P(HigherTerm, ConvertsACandidateToFollower) {
  LoneServer server;
  server.Tick(20);
  server.Receive(kSecond, PreVote(1));
  ASSERT_EQ(server.raft().role(), Role::kCandidate);
  server.Receive(kSecond, GetParam());
  EXPECT_EQ(server.raft().current_term(), Term(7));
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST_P(HigherTerm, IsDurableBeforeAnythingIsSentInIt) {
  LoneServer server;
  server.Receive(kSecond, GetParam());
  ASSERT_EQ(server.raft().current_term(), Term(7));
  EXPECT_TRUE(server.Round().empty());
  ASSERT_TRUE(server.last_write);
  EXPECT_EQ(server.last_write->hard_state->current_term, Term(7));
}

INSTANTIATE_TEST_SUITE_P(
    Figure2AllServers, HigherTerm,
    testing::Values(RequestVote{Term(7), Index(0), Term(0), false, true},
                    RequestVoteReply{Term(7), false, false}, RequestVoteReply{Term(7), false, true},
                    MakeAppend(7, 0, 0, 0), Refusal(7, 0, 0, 0), Heartbeat{Term(7), Index(), 0},
                    HeartbeatReply{Term(7), 0}, ReadIndex{Term(7), 1},
                    ReadIndexReply{Term(7), 1, Index()}),
    [](const auto& instance) { return NameOf(instance.param) + std::to_string(instance.index); });

// But for two: a pre-vote asks about a term that nobody has entered, and a granted one names it.
TEST(Figure2AllServers, PreVotesDoNotRaiseTheTerm) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, AskPreVote(7, 0, 0));
  server.Receive(kSecond, PreVote(7));
  EXPECT_EQ(server.raft().current_term(), Term(1));
}

// --- Followers ---

// "Respond to RPCs from candidates and leaders"
TEST(Figure2Followers, RespondToCandidatesAndLeaders) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, AskVote(1, 0, 0));
  EXPECT_EQ(Of<RequestVoteReply>(server.Settle(), kSecond).size(), 1U);
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0));
  EXPECT_EQ(Of<AppendEntriesReply>(server.Settle(), kSecond).size(), 1U);
  server.Receive(kSecond, Heartbeat{Term(1), Index(), 3});
  EXPECT_EQ(Only<HeartbeatReply>(server.Settle(), kSecond), (HeartbeatReply{Term(1), 3}));
}

// "If election timeout elapses without receiving AppendEntries RPC from current leader or granting
// vote to candidate: convert to candidate" (a pre-candidate first; the timeout is drawn from 10 ..
// 19 ticks)
TEST(Figure2Followers, ConvertToCandidateAfterAnElectionTimeout) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, Heartbeat{Term(1), Index(), 0});
  server.Tick(9);
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  server.Tick(10);
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
}

TEST(Figure2Followers, LeaderMessagesPutOffTheElection) {
  LoneServer server({.term = 1});
  for (int i = 0; i < 10; ++i) {
    server.Tick(9);
    server.Receive(kSecond, MakeAppend(1, 0, 0, 0));
    server.Tick(9);
    server.Receive(kSecond, Heartbeat{Term(1), Index(), 0});
  }
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST(Figure2Followers, GrantingAVotePutsOffTheElection) {
  LoneServer server;
  for (uint64_t term = 1; term < 10; ++term) {
    server.Tick(9);
    server.Receive(kSecond, AskVote(term, 0, 0));
    server.Settle();
  }
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

// "from current leader": an earlier one's messages do not count. Nor do votes that are refused,
// pre-votes, or a term that is merely heard of.
TEST(Figure2Followers, NothingElsePutsOffTheElection) {
  LoneServer server({.term = 5, .log_terms = {5}});
  for (uint64_t i = 0; i < 19 && server.raft().role() == Role::kFollower; ++i) {
    server.Receive(kSecond, MakeAppend(4, 0, 0, 0));
    server.Receive(kSecond, Heartbeat{Term(4), Index(), 0});
    server.Receive(kSecond, AskVote(6 + i, 0, 0));
    server.Receive(kSecond, AskPreVote(7 + i, 1, 5));
    server.Settle();
    ASSERT_FALSE(server.raft().leader());
    server.Tick();
  }
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
}

// --- Candidates ---

// "On conversion to candidate, start election: Increment currentTerm; Vote for self; Reset election
// timer; Send RequestVote RPCs to all other servers"
TEST(Figure2Candidates, StartAnElection) {
  LoneServer server({.term = 4});
  server.Tick(20);
  server.Settle();
  server.Receive(kThird, PreVote(5));
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  EXPECT_EQ(server.raft().current_term(), Term(5));
  EXPECT_TRUE(server.Round().empty());  // not before the vote for itself is durable
  EXPECT_EQ(server.last_write->hard_state, (HardState{Term(5), kSelf}));
  server.MakeDurable();
  Messages messages = server.Round();
  EXPECT_EQ(Of<RequestVote>(messages, kSecond), std::vector{AskVote(5, 0, 0)});
  EXPECT_EQ(Of<RequestVote>(messages, kThird), std::vector{AskVote(5, 0, 0)});
  server.Tick(9);
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
}

// "If votes received from majority of servers: become leader"
TEST(Figure2Candidates, BecomeLeaderWithTheVotesOfAMajority) {
  for (size_t voters : {2, 3, 4, 5}) {
    LoneServer server({.voters = voters, .term = 1, .log_terms = {1}});
    server.Tick(20);
    server.Settle();
    size_t needed = voters / 2;  // besides its own
    for (size_t i = 0; i < needed; ++i) {
      ASSERT_EQ(server.raft().role(), Role::kPreCandidate);
      server.Receive(NodeId(2 + i), PreVote(2));
    }
    ASSERT_EQ(server.raft().role(), Role::kCandidate);
    server.Settle();
    for (size_t i = 0; i < needed; ++i) {
      ASSERT_EQ(server.raft().role(), Role::kCandidate) << voters;
      server.Receive(NodeId(2 + i), Vote(2));
      server.Receive(NodeId(2), Vote(2));  // the same again counts once
    }
    EXPECT_EQ(server.raft().role(), Role::kLeader) << voters;
  }
}

// Its own vote counts as any other: once it is durable.
TEST(Figure2Candidates, AServerAloneWaitsForItsOwnVote) {
  LoneServer server({.voters = 1});
  server.Tick();
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  server.Round();
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  server.MakeDurable();
  EXPECT_EQ(server.raft().role(), Role::kLeader);
}

TEST(Figure2Candidates, VotesOfAnotherTermDoNotCount) {
  LoneServer server({.term = 4});
  server.Tick(20);
  server.Receive(kSecond, PreVote(5));
  server.Settle();
  server.Receive(kSecond, Vote(4));
  server.Receive(kThird, Vote(5, false));
  server.Receive(kThird, PreVote(5));
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
}

// "If AppendEntries RPC received from new leader: convert to follower"
TEST(Figure2Candidates, ConvertToFollowerWhenANewLeaderAppends) {
  LoneServer server;
  server.Tick(20);
  server.Receive(kSecond, PreVote(1));
  ASSERT_EQ(server.raft().role(), Role::kCandidate);
  server.Receive(kThird, MakeAppend(1, 0, 0, 0));
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_EQ(server.raft().leader(), kThird);
}

// "If election timeout elapses: start new election"
TEST(Figure2Candidates, StartANewElectionAfterATimeout) {
  LoneServer server;
  server.Tick(20);
  server.Receive(kSecond, PreVote(1));
  server.Settle();
  ASSERT_EQ(server.raft().role(), Role::kCandidate);
  server.Tick(20);
  Messages messages = server.Settle();
  EXPECT_EQ(Only<RequestVote>(messages, kSecond), AskPreVote(2, 0, 0));
  server.Receive(kSecond, PreVote(2));
  EXPECT_EQ(server.raft().current_term(), Term(2));
}

// --- Leaders ---

// "Upon election: send initial empty AppendEntries RPCs (heartbeat) to each server; repeat during
// idle periods to prevent election timeouts". The first is not empty: it holds the no-op.
TEST(Figure2Leaders, AppendAtOnceAndSendHeartbeatsWhileIdle) {
  LoneServer server;
  Messages messages = server.BecomeLeader();
  for (NodeId peer : {kSecond, kThird}) {
    AppendEntries append = Only<AppendEntries>(messages, peer);
    EXPECT_EQ(append.prev_log_index, Index(0));
    ASSERT_EQ(append.entries.size(), 1U);
    EXPECT_EQ(append.entries[0].kind, EntryKind::kNoop);
  }
  server.CommitAll();
  for (int i = 0; i < 5; ++i) {
    server.Tick();
    EXPECT_TRUE(server.Round().empty());
    server.Tick();
    messages = server.Round();
    EXPECT_EQ(Of<Heartbeat>(messages).size() + Of<HealthReport>(messages).size(), messages.size());
    EXPECT_EQ(Only<Heartbeat>(messages, kSecond).term, Term(1));
    EXPECT_EQ(Only<Heartbeat>(messages, kThird).term, Term(1));
    server.Receive(kSecond, HeartbeatReply{Term(1), 0, false, Index(1)});
  }
}

// "If command received from client: append entry to local log, respond after entry applied to state
// machine": it may be applied once it is committed.
TEST(Figure2Leaders, AppendACommandAndApplyItWhenCommitted) {
  LoneServer server;
  server.BecomeLeader();
  server.CommitAll();
  server.Apply();
  Index index = server.Propose("command");
  server.Settle();
  EXPECT_TRUE(server.Apply().empty());
  server.Acknowledge(kThird, index);
  server.Round();
  EXPECT_EQ(server.Apply(), std::vector{MakeEntry(index.value(), 1, "command")});
}

TEST(Figure2Leaders, OnlyLeadersTakeCommands) {
  LoneServer server({.term = 1});
  EXPECT_FALSE(server.raft().Propose(Payload()));
  server.Follow(kSecond, 1);
  EXPECT_FALSE(server.raft().Propose(Payload()));
  server.Tick(20);
  EXPECT_FALSE(server.raft().Propose(Payload()));
  EXPECT_EQ(server.raft().last_log_index(), Index(0));
}

// "If last log index >= nextIndex for a follower: send AppendEntries RPC with log entries starting
// at nextIndex"
TEST(Figure2Leaders, SendEntriesFromNextIndex) {
  LoneServer server;
  server.BecomeLeader();
  server.CommitAll();
  server.Propose("a");
  server.Propose("b");
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond),
            server.WithChain(MakeAppend(1, 1, 1, 1, {MakeEntry(2, 1, "a"), MakeEntry(3, 1, "b")})));
  server.Propose("c");
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond),
            server.WithChain(MakeAppend(1, 3, 1, 1, {MakeEntry(4, 1, "c")})));
}

// "If successful: update nextIndex and matchIndex for follower"
TEST(Figure2Leaders, UpdateNextAndMatchIndexOnSuccess) {
  LoneServer server;
  server.BecomeLeader();
  server.Propose("a");
  server.Propose("b");
  server.Settle();
  server.Receive(kThird, Success(1, 2));
  server.Settle();
  EXPECT_EQ(server.raft().peers()[1].match_index, Index(2));
  EXPECT_EQ(server.raft().peers()[1].next_index, Index(4));
  EXPECT_EQ(server.raft().peers()[0].match_index, Index(0));
}

// "If AppendEntries fails because of log inconsistency: decrement nextIndex and retry"
TEST(Figure2Leaders, DecrementNextIndexAndRetryOnInconsistency) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.BecomeLeader();
  server.Receive(kSecond, Refusal(2, 3, 1, 1));
  AppendEntries retry = Only<AppendEntries>(server.Round(), kSecond);
  EXPECT_EQ(retry.prev_log_index, Index(1));
  ASSERT_FALSE(retry.entries.empty());
  EXPECT_EQ(retry.entries.front(), MakeEntry(2, 1));
}

// "If there exists an N such that N > commitIndex, a majority of matchIndex[i] >= N, and
// log[N].term == currentTerm: set commitIndex = N"
TEST(Figure2Leaders, CommitWhatAMajorityMatches) {
  LoneServer server({.voters = 5});
  server.BecomeLeader();
  Index index = server.Propose("a");
  server.Settle();
  server.Acknowledge(NodeId(2), index);
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), Index(0));
  server.Acknowledge(NodeId(3), Index(1));
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), Index(1));
  server.Acknowledge(NodeId(4), index);
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), index);
}

TEST(Figure2Leaders, AMajorityOfFourIsThree) {
  LoneServer server({.voters = 4});
  server.BecomeLeader();
  server.Acknowledge(NodeId(2), Index(1));
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), Index(0));
  server.Acknowledge(NodeId(3), Index(1));
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), Index(1));
}

// "log[N].term == currentTerm" (figure 8): entries of an earlier term are on a majority, and not
// committed until one of this term is.
TEST(Figure2Leaders, DoNotCommitEntriesOfEarlierTermsByCounting) {
  LoneServer server({.term = 2, .log_terms = {1, 2, 2}});
  server.BecomeLeader();
  server.Acknowledge(kSecond, Index(3));
  server.Acknowledge(kThird, Index(3));
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), Index(0));
  server.Acknowledge(kSecond, Index(4));
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), Index(4));
}

}  // namespace
}  // namespace quorate::consensus
