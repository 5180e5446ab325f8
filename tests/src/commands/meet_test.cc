// CLUSTER MEET: who is taken in, and what the answer promises. OK means that the node was reached
// and follows the leader. Anything else leaves the cluster as it was.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr uint64_t kLeader = 2;

// Asked of the leader, and of a follower.
class MeetCommand : public testing::TestWithParam<uint64_t> {
 protected:
  MeetCommand() {
    cluster_.MakeLeader(kLeader);
    Pass(200);
    before_ = Nodes();
    log_end_ = LogEnd();
  }

  void Pass(int64_t time_ms) {
    for (int64_t passed = 0; passed < time_ms; passed += Node::kTickMs) cluster_.Tick();
  }
  std::string Meet(std::string_view port, int64_t patience_ms = 500) {
    const std::string reply = client_.Call({"CLUSTER", "MEET", "127.0.0.1", port});
    Pass(patience_ms);
    return reply + client_.Replies();
  }
  std::string Nodes() { return TestClient(cluster_, kLeader).Call({"CLUSTER", "NODES"}); }
  consensus::Index LogEnd() { return cluster_.node(kLeader).raft().last_log_index(); }
  size_t MemberCount() { return cluster_.node(kLeader).raft().configuration().members.size(); }
  // Not even an entry in the log.
  void ExpectNothingIsLeft() {
    EXPECT_EQ(Nodes(), before_);
    EXPECT_EQ(LogEnd(), log_end_);
  }

  TestCluster cluster_{3};
  TestClient client_{cluster_, GetParam()};
  std::string before_;
  consensus::Index log_end_;
};

INSTANTIATE_TEST_SUITE_P(Asked, MeetCommand, testing::Values(1, kLeader));

TEST_P(MeetCommand, AnswersWhenTheNewNodeFollows) {
  cluster_.newcomers_follow = false;
  EXPECT_EQ(Meet("7009", 2000), "");
  EXPECT_EQ(MemberCount(), 4U);
  cluster_.newcomers_follow = true;
  Pass(200);
  EXPECT_EQ(client_.Replies(), kOk);
}

TEST_P(MeetCommand, ANodeThatHoldsDataIsNotTakenIn) {
  cluster_.others[7009] = {.kind = ProbeAnswer::Kind::kOther,
                           .text = "this is node 1 of cluster 9"};
  EXPECT_EQ(Meet("7009"),
            "-ERR the node at 127.0.0.1:7009@17009 cannot be added: it holds data, or belongs to "
            "another cluster. It says: this is node 1 of cluster 9\r\n");
  ExpectNothingIsLeft();
}

TEST_P(MeetCommand, WhereNobodyIsNothingIsAdded) {
  cluster_.others[7009] = {.kind = ProbeAnswer::Kind::kNobody, .text = "connection refused"};
  EXPECT_EQ(Meet("7009", 4000), "") << "it may be starting";
  Pass(2000);
  EXPECT_EQ(client_.Replies(),
            "-ERR no node answers at 127.0.0.1:7009@17009: connection refused\r\n");
  ExpectNothingIsLeft();
}

TEST_P(MeetCommand, WaitsForANodeThatIsStarting) {
  cluster_.others[7009] = {.kind = ProbeAnswer::Kind::kNobody, .text = "connection refused"};
  EXPECT_EQ(Meet("7009", 2000), "");
  cluster_.others.clear();
  Pass(500);
  EXPECT_EQ(client_.Replies(), kOk);
}

// Its vote and its acknowledgements count, and it has kept them.
TEST_P(MeetCommand, AMemberThatIsOnlyRebootingKeepsItsPlace) {
  cluster_.member(3).connected = false;
  EXPECT_EQ(Meet("7003", 3000), "");
  EXPECT_EQ(LogEnd(), log_end_);
  cluster_.member(3).connected = true;
  Pass(500);
  EXPECT_EQ(client_.Replies(), kOk);
  ExpectNothingIsLeft();
}

TEST_P(MeetCommand, AMemberThatStaysAwayKeepsItsPlace) {
  cluster_.member(3).connected = false;
  EXPECT_EQ(Meet("7003", 6000),
            "-ERR no node answers at 127.0.0.1:7003@17003: connection refused. Node 3 stays a "
            "member\r\n");
  EXPECT_EQ(LogEnd(), log_end_);
}

TEST_P(MeetCommand, AMemberIsThereUnderAnyAddress) {
  cluster_.others[7019] = {ProbeAnswer::Kind::kMember, 3};
  EXPECT_EQ(Meet("7019"), kOk);
  ExpectNothingIsLeft();
}

TEST_P(MeetCommand, WhoWasRemovedHasToComeEmpty) {
  const std::string id = cluster_.node(kLeader).RedisNodeId(3);
  ASSERT_EQ(TestClient(cluster_, kLeader).Call({"CLUSTER", "FORGET", id}), kOk);
  Pass(200);
  EXPECT_EQ(Meet("7003"),
            "-ERR the node at 127.0.0.1:7003@17003 is node 3, which was removed from this cluster: "
            "it can return only with an empty data folder\r\n");
  EXPECT_EQ(MemberCount(), 2U);
}

TEST_P(MeetCommand, ANodeIsThereItselfOnlyWhereItHearsALeader) {
  const std::string port = std::to_string(7000 + GetParam());
  EXPECT_EQ(Meet(port), kOk);
  cluster_.member(GetParam()).connected = false;
  Pass(3000);
  EXPECT_EQ(Meet(port), "-CLUSTERDOWN The cluster is down\r\n");
}

// It was empty when it was asked, and never came.
TEST_P(MeetCommand, APlaceThatNobodyTakesIsRemovedAgain) {
  cluster_.newcomers_follow = false;
  EXPECT_EQ(Meet("7009", 4000), "");
  EXPECT_EQ(MemberCount(), 4U);
  Pass(2500);
  EXPECT_EQ(client_.Replies(),
            "-ERR the node at 127.0.0.1:7009@17009 did not follow the leader, and was removed "
            "again\r\n");
  EXPECT_EQ(MemberCount(), 3U);
  EXPECT_EQ(Nodes(), before_);
}

// A node has given its folder a name for this place: it may come at any time, and then it is no
// empty node any more.
TEST_P(MeetCommand, APlaceThatWasTakenIsNotRemoved) {
  cluster_.newcomers_follow = false;
  EXPECT_EQ(Meet("7009", 100), "");
  cluster_.node(kLeader).NameFolder(consensus::NodeId(4), 77);
  Pass(6000);
  EXPECT_EQ(client_.Replies(),
            "-TRYAGAIN the node at 127.0.0.1:7009@17009 is node 4 of the cluster now, but the "
            "leader does not hear it\r\n");
  EXPECT_EQ(MemberCount(), 4U);
}

TEST_P(MeetCommand, HasALimit) {
  cluster_.others[7009] = {.kind = ProbeAnswer::Kind::kNobody, .text = "connection refused"};
  constexpr size_t kMeetingsMax = 64;
  std::string meetings;
  for (size_t i = 0; i < kMeetingsMax; ++i) {
    meetings += Request({"CLUSTER", "MEET", "127.0.0.1", "7009"});
  }
  TestClient other(cluster_, GetParam());
  cluster_.Send(GetParam(), other.session(), meetings);
  EXPECT_EQ(Meet("7009"), "-TRYAGAIN too many nodes are being added already\r\n");
  Pass(6000);
  cluster_.others.clear();
  EXPECT_EQ(Meet("7009"), kOk);
}

}  // namespace
}  // namespace quorate
