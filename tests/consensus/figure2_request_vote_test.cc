// The box "RequestVote RPC" of figure 2, sentence by sentence, and the election restriction
// (5.4.1).
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// "1. Reply false if term < currentTerm"
TEST(Figure2RequestVote, RepliesFalseIfTermIsBehind) {
  LoneServer server({.term = 3});
  server.Receive(kSecond, AskVote(2, 9, 2));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(3, false));
}

// "2. If votedFor is null or candidateId, and candidate's log is at least as up-to-date as
// receiver's log, grant vote"
TEST(Figure2RequestVote, GrantsIfVotedForIsNull) {
  LoneServer server({.term = 3});
  server.Receive(kSecond, AskVote(3, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(3));
  EXPECT_EQ(server.disk().hard_state(), (HardState{Term(3), kSecond}));
}

// The reply may have been lost: the candidate asks again and gets the same answer, with no new
// write.
TEST(Figure2RequestVote, GrantsAgainIfVotedForIsTheCandidate) {
  LoneServer server({.term = 3, .voted_for = 2});
  server.Receive(kSecond, AskVote(3, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Round(), kSecond), Vote(3));
  EXPECT_FALSE(server.last_write);
}

TEST(Figure2RequestVote, RefusesIfVotedForIsAnother) {
  LoneServer server({.term = 3, .voted_for = 3});
  server.Receive(kSecond, AskVote(3, 9, 3));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(3, false));
}

// A new term's vote is free, whoever had the last.
TEST(Figure2RequestVote, AHigherTermFreesTheVote) {
  LoneServer server({.term = 3, .voted_for = 3});
  server.Receive(kSecond, AskVote(4, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(4));
}

// The term is taken over even where the vote is refused.
TEST(Figure2RequestVote, TakesOverTheTermOfACandidateItRefuses) {
  LoneServer server({.term = 2, .log_terms = {1, 2}});
  server.Receive(kSecond, AskVote(5, 9, 1));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(5, false));
  EXPECT_EQ(server.disk().hard_state(), (HardState{Term(5), NodeId()}));
}

struct Case {
  const char* name;
  uint64_t last_index;
  uint64_t last_term;
  bool granted;
};

// Section 5.4.1: "If the logs have last entries with different terms, then the log with the later
// term is more up-to-date. If the logs end with the same term, then whichever log is longer is more
// up-to-date." The receiver's log ends with 3:2.
class ElectionRestriction : public testing::TestWithParam<Case> {};

TEST_P(ElectionRestriction, ComparesTermThenLength) {
  LoneServer server({.term = 2, .log_terms = {1, 1, 2}});
  server.Receive(kSecond, AskVote(3, GetParam().last_index, GetParam().last_term));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(3, GetParam().granted));
}

// The same when the log is trimmed to nothing: the last term is then the trimmed entry's, not 0.
TEST_P(ElectionRestriction, ComparesWithATrimmedLog) {
  LoneServer server({.term = 2, .log_terms = {1, 1, 2}, .base = 3, .last_applied = 3});
  server.Receive(kSecond, AskVote(3, GetParam().last_index, GetParam().last_term));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(3, GetParam().granted));
}

INSTANTIATE_TEST_SUITE_P(Figure2RequestVote, ElectionRestriction,
                         testing::Values(Case{"Equal", 3, 2, true}, Case{"Longer", 4, 2, true},
                                         Case{"Shorter", 2, 2, false},
                                         Case{"LaterTermShorter", 1, 3, true},
                                         Case{"EarlierTermLonger", 9, 1, false},
                                         Case{"Empty", 0, 0, false}),
                         [](const auto& instance) { return std::string(instance.param.name); });

// A candidate tells of its log as it is in memory, durable or not: the restriction compares logs,
// and what is in this one was acknowledged by nobody on its account.
TEST(Figure2RequestVote, NamesTheCandidatesLastEntry) {
  LoneServer server({.term = 2, .log_terms = {1, 1, 2}});
  server.Tick(20);
  for (NodeId peer : {kSecond, kThird}) {
    EXPECT_EQ(Only<RequestVote>(server.Settle(), peer), AskPreVote(3, 3, 2));
    break;
  }
  server.Receive(kSecond, PreVote(3));
  Messages messages = server.Settle();
  EXPECT_EQ(Only<RequestVote>(messages, kSecond), AskVote(3, 3, 2));
  EXPECT_EQ(Only<RequestVote>(messages, kThird), AskVote(3, 3, 2));
}

}  // namespace
}  // namespace quorate::consensus
