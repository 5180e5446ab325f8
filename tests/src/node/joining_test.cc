// What a node knows of its own CLUSTER MEET, and nodes that are told to meet each other: whatever
// the order of events, no two take each other in.
#include "src/node/joining.h"

#include <gtest/gtest.h>

#include <string>

#include "src/members/member.h"

namespace quorate {
namespace {

constexpr int64_t kDeadlineMs = 5000;

Member Target() {
  Member target;
  target.host = "127.0.0.1";
  target.port = 7002;
  target.peer_port = 17002;
  return target;
}

class JoiningTest : public testing::Test {
 protected:
  static void Begin(Joining& joining) { joining.Begin({{}, {}, kDeadlineMs}, Target()); }
  JoiningTest() { Begin(joining_); }

  Joining joining_;
};

TEST_F(JoiningTest, AsksUntilTheAnswerIsFinal) {
  EXPECT_TRUE(joining_.MayAsk(0));
  joining_.Refused("TRYAGAIN it waits itself");
  EXPECT_EQ(joining_.Failure(1), std::nullopt);
  EXPECT_TRUE(joining_.MayAsk(1));
  joining_.Refused("ERR it has data");
  EXPECT_FALSE(joining_.MayAsk(2));
  EXPECT_EQ(joining_.Failure(2), "ERR 127.0.0.1:7002 does not take this node in: ERR it has data");
}

TEST_F(JoiningTest, SaysWhyNobodyAnsweredInTime) {
  joining_.Lost("connection refused");
  EXPECT_EQ(joining_.Failure(kDeadlineMs - 1), std::nullopt);
  EXPECT_EQ(joining_.Failure(kDeadlineMs),
            "ERR 127.0.0.1:7002 does not take this node in: connection refused");
}

// The question may have been understood, and may be followed when this node has given it up.
TEST_F(JoiningTest, IsInDoubtWhenTheAnswerWasLost) {
  for (const bool answered : {false, true}) {
    Joining joining;
    Begin(joining);
    EXPECT_TRUE(joining.MayAsk(0));
    joining.Lost("end of file");
    if (answered) joining.Refused("UNKNOWN no majority");
    EXPECT_TRUE(joining.has_asked());
    EXPECT_EQ(joining.Failure(kDeadlineMs)->find("UNKNOWN "), 0U);
  }
}

TEST_F(JoiningTest, BeginsAnewWithoutWhatWasBefore) {
  const uint64_t number = joining_.number();
  EXPECT_TRUE(joining_.MayAsk(0));
  joining_.Refused("ERR no");
  joining_.End();
  EXPECT_EQ(joining_.target(), nullptr);
  EXPECT_FALSE(joining_.MayAsk(1));
  Begin(joining_);
  EXPECT_NE(joining_.number(), number);
  EXPECT_TRUE(joining_.MayAsk(1));
}

TEST_F(JoiningTest, TakesNobodyInWhileItsOwnQuestionMayBeFollowed) {
  EXPECT_TRUE(joining_.MayAsk(0));
  EXPECT_FALSE(joining_.MayAdmit(1, 2, 0));
  joining_.Lost("end of file");
  EXPECT_FALSE(joining_.MayAdmit(1, 2, 0));
  joining_.Refused("TRYAGAIN no");
  EXPECT_TRUE(joining_.MayAdmit(1, 2, 0));
}

TEST_F(JoiningTest, TakesInOnlyWhomItComesBehind) {
  EXPECT_TRUE(joining_.MayAdmit(1, 2, 0));
  EXPECT_FALSE(joining_.MayAdmit(3, 2, 0));
  EXPECT_TRUE(Joining().MayAdmit(3, 2, 0)) << "it joins nobody";
}

// Each asks whenever it may; questions arrive, and are answered, in any order that a path through
// the cases gives. Both never count on the other at once, and one is taken in.
TEST_F(JoiningTest, OfTwoThatMeetEachOtherOneIsTakenIn) {
  constexpr int64_t kSmall = 1;
  constexpr int64_t kGreat = 2;
  for (int order = 0; order < 16; ++order) {
    Joining small;
    Joining great;
    Begin(small);
    Begin(great);
    bool taken_in = false;
    for (int64_t now_ms = 0; now_ms < kDeadlineMs && !taken_in; now_ms += 100) {
      const bool small_first = ((order >> (now_ms / 100 % 4)) & 1) != 0;
      bool small_asks = small_first && small.MayAsk(now_ms);
      const bool great_asks = great.MayAsk(now_ms);
      if (!small_first) small_asks = small.MayAsk(now_ms);
      const bool small_admits = great_asks && small.MayAdmit(kGreat, kSmall, now_ms);
      const bool great_admits = small_asks && great.MayAdmit(kSmall, kGreat, now_ms);
      ASSERT_FALSE(small_admits) << "the small one joins";
      if (great_asks) great.Refused("TRYAGAIN no");
      if (small_asks && !great_admits) small.Refused("TRYAGAIN no");
      taken_in = great_admits;
    }
    EXPECT_TRUE(taken_in) << order;
  }
}

}  // namespace
}  // namespace quorate
