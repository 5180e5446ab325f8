// Linearizable reads (dissertation 6.4): the index is the commit index when the read came, proven
// by a round of heartbeats that began after it came, or by the commit of what was proposed after
// it.
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

constexpr ReadToken kRead{100};
constexpr ReadToken kLaterRead{101};

HeartbeatReply Answer(uint64_t term, uint64_t round) { return {Term(term), round}; }

// A leader in term 1 whose no-op, entry 1, is committed everywhere.
class Established : public LoneServer {
 public:
  explicit Established(size_t voters = 3) : Established(Given{.voters = voters}) {}
  explicit Established(const Given& given) : LoneServer(given) {
    BecomeLeader();
    CommitAll();
    Apply();
  }
};

using Reads = std::vector<ReadState>;

// --- On the leader ---

TEST(LeaderRead, IsProvenByAMajorityOfOneRound) {
  Established server(5);
  ASSERT_TRUE(server.raft().RequestRead(kRead));
  Messages messages = server.Round();
  EXPECT_EQ(Of<Heartbeat>(messages).size(), 4U);
  EXPECT_EQ(Only<Heartbeat>(messages, kSecond).read_round, 1U);
  server.Receive(NodeId(2), Answer(1, 1));
  server.Receive(NodeId(2), Answer(1, 1));
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  server.Receive(NodeId(5), Answer(1, 1));
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(1)}}));
  server.Round();
  EXPECT_EQ(server.reads.size(), 1U);
}

TEST(LeaderRead, DoesNotGrowTheLog) {
  Established server;
  server.raft().RequestRead(kRead);
  server.Round();
  EXPECT_FALSE(server.last_write);
  EXPECT_EQ(server.raft().last_log_index(), Index(1));
}

TEST(LeaderRead, AllOfOneRoundShareItsHeartbeats) {
  Established server;
  for (uint64_t token = 1; token <= 50; ++token) {
    server.raft().RequestRead(ReadToken(token));
  }
  EXPECT_EQ(Of<Heartbeat>(server.Round()).size(), 2U);
  server.Receive(kThird, Answer(1, 1));
  server.Round();
  ASSERT_EQ(server.reads.size(), 50U);
  for (uint64_t token = 1; token <= 50; ++token) {
    EXPECT_EQ(server.reads[token - 1].token, ReadToken(token));  // in the order of the requests
  }
}

// The answer to a round that began before the read came says nothing about it: a new leader may
// have been elected, and may have committed, between the two.
TEST(LeaderRead, IsNotProvenByAnEarlierRound) {
  Established server;
  server.raft().RequestRead(kRead);
  server.Round();
  server.raft().RequestRead(kLaterRead);
  server.Round();
  server.Receive(kSecond, Answer(1, 1));
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(1)}}));
  server.Receive(kSecond, Answer(1, 2));
  server.Round();
  EXPECT_EQ(server.reads.size(), 2U);
}

TEST(LeaderRead, IsProvenByALaterRound) {
  Established server;
  server.raft().RequestRead(kRead);
  server.Round();
  server.raft().RequestRead(kLaterRead);
  server.Round();
  server.Receive(kThird, Answer(1, 2));
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(1)}, {kLaterRead, Index(1)}}));
}

TEST(LeaderRead, IsAskedOfThoseWhoWereTheFirstToAnswer) {
  Established server(5);
  server.raft().RequestRead(kRead);
  server.Round();
  server.Receive(NodeId(2), Answer(1, 1));
  server.Receive(NodeId(5), Answer(1, 1));
  server.Round();
  server.Receive(NodeId(3), Answer(1, 1));
  server.raft().RequestRead(kLaterRead);
  Messages messages = server.Round();
  EXPECT_EQ(Of<Heartbeat>(messages).size(), 2U);
  EXPECT_EQ(Only<Heartbeat>(messages, NodeId(2)).read_round, 2U);
  EXPECT_EQ(Only<Heartbeat>(messages, NodeId(5)).read_round, 2U);
}

TEST(LeaderRead, IsNotAskedOfMoreThanAMajority) {
  Established server;
  server.raft().RequestRead(kRead);
  server.Round();
  server.Receive(kSecond, Answer(1, 1));
  server.Receive(kThird, Answer(1, 1));
  server.Round();
  server.raft().RequestRead(kLaterRead);
  EXPECT_EQ(Of<Heartbeat>(server.Round()).size(), 1U);
}

// A leader whose last read was proven by the third server, and that has asked it alone for the
// next.
class HasAskedTheThird : public Established {
 public:
  HasAskedTheThird() : Established(MakeGiven()) {
    raft().RequestRead(kRead);
    Round();
    Receive(kThird, Answer(1, 1));
    Round();
    raft().RequestRead(kLaterRead);
    Messages messages = Round();
    EXPECT_EQ(Only<Heartbeat>(messages, kThird).read_round, 2U);
    EXPECT_TRUE(Of<Heartbeat>(messages, kSecond).empty());
  }

 private:
  static Given MakeGiven() {
    Given given;
    given.config.heartbeat_ticks = given.config.election_timeout_ticks - 1;  // not in these tests
    return given;
  }
};

TEST(LeaderRead, IsAskedOfAllAfterATickWithoutAnAnswer) {
  HasAskedTheThird server;
  server.Tick();  // it may have come a moment after the question
  EXPECT_TRUE(Of<Heartbeat>(server.Round()).empty());
  server.Tick();
  EXPECT_EQ(Only<Heartbeat>(server.Round(), kSecond).read_round, 2U);
  server.Receive(kSecond, Answer(1, 2));
  server.Round();
  EXPECT_EQ(server.reads.size(), 2U);
  // From now on, the second is asked.
  server.raft().RequestRead(ReadToken(99));
  Messages messages = server.Round();
  EXPECT_EQ(Only<Heartbeat>(messages, kSecond).read_round, 3U);
  EXPECT_TRUE(Of<Heartbeat>(messages, kThird).empty());
}

TEST(LeaderRead, IsAskedOfAllAtOnceWhenWhoWasAskedIsGone) {
  HasAskedTheThird server;
  server.raft().PeerGone(kThird);
  EXPECT_EQ(Only<Heartbeat>(server.Round(), kSecond).read_round, 2U);
  server.Receive(kSecond, Answer(1, 2));
  server.Round();
  EXPECT_EQ(server.reads.size(), 2U);
}

// As soon as the periodic heartbeats find another to be quicker, it is asked.
TEST(LeaderRead, IsAskedOfWhoeverHasBecomeQuicker) {
  HasAskedTheThird server;
  server.Tick(2);
  server.Round();
  server.Receive(kSecond, Answer(1, 2));
  server.Round();
  server.Receive(kThird, Answer(1, 2));
  server.raft().RequestRead(ReadToken(99));
  EXPECT_TRUE(Of<Heartbeat>(server.Round(), kThird).empty());
}

// A round's heartbeats, or the answers, are lost: the next periodic ones carry its number.
TEST(LeaderRead, IsProvenByAPeriodicHeartbeatOfItsRound) {
  Established server;
  server.raft().RequestRead(kRead);
  server.Round();
  server.Tick(2);
  EXPECT_EQ(Only<Heartbeat>(server.Round(), kSecond).read_round, 1U);
}

TEST(LeaderRead, RepliesOfAnotherTermOrOfNoRoundProveNothing) {
  LoneServer server({.term = 4});
  server.BecomeLeader();
  server.CommitAll();
  server.raft().RequestRead(kRead);
  server.Round();
  server.Receive(kSecond, Answer(4, 1));
  server.Receive(kThird, Answer(5, 7));
  server.Receive(kThird, Answer(5, 0));
  server.Round();
  EXPECT_TRUE(server.reads.empty());
}

// The story: this server led in term 1, at round 7. A follower in term 2 refused that heartbeat.
// Elected in term 2, this server hears the refusal, which names term 2. It is no answer to a round
// of term 2.
TEST(LeaderRead, ARefusedTermProvesNothingInTheTermItNames) {
  LoneServer follower({.term = 2});
  follower.Receive(kSecond, Heartbeat{Term(1), Index(), 7});
  HeartbeatReply refusal = Only<HeartbeatReply>(follower.Settle(), kSecond);
  LoneServer server({.term = 1});
  server.BecomeLeader();
  server.CommitAll();
  for (uint64_t token = 1; token <= 8; ++token) {
    server.raft().RequestRead(ReadToken(token));
    server.Round();
  }
  server.Receive(kThird, refusal);
  server.Round();
  EXPECT_TRUE(server.reads.empty());
}

// Section 8 and figure "stale reads after an election": earlier leaders may have committed, and
// answered, more than a new leader knows, so it waits for its no-op.
TEST(LeaderRead, WaitsForTheNoopOfTheTerm) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .last_applied = 1});
  server.BecomeLeader();
  EXPECT_FALSE(server.raft().leader_is_established());
  server.raft().RequestRead(kRead);
  server.Round();
  server.Receive(kSecond, Answer(2, 1));
  server.Receive(kThird, Answer(2, 1));
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  server.Acknowledge(kThird, Index(4));
  server.Round();
  EXPECT_TRUE(server.raft().leader_is_established());
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(4)}}));
}

// The commit of an entry that was proposed after the read came proves it without a heartbeat's
// answer; and the read is reported before the entry can be applied, so that it does not see it.
TEST(LeaderRead, IsProvenByTheCommitOfALaterEntry) {
  Established server;
  Index earlier = server.Propose("earlier");
  server.raft().RequestRead(kRead);
  server.Propose("later");
  server.Settle();
  server.Acknowledge(kSecond, earlier);
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  server.Acknowledge(kSecond, earlier + 1);
  EXPECT_EQ(server.Apply().back().index, earlier);
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(1)}}));
  EXPECT_EQ(server.Apply().back().index, earlier + 1);
}

TEST(LeaderRead, SeesWhatWasCommittedWhenItCame) {
  Established server;
  Index index = server.Propose("x");
  server.Settle();
  server.Acknowledge(kSecond, index);
  server.Round();
  server.raft().RequestRead(kRead);
  server.Round();
  server.Receive(kSecond, Answer(1, 1));
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, index}}));
}

TEST(LeaderRead, OfAServerAloneIsProvenAtOnce) {
  LoneServer server({.voters = 1});
  EXPECT_FALSE(server.raft().RequestRead(kRead));
  server.Tick();
  server.Settle();
  ASSERT_TRUE(server.raft().RequestRead(kRead));
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(1)}}));
}

TEST(LeaderRead, AMajorityOfTwoIsBoth) {
  Established server(2);
  server.raft().RequestRead(kRead);
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  server.Receive(kSecond, Answer(1, 1));
  server.Round();
  EXPECT_EQ(server.reads.size(), 1U);
}

TEST(LeaderRead, IsDroppedWhenLeadershipIsLost) {
  Established server;
  server.raft().RequestRead(kRead);
  server.Round();
  server.raft().RequestRead(kLaterRead);  // not even sent
  server.Receive(kSecond, Heartbeat{Term(2), Index(), 0});
  server.Settle();
  EXPECT_TRUE(server.reads.empty());
  EXPECT_EQ(server.dropped_reads, (std::vector{kRead, kLaterRead}));
}

TEST(LeaderRead, IsDroppedWhenTheMajorityIsGone) {
  Established server;
  server.raft().RequestRead(kRead);
  server.Tick(10);
  server.Settle();
  EXPECT_EQ(server.dropped_reads, std::vector{kRead});
  EXPECT_FALSE(server.raft().RequestRead(kLaterRead));
}

// --- A follower's question, on the leader ---

TEST(FollowersQuestion, IsAnsweredOnceProven) {
  Established server;
  server.Receive(kSecond, ReadIndex{Term(1), 77});
  Messages messages = server.Round();
  EXPECT_TRUE(Of<ReadIndexReply>(messages).empty());
  EXPECT_EQ(Only<Heartbeat>(messages, kThird).read_round, 1U);
  server.Receive(kThird, Answer(1, 1));
  EXPECT_EQ(Only<ReadIndexReply>(server.Round(), kSecond), (ReadIndexReply{Term(1), 77, Index(1)}));
}

// The follower waits until it has applied the index: it learns of the commit in the same moment,
// not with the next periodic heartbeat.
TEST(FollowersQuestion, TheAnswerBringsTheCommitIndex) {
  Established server;
  Index index = server.Propose("x");
  server.Settle();
  server.Acknowledge(kSecond, index);
  server.Round();
  server.Receive(kSecond, ReadIndex{Term(1), 77});
  server.Round();
  server.Receive(kThird, Answer(1, 1));
  Messages messages = server.Round();
  EXPECT_EQ(Only<ReadIndexReply>(messages, kSecond).read_index, index);
  // The round's own heartbeat has brought it.
  EXPECT_TRUE(Of<Heartbeat>(messages, kSecond).empty());
}

// The follower's log was not yet known to match so far when the round began. As soon as it is, it
// hears.
TEST(FollowersQuestion, ALaterMatchBringsTheCommitIndexToo) {
  Established server;
  Index index = server.Propose("x");
  server.Settle();
  server.Acknowledge(kThird, index);
  server.Round();
  server.Receive(kSecond, ReadIndex{Term(1), 77});
  EXPECT_EQ(Only<Heartbeat>(server.Round(), kSecond).leader_commit, Index(1));
  server.Receive(kThird, Answer(1, 1));
  EXPECT_EQ(Only<ReadIndexReply>(server.Round(), kSecond).read_index, index);
  server.Acknowledge(kSecond, index);
  EXPECT_EQ(Only<Heartbeat>(server.Round(), kSecond).leader_commit, index);
  EXPECT_TRUE(server.Round().empty());
}

TEST(FollowersQuestion, IsRefusedByAnyButTheLeader) {
  LoneServer server({.term = 1});
  server.Follow(kThird, 1);
  server.Receive(kSecond, ReadIndex{Term(1), 77});
  EXPECT_EQ(Only<ReadIndexReply>(server.Round(), kSecond), (ReadIndexReply{Term(1), 77, Index(0)}));
}

TEST(FollowersQuestion, OfAnEarlierTermIsRefused) {
  LoneServer server({.term = 4});
  server.BecomeLeader();
  server.CommitAll();
  server.Receive(kSecond, ReadIndex{Term(4), 77});
  EXPECT_EQ(Only<ReadIndexReply>(server.Round(), kSecond), (ReadIndexReply{Term(5), 77, Index(0)}));
}

TEST(FollowersQuestion, IsRefusedWhenLeadershipIsLost) {
  Established server;
  server.Receive(kSecond, ReadIndex{Term(1), 77});
  server.Round();
  server.Receive(kThird, Heartbeat{Term(2), Index(), 0});
  EXPECT_EQ(Only<ReadIndexReply>(server.Settle(), kSecond),
            (ReadIndexReply{Term(2), 77, Index(0)}));
}

// --- On a follower ---

class Following : public LoneServer {
 public:
  Following() : LoneServer({.term = 1, .log_terms = {1, 1}}) { Follow(kSecond, 1); }

  ReadIndex Ask(ReadToken token) {
    EXPECT_TRUE(raft().RequestRead(token));
    return Only<ReadIndex>(Round(), kSecond);
  }
};

TEST(FollowerRead, IsOneQuestionForAllOfARound) {
  Following server;
  server.raft().RequestRead(kRead);
  ReadIndex question = server.Ask(kLaterRead);
  EXPECT_EQ(question.term, Term(1));
  server.Receive(kSecond, ReadIndexReply{Term(1), question.request, Index(9)});
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(9)}, {kLaterRead, Index(9)}}));
}

TEST(FollowerRead, WithoutALeaderIsRefused) {
  LoneServer server({.term = 1});
  EXPECT_FALSE(server.raft().RequestRead(kRead));
  server.Tick(20);
  EXPECT_FALSE(server.raft().RequestRead(kRead));
}

// The first answer is late: the second proves both, in the order of the requests.
TEST(FollowerRead, ALaterAnswerProvesEarlierReads) {
  Following server;
  ReadIndex first = server.Ask(kRead);
  ReadIndex second = server.Ask(kLaterRead);
  server.Receive(kSecond, ReadIndexReply{Term(1), second.request, Index(9)});
  server.Receive(kSecond, ReadIndexReply{Term(1), first.request, Index(8)});
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(9)}, {kLaterRead, Index(9)}}));
}

TEST(FollowerRead, AnEarlierAnswerDoesNotProveLaterReads) {
  Following server;
  ReadIndex first = server.Ask(kRead);
  server.Ask(kLaterRead);
  server.Receive(kSecond, ReadIndexReply{Term(1), first.request, Index(8)});
  server.Round();
  EXPECT_EQ(server.reads, (Reads{{kRead, Index(8)}}));
}

TEST(FollowerRead, ARefusalDropsIt) {
  Following server;
  ReadIndex question = server.Ask(kRead);
  server.Receive(kSecond, ReadIndexReply{Term(1), question.request, Index(0)});
  server.Round();
  EXPECT_EQ(server.dropped_reads, std::vector{kRead});
}

TEST(FollowerRead, IsDroppedAfterAnElectionTimeoutWithoutAnswer) {
  Following server;
  ReadIndex question = server.Ask(kRead);
  server.Tick(5);
  server.Follow(kSecond, 1);
  server.Tick(4);
  server.Round();
  EXPECT_TRUE(server.dropped_reads.empty());
  server.Tick();
  server.Round();
  EXPECT_EQ(server.dropped_reads, std::vector{kRead});
  server.Receive(kSecond, ReadIndexReply{Term(1), question.request, Index(2)});
  server.Round();
  EXPECT_TRUE(server.reads.empty());
}

// The story: this server's disk was put back, or is that of an earlier life of the cluster; it has
// applied as much as the leader has committed, and other things.
TEST(FollowerRead, WaitsUntilTheLogsHaveBeenCompared) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .last_applied = 3});
  server.Follow(kSecond, 2);
  server.raft().RequestRead(ReadToken(7));
  const uint64_t request = Only<ReadIndex>(server.Round(), kSecond).request;
  server.Receive(kSecond, ReadIndexReply{Term(2), request, Index(3)});
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  AppendEntries diverged = MakeAppend(2, 3, 1, 3);
  diverged.prev_log_chain = Chain(99);
  server.Receive(kSecond, diverged);
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  server.Receive(kSecond, MakeAppend(2, 3, 1, 3));
  server.Round();
  EXPECT_EQ(server.reads, (std::vector<ReadState>{{ReadToken(7), Index(3)}}));
}

// The story: the connection breaks, the leader's claim ends with it, and this server stands for
// election; then it hears the leader of its term again, which has nothing to send.
TEST(FollowerRead, NeedsNoOtherComparisonInTheSameTerm) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .last_applied = 3});
  server.Follow(kSecond, 2);
  server.Receive(kSecond, MakeAppend(2, 3, 1, 3));
  server.Settle();
  server.raft().PeerGone(kSecond);
  server.Tick(20);
  ASSERT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(kSecond, Heartbeat{Term(2), Index(3), 0});
  server.Settle();
  server.raft().RequestRead(ReadToken(7));
  const uint64_t request = Only<ReadIndex>(server.Round(), kSecond).request;
  server.Receive(kSecond, ReadIndexReply{Term(2), request, Index(3)});
  server.Round();
  EXPECT_EQ(server.reads, (std::vector<ReadState>{{ReadToken(7), Index(3)}}));
}

// What was found out about another leader's log says nothing of this one's.
TEST(FollowerRead, NeedsAnotherComparisonInTheNextTerm) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .last_applied = 3});
  server.Receive(kThird, MakeAppend(2, 3, 1, 3));
  server.Settle();
  server.Follow(kSecond, 3);
  server.raft().RequestRead(ReadToken(7));
  const uint64_t request = Only<ReadIndex>(server.Round(), kSecond).request;
  server.Receive(kSecond, ReadIndexReply{Term(3), request, Index(3)});
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  server.Receive(kSecond, MakeAppend(3, 3, 1, 3));
  server.Round();
  EXPECT_EQ(server.reads, (std::vector<ReadState>{{ReadToken(7), Index(3)}}));
}

TEST(FollowerRead, IsDroppedWithTheLeader) {
  Following by_term;
  by_term.Ask(kRead);
  by_term.Receive(kThird, Heartbeat{Term(2), Index(), 0});
  by_term.Settle();
  EXPECT_EQ(by_term.dropped_reads, std::vector{kRead});

  Following by_end;
  by_end.Ask(kRead);
  by_end.raft().PeerGone(kSecond);
  by_end.Settle();
  EXPECT_EQ(by_end.dropped_reads, std::vector{kRead});

  Following by_election;
  by_election.raft().RequestRead(kRead);
  by_election.Tick(20);
  by_election.Settle();
  EXPECT_EQ(by_election.dropped_reads, std::vector{kRead});
}

// An answer of the earlier leader, late: another may have committed more since.
TEST(FollowerRead, AnAnswerOfAnEarlierTermIsIgnored) {
  Following server;
  ReadIndex question = server.Ask(kRead);
  server.Follow(kThird, 2);
  ASSERT_TRUE(server.raft().RequestRead(kLaterRead));
  server.Round();
  server.dropped_reads.clear();
  server.Receive(kSecond, ReadIndexReply{Term(1), question.request, Index(9)});
  server.Round();
  EXPECT_TRUE(server.reads.empty());
  EXPECT_TRUE(server.dropped_reads.empty());
}

// Numbers are not used again after a restart: an answer to a question of before proves nothing.
TEST(FollowerRead, RequestsDifferFromStartToStart) {
  Following server;
  ReadIndex before = server.Ask(kRead);
  server.Restart();
  server.Follow(kSecond, 1);
  ReadIndex after = server.Ask(kRead);
  EXPECT_NE(before.request, after.request);
  server.Receive(kSecond, ReadIndexReply{Term(1), before.request, Index(2)});
  server.Round();
  EXPECT_TRUE(server.reads.empty());
}

}  // namespace
}  // namespace quorate::consensus
