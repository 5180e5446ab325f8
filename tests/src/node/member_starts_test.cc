// What a node makes of the starts that it and the other members have drawn. The rules themselves
// are tested in tests/consensus/start_ledger_test.cc.
#include "src/node/member_starts.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/src/node/node_support.h"

namespace quorate {
namespace {

using consensus::NodeId;
using consensus::Start;
using consensus::Term;
using Reception = MemberStarts::Reception;
using Standing = MemberStarts::Standing;

constexpr int kSettle = 10;
constexpr int64_t kHourMs = 3'600'000;

class MemberStartsTest : public testing::Test {
 protected:
  MemberStarts& starts(uint64_t id) { return cluster_.node(id).starts(); }

  // As far as it can go at this moment.
  Reception Meet(uint64_t from, uint64_t to, Standing standing = Standing::kSole) {
    const auto expectation = starts(from).Expect(NodeId(to));
    const MemberStarts::Visit visit = starts(to).Receive(NodeId(from));
    const std::string reason =
        starts(from).OnWelcome(NodeId(to), expectation, visit.challenge.welcome);
    if (!reason.empty()) return Reception::kRefused;
    const auto statement = starts(from).MakeStatement(NodeId(to), visit.challenge.welcome.nonce);
    EXPECT_TRUE(statement);
    return starts(to).OnStatement(NodeId(from), *statement, visit, standing).reception;
  }
  // Both connections of two members are begun anew, and what is noted is confirmed.
  void MeetAndConfirm(uint64_t one, uint64_t other) {
    for (const auto& [from, to] : {std::pair(one, other), std::pair(other, one)}) {
      ASSERT_EQ(Meet(from, to), Reception::kAccepted);
      cluster_.Steps(kSettle);
      const auto noted = starts(to).TakeConfirmation(NodeId(from));
      ASSERT_TRUE(noted);
      starts(from).OnStartNoted(NodeId(to), noted->start);
      cluster_.Steps(kSettle);
    }
  }
  void PutBack(uint64_t id, const TestDisk::Image& copy) {
    cluster_.member(id).disk.PutBack(copy);
    ++cluster_.member(id).options.raft.seed;  // as of every new process
    cluster_.Restart(id);
    cluster_.Steps(kSettle);
  }
  bool IsLost(uint64_t id) { return cluster_.node(id).raft().has_lost_its_data(); }

  TestCluster cluster_{3};
};

TEST_F(MemberStartsTest, NothingIsSaidOfAStartBeforeItIsDurable) {
  cluster_.member(1).disk_works = false;
  cluster_.Steps(kSettle);
  EXPECT_FALSE(starts(1).is_ready());
  EXPECT_EQ(starts(1).MakeStatement(NodeId(2), 1), std::nullopt);
  cluster_.member(1).disk_works = true;
  cluster_.Steps(kSettle);
  EXPECT_EQ(starts(1).current().count, 1U);
  EXPECT_TRUE(starts(1).MakeStatement(NodeId(2), 1));
}

// Nor of a term, or of a vote in it.
TEST_F(MemberStartsTest, NothingIsSaidBeforeTheTermIsDurable) {
  cluster_.Steps(kSettle);
  cluster_.member(1).disk_works = false;
  for (int i = 0; i < 500 && cluster_.node(1).raft().current_term() == Term(); ++i) {
    cluster_.Tick();
  }
  ASSERT_NE(cluster_.node(1).raft().current_term(), Term());
  EXPECT_EQ(starts(1).MakeStatement(NodeId(2), 1), std::nullopt);
}

TEST_F(MemberStartsTest, AStartIsDrawnAtEachStart_InEachTerm_AndEachHour) {
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  uint64_t count = starts(1).current().count;
  EXPECT_EQ(count, 1 + cluster_.node(1).raft().current_term().value());
  cluster_.Steps(kSettle);
  EXPECT_EQ(starts(1).current().count, count);
  cluster_.Restart(1);
  cluster_.Steps(kSettle);
  EXPECT_EQ(starts(1).current().count, ++count);
  cluster_.clock().now_ms += kHourMs;
  cluster_.Steps(kSettle);
  EXPECT_EQ(starts(1).current().count, ++count);
}

TEST_F(MemberStartsTest, RestartsConvictNobody) {
  cluster_.WaitForLeader();
  for (int i = 0; i < 5; ++i) {
    const uint64_t id = 1 + i % 3;
    cluster_.Restart(id);
    cluster_.WaitForLeader();
    cluster_.Steps(kSettle);
    for (uint64_t one = 1; one <= 3; ++one) {
      for (uint64_t other = one + 1; other <= 3; ++other) {
        EXPECT_EQ(Meet(one, other), Reception::kAccepted);
        EXPECT_EQ(Meet(other, one), Reception::kAccepted);
      }
    }
    cluster_.Steps(kSettle);
  }
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_FALSE(IsLost(id));
}

// It stays out when the member that has noticed is gone, and after a restart.
TEST_F(MemberStartsTest, AFolderThatWasPutBackIsConvictedOnBothSidesForGood) {
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  const TestDisk::Image copy = cluster_.member(1).disk.Copy();
  cluster_.Restart(1);
  cluster_.Steps(kSettle);
  MeetAndConfirm(1, 2);
  PutBack(1, copy);
  EXPECT_FALSE(IsLost(1));
  EXPECT_EQ(Meet(1, 2), Reception::kLost);
  EXPECT_TRUE(IsLost(1));
  EXPECT_TRUE(starts(2).IsConvicted(NodeId(1)));
  EXPECT_FALSE(IsLost(2));
  cluster_.Steps(kSettle);
  for (const uint64_t id : {1, 2}) cluster_.Restart(id);
  EXPECT_TRUE(IsLost(1));
  EXPECT_NE(starts(1).own_conviction().find("was put back to an earlier state"), std::string::npos);
  ASSERT_TRUE(starts(2).IsConvicted(NodeId(1)));
  EXPECT_EQ(starts(2).convictions(),
            (std::vector{std::pair(NodeId(1), starts(2).ConvictionOf(NodeId(1)))}));
}

// Also where the other one connects.
// It may be a copy of the folder of a process that hangs. That one has lost nothing.
TEST_F(MemberStartsTest, AProcessInDoubtIsRefusedAndNobodyIsConvictedForIt) {
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  const TestDisk::Image copy = cluster_.member(1).disk.Copy();
  cluster_.Restart(1);
  cluster_.Steps(kSettle);
  ASSERT_NO_FATAL_FAILURE(MeetAndConfirm(1, 2));
  PutBack(1, copy);
  EXPECT_EQ(Meet(1, 2, Standing::kInDoubt), Reception::kRefused);
  EXPECT_FALSE(starts(2).IsConvicted(NodeId(1)));
  // Now it is known that there is no other.
  EXPECT_EQ(Meet(1, 2), Reception::kLost);
  EXPECT_TRUE(starts(2).IsConvicted(NodeId(1)));
  EXPECT_EQ(Meet(1, 2, Standing::kInDoubt), Reception::kLost);
}

TEST_F(MemberStartsTest, AProcessInDoubtThatHasAllDataIsTaken) {
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  cluster_.Restart(1);
  cluster_.Steps(kSettle);
  EXPECT_EQ(Meet(1, 2, Standing::kInDoubt), Reception::kAccepted);
}

TEST_F(MemberStartsTest, AWelcomeConvictsToo) {
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  const TestDisk::Image copy = cluster_.member(1).disk.Copy();
  cluster_.Restart(1);
  cluster_.Steps(kSettle);
  MeetAndConfirm(1, 2);
  PutBack(1, copy);
  EXPECT_EQ(Meet(2, 1), Reception::kRefused);
  EXPECT_TRUE(starts(2).IsConvicted(NodeId(1)));
  EXPECT_EQ(cluster_.node(2).health(cluster_.node(2).members().at(0)), consensus::Health::kFailed);
}

// What it believes of others is of the past.
TEST_F(MemberStartsTest, WhoWasPutBackItselfAccusesNobody) {
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  const TestDisk::Image copy = cluster_.member(1).disk.Copy();
  cluster_.Restart(2);
  cluster_.Steps(kSettle);
  MeetAndConfirm(1, 2);
  PutBack(1, copy);
  EXPECT_EQ(Meet(2, 1), Reception::kRefused);
  cluster_.Steps(kSettle);
  EXPECT_FALSE(starts(1).IsConvicted(NodeId(2)));
  EXPECT_FALSE(IsLost(2));
}

TEST_F(MemberStartsTest, WhatAConvictedFollowerHasAcknowledgedDoesNotCount) {
  cluster_.MakeLeader(1);
  cluster_.Steps(kSettle);
  const auto match = [&] {
    for (const consensus::PeerStatus& peer : cluster_.node(1).raft().peers()) {
      if (peer.id == NodeId(2)) return peer.match_index;
    }
    return consensus::Index();
  };
  ASSERT_GT(match(), consensus::Index());
  cluster_.member(2).connected = false;
  starts(1).Convict(NodeId(2), "as a test has it");
  EXPECT_EQ(match(), consensus::Index());
}

// The log of a follower ends before what it has acknowledged to this leader.
TEST_F(MemberStartsTest, AShorterLogIsNoticedByTheLeader) {
  cluster_.MakeLeader(1);
  cluster_.Steps(kSettle);
  const MemberStarts::Visit visit = starts(1).Receive(NodeId(2));
  auto statement = *starts(2).MakeStatement(NodeId(1), visit.challenge.welcome.nonce);
  ASSERT_GT(statement.durable_index, consensus::Index());
  statement.durable_index = statement.durable_index - 1;
  EXPECT_EQ(starts(1).OnStatement(NodeId(2), statement, visit).reception, Reception::kLost);
  EXPECT_NE(starts(1).ConvictionOf(NodeId(2)).find("has acknowledged entries"), std::string::npos);
}

// The one who was voted for knows of the vote at once.
TEST_F(MemberStartsTest, AnotherVoteInTheTermIsNoticed) {
  cluster_.MakeLeader(1);
  cluster_.Steps(kSettle);
  const MemberStarts::Visit visit = starts(1).Receive(NodeId(2));
  auto statement = *starts(2).MakeStatement(NodeId(1), visit.challenge.welcome.nonce);
  ASSERT_EQ(statement.voted_for, NodeId(1));
  statement.voted_for = NodeId(3);
  EXPECT_EQ(starts(1).OnStatement(NodeId(2), statement, visit).reception, Reception::kLost);
}

// --- Before the cluster is founded ---

class UnfoundedStartsTest : public MemberStartsTest {
 protected:
  UnfoundedStartsTest() {
    for (uint64_t id = 1; id <= 3; ++id) {
      cluster_.member(id).options.raft.founds_unasked = false;
      cluster_.Restart(id);
    }
    cluster_.Steps(kSettle);
  }
  void Found() {
    const std::shared_ptr<Session> session = cluster_.Connect(1);
    cluster_.Send(1, *session, Request({"CLUSTER", "CREATE"}));
    cluster_.WaitForLeader();
    cluster_.Steps(kSettle);
  }
  void Empty(uint64_t id) { PutBack(id, {}); }
  void ExpectNobodyIsConvicted() {
    for (uint64_t id = 1; id <= 3; ++id) {
      EXPECT_FALSE(IsLost(id)) << id;
      EXPECT_TRUE(starts(id).convictions().empty()) << id;
    }
  }
};

// A machine is set up once more. Nothing is lost, since nothing was there.
TEST_F(UnfoundedStartsTest, AFolderThatIsEmptiedConvictsNobody) {
  cluster_.Restart(1);  // two starts, so that an empty folder has fewer
  cluster_.Steps(kSettle);
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  EXPECT_EQ(Meet(2, 1), Reception::kAccepted);
  cluster_.Steps(kSettle);
  for (int i = 0; i < 2; ++i) {
    Empty(1);
    // Whichever of the two connects first.
    EXPECT_EQ(Meet(i == 0 ? 1 : 2, i == 0 ? 2 : 1), Reception::kAccepted);
    EXPECT_EQ(Meet(i == 0 ? 2 : 1, i == 0 ? 1 : 2), Reception::kAccepted);
    cluster_.Steps(kSettle);
    EXPECT_TRUE(starts(2).IsNoted(NodeId(1), starts(1).current()));
  }
  ExpectNobodyIsConvicted();
}

TEST_F(UnfoundedStartsTest, NothingIsConfirmed) {
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  cluster_.Steps(kSettle);
  EXPECT_TRUE(starts(2).IsNoted(NodeId(1), starts(1).current()));
  EXPECT_EQ(starts(2).TakeConfirmation(NodeId(1)), std::nullopt);
  Found();
  EXPECT_NE(starts(2).TakeConfirmation(NodeId(1)), std::nullopt);
}

// Were it started anew before its vote is durable, it would wait again, and forget.
TEST_F(UnfoundedStartsTest, NothingIsConfirmedBeforeTheVoteIsDurable) {
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  cluster_.Steps(kSettle);
  cluster_.member(2).disk_works = false;
  const std::shared_ptr<Session> session = cluster_.Connect(1);
  cluster_.Send(1, *session, Request({"CLUSTER", "CREATE"}));
  for (int i = 0; i < 500 && starts(2).forgives(); ++i) cluster_.Tick();
  ASSERT_FALSE(starts(2).forgives());
  EXPECT_EQ(starts(2).TakeConfirmation(NodeId(1)), std::nullopt);
  cluster_.member(2).disk_works = true;
  cluster_.Steps(kSettle);
  EXPECT_NE(starts(2).TakeConfirmation(NodeId(1)), std::nullopt);
}

// A connection that was made before goes on.
TEST_F(UnfoundedStartsTest, WhatWasForgivenIsNotHeldAgainstItLater) {
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  Empty(1);
  const MemberStarts::Visit visit = starts(2).Receive(NodeId(1));
  const auto say = [&] {
    const auto statement = starts(1).MakeStatement(NodeId(2), visit.challenge.welcome.nonce);
    return starts(2).OnStatement(NodeId(1), *statement, visit).reception;
  };
  EXPECT_EQ(say(), Reception::kAccepted);
  Found();
  EXPECT_EQ(say(), Reception::kAccepted);
  ExpectNobodyIsConvicted();
}

// It has connected with its new start, and an answer of it to an earlier Hello comes late.
TEST_F(UnfoundedStartsTest, ALateWelcomeDoesNotForgetWhatWasSaidSince) {
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  const consensus::Expectation expectation = starts(2).Expect(NodeId(1));
  Empty(1);
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  EXPECT_EQ(
      starts(2).OnWelcome(NodeId(1), expectation, starts(1).Receive(NodeId(2)).challenge.welcome),
      "");
  EXPECT_TRUE(starts(2).IsNoted(NodeId(1), starts(1).current()));
}

// The founding's first vote is given: from now on, there is something to lose.
TEST_F(UnfoundedStartsTest, AfterTheFoundingAnEmptiedFolderIsConvicted) {
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  Found();
  ASSERT_NO_FATAL_FAILURE(MeetAndConfirm(1, 2));
  Empty(1);
  EXPECT_EQ(Meet(1, 2), Reception::kLost);
  EXPECT_TRUE(starts(2).IsConvicted(NodeId(1)));
}

// A server whose folder was emptied waits for a founding that was long ago. It notices itself.
TEST_F(UnfoundedStartsTest, AnEmptiedFolderDoesNotForgiveItself) {
  Found();
  ASSERT_NO_FATAL_FAILURE(MeetAndConfirm(1, 2));
  Empty(2);
  ASSERT_TRUE(starts(2).forgives());
  const MemberStarts::Visit visit = starts(2).Receive(NodeId(1));
  const auto statement = starts(1).MakeStatement(NodeId(2), visit.challenge.welcome.nonce);
  EXPECT_EQ(starts(2).OnStatement(NodeId(1), *statement, visit).reception, Reception::kSelfLost);
  EXPECT_FALSE(starts(2).own_conviction().empty());
  EXPECT_TRUE(starts(2).convictions().empty());
}

// Of two processes the newer one has the member's place.
TEST_F(MemberStartsTest, AnOlderStartIsRefusedAndNotConvicted) {
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  const MemberStarts::Visit visit = starts(2).Receive(NodeId(1));
  const auto late = *starts(1).MakeStatement(NodeId(2), visit.challenge.welcome.nonce);
  cluster_.Restart(1);
  cluster_.Steps(kSettle);
  EXPECT_EQ(Meet(1, 2), Reception::kAccepted);
  EXPECT_TRUE(starts(2).IsNoted(NodeId(1), starts(1).current()));
  EXPECT_FALSE(starts(2).IsNoted(NodeId(1), late.starts.back()));
  EXPECT_EQ(starts(2).OnStatement(NodeId(1), late, visit).reception, Reception::kRefused);
  EXPECT_FALSE(starts(2).IsConvicted(NodeId(1)));
}

}  // namespace
}  // namespace quorate
