// Changes that a member asks its leader for (ChangeRequest): they wait for their moment there.
#include <string>
#include <utility>
#include <variant>

#include "gtest/gtest.h"
#include "tests/consensus/established_leader.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// In term 1.
ChangeReply Made(uint64_t request, uint64_t index) {
  return {Term(1), request, Index(index), ChangeRefusal::kNone, ""};
}

// --- Asked for from elsewhere ---

TEST(ChangeForwarding, AFollowerAsksItsLeader) {
  LoneServer server;
  EXPECT_FALSE(server.raft().RequestChange(AddLearner{"d"}, false));
  server.Follow(kSecond, 1);
  std::optional<uint64_t> request = server.raft().RequestChange(AddLearner{"d"}, true);
  ASSERT_TRUE(request);
  EXPECT_EQ(Only<ChangeRequest>(server.Settle(), kSecond),
            (ChangeRequest{Term(1), *request, true, AddLearner{"d"}}));
  server.Receive(kSecond, Made(*request, 9));
  server.Round();
  ASSERT_EQ(server.change_answers.size(), 1U);
  EXPECT_EQ(server.change_answers[0].request, *request);
  EXPECT_EQ(server.change_answers[0].index, Index(9));
  EXPECT_EQ(server.change_answers[0].term, Term(1));
}

TEST(ChangeForwarding, ALeaderAnswersOthersAndItself) {
  Established server;
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond), Made(7, 2));
  server.CommitAll();
  server.Receive(kThird, ChangeRequest{Term(1), 8, false, RemoveMember{NodeId(9)}});
  const ChangeReply refused = Only<ChangeReply>(server.Settle(), kThird);
  EXPECT_EQ(refused.index, Index());
  EXPECT_EQ(refused.refusal, ChangeRefusal::kUnknownMember);
  EXPECT_FALSE(refused.error.empty());
  const std::optional<uint64_t> request = server.raft().RequestChange(AddLearner{"e"}, false);
  server.Round();
  ASSERT_EQ(server.change_answers.size(), 1U);
  EXPECT_EQ(server.change_answers[0].request, request);
  EXPECT_EQ(server.change_answers[0].index, Index(3));
}

TEST(ChangeForwarding, AtTheLeaderItWaitsForTheChangeBefore) {
  Established server;
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  server.Receive(kThird, ChangeRequest{Term(1), 8, false, AddLearner{"e"}});
  EXPECT_TRUE(Of<ChangeReply>(server.Settle(), kThird).empty());
  server.Acknowledge(kSecond, Index(2));
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kThird), Made(8, 3));
}

TEST(ChangeForwarding, ItWaitsUntilTheLeaderIsEstablished) {
  LoneServer server;
  server.BecomeLeader();
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  EXPECT_TRUE(Of<ChangeReply>(server.Settle()).empty());
  server.Acknowledge(kThird, Index(1));
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond), Made(7, 2));
}

// But not for ever: whoever asks knows how long it makes sense.
TEST(ChangeForwarding, WhoWaitsLongIsToldWhyAndMayAskAgain) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"e"}});
  Messages messages;
  for (int ticks = 0; ticks < 20; ++ticks) {
    EXPECT_TRUE(Of<ChangeReply>(server.Settle()).empty());
    server.Tick();
    server.Receive(kSecond, HeartbeatReply{Term(1), 0});
  }
  const ChangeReply reply = Only<ChangeReply>(server.Settle(), kSecond);
  EXPECT_EQ(reply.refusal, ChangeRefusal::kChangePending);
  EXPECT_TRUE(IsForTheMoment(reply.refusal));
}

// Whoever asks anew has given up what it asked for before.
TEST(ChangeForwarding, TheLastQuestionOfAServerCounts) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"e"}});
  server.Receive(kSecond, ChangeRequest{Term(1), 8, false, AddLearner{"f"}});
  server.Settle();
  server.Acknowledge(kThird, Index(2));
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond), Made(8, 3));
  EXPECT_FALSE(FindAddress(server.raft().configuration(), "e"));
}

// Server 2 asks leader 3 of term 1. Leader 1 of term 2 commits its own entry where that of 3 would
// have been, so the client has been told that nothing has come of it. Then the question arrives at
// server 1, late.
TEST(ChangeForwarding, AQuestionOfAnEarlierTermIsRefused) {
  Established server;
  server.Follow(kThird, 2);
  server.BecomeLeader();
  server.CommitAll();
  const Index end = server.raft().last_log_index();
  const Term term = server.raft().current_term();
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  const ChangeReply reply = Only<ChangeReply>(server.Settle(), kSecond);
  EXPECT_EQ(reply.term, term);
  EXPECT_EQ(reply.refusal, ChangeRefusal::kNotLeader);
  EXPECT_EQ(server.raft().last_log_index(), end);
}

TEST(ChangeForwarding, IsRefusedByAnyButTheLeader) {
  LoneServer server;
  server.Follow(kThird, 1);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond).refusal, ChangeRefusal::kNotLeader);
}

TEST(ChangeForwarding, WhatWaitsIsRefusedWhenLeadershipIsLost) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"e"}});
  const std::optional<uint64_t> own = server.raft().RequestChange(AddLearner{"f"}, false);
  server.Settle();
  server.Receive(kThird, Heartbeat{Term(2), Index(), 0});
  server.Round();
  ASSERT_EQ(server.change_answers.size(), 1U);
  EXPECT_EQ(server.change_answers[0].request, own);
  EXPECT_EQ(server.change_answers[0].error.reason, ChangeRefusal::kNotLeader);
}

}  // namespace
}  // namespace quorate::consensus
