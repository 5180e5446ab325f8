// A member whose folder was emptied: its votes and acknowledgements are forgotten, and it must not
// give others as if it were new (rule: a server that lost its disk and votes again breaks Raft).
#include <variant>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// Until it stands the next time: the term that it asks pre-votes for.
uint64_t NextAttempt(LoneServer& server) {
  for (;;) {
    server.Tick();
    const auto requests = Of<RequestVote>(server.Settle(), kSecond);
    if (!requests.empty()) {
      return requests.back().term.value();
    }
  }
}

// --- The first election takes all voters ---

TEST(FirstElection, TakesThePreVotesAndTheVotesOfAll) {
  LoneServer server({.fresh = true});
  const uint64_t term = NextAttempt(server);
  server.Receive(kSecond, PreVote(term));
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(kThird, PreVote(term));
  server.Settle();
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  server.Receive(kThird, Vote(term));
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  server.Receive(kSecond, Vote(term));
  EXPECT_EQ(server.raft().role(), Role::kLeader);
}

// What was said to an earlier attempt may be of a time before somebody was elected.
TEST(FirstElection, EachAttemptAsksForATermOfItsOwn) {
  LoneServer server({.fresh = true});
  const uint64_t first = NextAttempt(server);
  server.Receive(kSecond, PreVote(first));
  const uint64_t second = NextAttempt(server);
  EXPECT_GT(second, first);
  server.Receive(kThird, PreVote(first));
  server.Receive(kSecond, PreVote(first));
  server.Receive(kThird, PreVote(second));
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(kSecond, PreVote(second));
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  EXPECT_EQ(server.raft().current_term(), Term(second));
}

// Also where it asks again because it outranks the one that stands at the same moment: what the
// others have answered before counts no more.
TEST(FirstElection, OutrankingIsAnAttemptOfItsOwn) {
  LoneServer server({.self = kThird, .fresh = true});
  const uint64_t first = NextAttempt(server);
  server.Receive(kSecond, PreVote(first));
  server.Receive(kSelf, AskPreVote(first, 0, 0));
  const Messages messages = server.Settle();
  EXPECT_EQ(Only<RequestVoteReply>(messages, kSelf).vote_granted, false);
  const auto again = Only<RequestVote>(messages, kSelf);
  EXPECT_GT(again.term, Term(first));
  EXPECT_EQ(Only<RequestVote>(messages, kSecond), again);
  server.Receive(kSelf, PreVote(again.term.value()));
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
}

// With something in the log, a majority is enough.
TEST(FirstElection, IsOverWhenALogHoldsAnything) {
  LoneServer server({.term = 1, .log_terms = {1}, .fresh = true});
  server.Tick(20);
  server.Settle();
  server.Receive(kSecond, PreVote(2));
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
}

TEST(FirstElection, AServerAloneWaitsForNobody) {
  LoneServer server({.voters = 1, .fresh = true});
  server.Tick();
  server.Settle();
  EXPECT_TRUE(server.raft().leader_is_established());
}

TEST(FirstElection, TheFirstVoteIsGiven) {
  LoneServer server({.fresh = true});
  server.Receive(kSecond, AskPreVote(1, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(1));
  server.Receive(kSecond, AskVote(1, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(1));
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(1, 1));
  EXPECT_FALSE(server.raft().has_lost_its_data());
}

// The vote is what tells it apart from one that was emptied, also after a restart without an entry.
TEST(FirstElection, AServerThatHasVotedHasLostNothing) {
  LoneServer server({.fresh = true});
  server.Receive(kSecond, AskPreVote(1, 0, 0));
  server.Receive(kSecond, AskVote(1, 0, 0));
  server.Settle();
  server.Restart();
  server.Receive(kThird, MakeAppend(2, 0, 0, 0, {MakeEntry(1, 2)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kThird), Success(2, 1));
}

// A candidate that finds late what it was granted before the first election, of which it has not
// heard, asks a server for its vote that has lost its folder since. Were it given, that server
// would look like one that has voted in that election.
TEST(FirstElection, AVoteIsForWhomItWasGrantedAPreVoteInThisLife) {
  LoneServer server({.fresh = true});
  server.Receive(kSecond, AskVote(2, 0, 0));
  EXPECT_TRUE(server.Settle().empty());
  server.Receive(kSecond, AskPreVote(3, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(3));
  server.Receive(kSecond, AskVote(2, 0, 0));
  server.Receive(kThird, AskVote(3, 0, 0));
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().current_term(), Term());
  server.Receive(kThird, Heartbeat{Term(5), Index(), 1});
  EXPECT_TRUE(server.raft().has_lost_its_data());
}

// --- A cluster that has been at work ---

class FromAClusterAtWork : public testing::TestWithParam<Message> {};

TEST_P(FromAClusterAtWork, IsTakenForALoss) {
  LoneServer server({.fresh = true});
  server.raft().Receive(kSecond, GetParam());
  EXPECT_TRUE(server.raft().has_lost_its_data());
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().current_term(), Term());
  EXPECT_FALSE(server.last_write);
  // From now on it says nothing, whoever asks.
  server.Receive(kSecond, AskVote(1, 0, 0));
  server.Receive(kSecond, AskPreVote(9, 9, 9));
  server.Tick(100);
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.disk().hard_state(), HardState());
  // After a restart it is as it was: it can be told again.
  server.Restart();
  server.raft().Receive(kSecond, GetParam());
  EXPECT_TRUE(server.raft().has_lost_its_data());
}

INSTANTIATE_TEST_SUITE_P(
    LostData, FromAClusterAtWork,
    testing::Values(Message(Heartbeat{Term(5), Index(), 1}), Message(MakeAppend(5, 0, 0, 0)),
                    Message(MakeAppend(5, 7, 4, 7)), Message(AskVote(5, 3, 2)),
                    Message(AskPreVote(5, 3, 2)), Message(TimeoutNow{Term(5)}), Message(Vote(5)),
                    Message(InstallSnapshot{Term(5), 1, Index(9), Term(4), 0, true, Payload()})));

// It stands as a new server does, and the refusals name a later term. Taken over, that would make
// it look like a server that once voted.
TEST(LostData, TakesNoTermFromARefusal) {
  LoneServer server({.fresh = true});
  server.Tick(20);
  server.Settle();
  server.Receive(kSecond, PreVote(5, false));
  server.Settle();
  EXPECT_EQ(server.raft().current_term(), Term());
  server.Receive(kSecond, Heartbeat{Term(5), Index(), 1});
  EXPECT_TRUE(server.raft().has_lost_its_data());
}

// Nor does it say what it was about to say when it noticed.
TEST(LostData, TakesBackWhatHasNotBeenSent) {
  LoneServer server({.fresh = true});
  server.Receive(kThird, AskPreVote(1, 0, 0));
  server.Receive(kSecond, Heartbeat{Term(5), Index(), 1});
  EXPECT_TRUE(server.raft().has_lost_its_data());
  EXPECT_TRUE(server.Round().empty());
}

// What a cluster of one cannot notice in any message, its driver may.
TEST(LostData, MakesAServerAloneStepDown) {
  LoneServer server({.voters = 1, .fresh = true});
  server.Tick();
  server.Settle();
  ASSERT_TRUE(server.raft().leader_is_established());
  ASSERT_TRUE(server.raft().RequestRead(ReadToken(5)));
  server.raft().LoseData();
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  server.Tick(100);
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_FALSE(server.raft().Propose(Payload("x")));
  EXPECT_EQ(server.dropped_reads, std::vector<ReadToken>{ReadToken(5)});
}

// A server that joined is rightfully empty.
TEST(LostData, IsNotSeenInAServerThatJoins) {
  LoneServer server({.joined = true, .fresh = true});
  server.Receive(kSecond, MakeAppend(5, 0, 0, 0, {MakeEntry(1, 5)}));
  EXPECT_FALSE(server.raft().has_lost_its_data());
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(5, 1));
}

}  // namespace
}  // namespace quorate::consensus
