// Two processes claim one member. Node 3 is that member; process 30 has its place at first, 31 and
// above are others: a twin, or the member started anew.
#include "src/peers/claims.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace quorate {
namespace {

using consensus::NodeId;
using Outcome = Claims::Outcome;
using Decisions = std::vector<std::pair<uint64_t, Outcome>>;

constexpr NodeId kMember(3);
constexpr NodeId kOtherMember(4);
constexpr uint64_t kOriginal = 30;
constexpr uint64_t kTwin = 31;
constexpr uint64_t kThird = 32;

class ClaimsTest : public testing::Test, protected Claims::Owner {
 protected:
  struct Dialled {
    uint64_t dial;
    NodeId member;
  };

  bool Dial(uint64_t dial, NodeId member) override {
    if (!knows_address_) return false;
    dials_.push_back({dial, member});
    return true;
  }
  bool AnotherIsConnected(NodeId member, uint64_t process) const override {
    const auto found = connected_.find(member);
    return found != connected_.end() && found->second != process;
  }
  void Decided(uint64_t connection, Outcome outcome) override {
    decided_.emplace_back(connection, outcome);
    if (on_decided_) on_decided_(connection);
  }

  void Make(uint64_t connection, uint64_t process, NodeId member = kMember) {
    claims_.Make({.connection = connection, .member = member, .process = process}, now_ms_);
  }
  // The process that answers to the newest dial.
  void AnswerWith(uint64_t process) { AnswerWith(dials_.back(), process); }
  void AnswerWith(const Dialled& dialled, uint64_t process) {
    claims_.OnAnswer(dialled.dial,
                     {.kind = ProbeAnswer::Kind::kMember,
                      .member_id = dialled.member.value(),
                      .process = process},
                     now_ms_);
  }
  void AnswerWithNobody() {
    claims_.OnAnswer(dials_.back().dial, {.kind = ProbeAnswer::Kind::kNobody}, now_ms_);
  }
  void Wait(uint64_t ms) {
    now_ms_ += ms;
    claims_.Advance(now_ms_);
  }
  Decisions TakeDecided() { return std::exchange(decided_, {}); }

  uint64_t now_ms_ = 1'000;
  bool knows_address_ = true;
  std::map<NodeId, uint64_t> connected_;  // processes whose connections are accepted
  std::function<void(uint64_t)> on_decided_;
  std::vector<Dialled> dials_;
  Decisions decided_;
  Claims claims_{static_cast<Claims::Owner&>(*this)};
};

// --- Who keeps the place ---

TEST_F(ClaimsTest, TheProcessAtTheMembersAddressKeepsThePlace) {
  connected_[kMember] = kOriginal;
  Make(1, kTwin);
  ASSERT_EQ(dials_.size(), 1U);
  EXPECT_EQ(dials_.front().member, kMember);
  EXPECT_EQ(TakeDecided(), Decisions());
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kTaken}}));
  EXPECT_EQ(claims_.open(), 0U);
}

// This node was started anew itself, and hears from the twin first.
TEST_F(ClaimsTest, TheOriginalKeepsItsPlaceThoughItHasNotConnectedYet) {
  Make(1, kTwin);
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kTaken}}));
}

// Its old connection may still seem open.
TEST_F(ClaimsTest, AMemberThatWasStartedAnewIsLetInAtOnce) {
  connected_[kMember] = kOriginal;
  Make(1, kThird);
  ASSERT_EQ(dials_.size(), 1U);
  AnswerWith(kThird);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
}

TEST_F(ClaimsTest, BothConnectAtOnceAndOneOfThemAnswers) {
  Make(1, kTwin);
  AnswerWith(kOriginal);
  Make(2, kOriginal);
  Wait(Claims::kDialIntervalMs);
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kTaken}, {2, Outcome::kFree}}));
}

// The dial began before the second claim was made, so its answer may come from a process that has
// died since, and that the second one succeeds.
TEST_F(ClaimsTest, AnAnswerDoesNotCountAgainstALaterClaim) {
  Make(1, kTwin);
  Make(2, kThird);
  ASSERT_EQ(dials_.size(), 1U);
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kTaken}}));
  EXPECT_EQ(claims_.open(), 1U);
  Wait(Claims::kDialIntervalMs);
  ASSERT_EQ(dials_.size(), 2U);
  AnswerWith(kThird);
  EXPECT_EQ(TakeDecided(), (Decisions{{2, Outcome::kFree}}));
}

TEST_F(ClaimsTest, OneAnswerDecidesAllClaimsThatWereMadeBeforeItsDial) {
  Make(1, kTwin);
  Make(2, kThird);
  Make(3, kOriginal);
  AnswerWith(kOriginal);
  TakeDecided();
  Wait(Claims::kDialIntervalMs);
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{2, Outcome::kTaken}, {3, Outcome::kFree}}));
  EXPECT_EQ(dials_.size(), 2U);
}

// --- Nobody answers ---

// The member is down, or was moved.
TEST_F(ClaimsTest, APlaceWhereNobodyAnswersIsFree) {
  Make(1, kThird);
  AnswerWithNobody();
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
}

TEST_F(ClaimsTest, AnotherNodeAtTheAddressDoesNotHaveThePlace) {
  for (const ProbeAnswer& answer :
       {ProbeAnswer{.kind = ProbeAnswer::Kind::kEmpty},
        ProbeAnswer{.kind = ProbeAnswer::Kind::kOther, .text = "-ERR unknown command"},
        ProbeAnswer{.kind = ProbeAnswer::Kind::kMember,
        .member_id = kOtherMember.value(),
        .process = kOriginal}}) {
    Make(1, kThird);
    claims_.OnAnswer(dials_.back().dial, answer, now_ms_);
    EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
    Wait(Claims::kDialIntervalMs);
  }
}

// It hangs, or its machine is gone and the kernel does not know yet.
TEST_F(ClaimsTest, AConnectionOfAnotherProcessMakesItDoubtful) {
  connected_[kMember] = kOriginal;
  Make(1, kTwin);
  AnswerWithNobody();
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kDoubt}}));
}

TEST_F(ClaimsTest, AnEarlierConnectionOfTheSameProcessDoesNot) {
  connected_[kMember] = kOriginal;
  connected_[kOtherMember] = kTwin;
  Make(1, kOriginal);
  AnswerWithNobody();
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
}

// The connection closes while the dial is under way.
TEST_F(ClaimsTest, WhatIsConnectedCountsAtTheEnd) {
  connected_[kMember] = kOriginal;
  Make(1, kThird);
  connected_.clear();
  AnswerWithNobody();
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
}

TEST_F(ClaimsTest, ADialThatHangsEndsAsIfNobodyAnswered) {
  Make(1, kThird);
  Wait(Claims::kDialMsMax - 1);
  EXPECT_EQ(TakeDecided(), Decisions());
  Wait(1);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
  // Later than that, it says nothing.
  Make(2, kTwin);
  ASSERT_EQ(dials_.size(), 2U);
  AnswerWith(dials_.front(), kOriginal);
  EXPECT_EQ(TakeDecided(), Decisions());
  AnswerWith(kTwin);
  EXPECT_EQ(TakeDecided(), (Decisions{{2, Outcome::kFree}}));
}

TEST_F(ClaimsTest, AMemberWithoutAKnownAddressIsNotDialled) {
  knows_address_ = false;
  Make(1, kThird);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
}

// Two claim a place that nobody has. The first may get it, and then answers at its own address.
TEST_F(ClaimsTest, OfTwoThatClaimAFreePlaceTheSecondIsCheckedAgain) {
  Make(1, kOriginal);
  Make(2, kTwin);
  Make(3, kThird);
  on_decided_ = [this](uint64_t connection) {
    if (connection == 1) connected_[kMember] = kOriginal;
  };
  AnswerWithNobody();
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
  Wait(Claims::kDialIntervalMs);
  AnswerWithNobody();
  EXPECT_EQ(TakeDecided(), (Decisions{{2, Outcome::kDoubt}}));
  Wait(Claims::kDialIntervalMs);
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{3, Outcome::kTaken}}));
}

// --- Connections come and go meanwhile ---

TEST_F(ClaimsTest, AClaimOfAClosedConnectionIsForgotten) {
  Make(1, kTwin);
  claims_.Withdraw(1);
  EXPECT_EQ(claims_.open(), 0U);
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), Decisions());
  claims_.Withdraw(1);
  claims_.Withdraw(77);
}

TEST_F(ClaimsTest, TheClaimantIsStartedAnewWhileItIsChecked) {
  Make(1, kTwin);
  claims_.Withdraw(1);
  Make(2, kThird);
  // Of the dial that was made for the first.
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), Decisions());
  Wait(Claims::kDialIntervalMs);
  AnswerWith(kThird);
  EXPECT_EQ(TakeDecided(), (Decisions{{2, Outcome::kFree}}));
}

TEST_F(ClaimsTest, AProcessThatConnectsAgainIsNotDialledAgain) {
  Make(1, kTwin);
  Make(2, kTwin);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kAskLater}}));
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{2, Outcome::kTaken}}));
  EXPECT_EQ(dials_.size(), 1U);
  Wait(10 * Claims::kDialIntervalMs);
  EXPECT_EQ(dials_.size(), 1U);
}

// A decision can close other connections, and open claims of other members go on.
TEST_F(ClaimsTest, ADecisionMayWithdrawAndMakeClaims) {
  Make(1, kOriginal);
  Make(2, kTwin);
  on_decided_ = [this](uint64_t connection) {
    if (connection != 1) return;
    claims_.Withdraw(1);
    claims_.Withdraw(2);
    Make(3, kThird);
    Make(4, kOriginal, kOtherMember);
  };
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{1, Outcome::kFree}}));
  EXPECT_EQ(dials_.back().member, kOtherMember);
  AnswerWith(kOriginal);
  EXPECT_EQ(TakeDecided(), (Decisions{{4, Outcome::kFree}}));
  EXPECT_EQ(claims_.open(), 1U);
}

// --- Bounds ---

TEST_F(ClaimsTest, OneDialToAMemberIsMadeAtATime) {
  for (uint64_t process = kTwin; process < kTwin + Claims::kClaimsPerMemberMax; ++process) {
    Make(process, process);
    Wait(Claims::kDialIntervalMs);
  }
  EXPECT_EQ(dials_.size(), 1U);
}

TEST_F(ClaimsTest, DialsToAMemberBeginAtIntervals) {
  size_t answered = 0;
  for (uint64_t ms = 0; ms < 1'000; ++ms) {
    Make(ms, 1'000 + ms);
    if (dials_.size() > answered) AnswerWith(kOriginal);
    answered = dials_.size();
    Wait(1);
  }
  EXPECT_EQ(answered, 1'000 / Claims::kDialIntervalMs);
}

TEST_F(ClaimsTest, TheClaimsOfAMemberAreBounded) {
  for (size_t i = 0; i < Claims::kClaimsPerMemberMax; ++i) Make(i, 100 + i);
  EXPECT_EQ(claims_.open(), Claims::kClaimsPerMemberMax);
  EXPECT_EQ(TakeDecided(), Decisions());
  Make(50, kTwin);
  EXPECT_EQ(TakeDecided(), (Decisions{{50, Outcome::kAskLater}}));
  EXPECT_EQ(claims_.open(), Claims::kClaimsPerMemberMax);
}

TEST_F(ClaimsTest, AFloodForOneMemberDoesNotHoldUpAnother) {
  for (size_t i = 0; i < 2 * Claims::kClaimsPerMemberMax; ++i) Make(i, 100 + i);
  TakeDecided();
  Make(50, kTwin, kOtherMember);
  ASSERT_EQ(dials_.back().member, kOtherMember);
  AnswerWith(kTwin);
  EXPECT_EQ(TakeDecided(), (Decisions{{50, Outcome::kFree}}));
}

TEST_F(ClaimsTest, AMemberThatWasQuietForAWhileIsDialledAtOnce) {
  Make(1, kTwin);
  AnswerWith(kOriginal);
  Wait(Claims::kDialIntervalMs);
  Make(2, kThird);
  EXPECT_EQ(dials_.size(), 2U);
}

}  // namespace
}  // namespace quorate
