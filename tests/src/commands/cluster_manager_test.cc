// What redis-cli --cluster sends to nodes that nobody has used yet, and to members.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kNothingMoves =
    "-ERR one shard holds all slots, and the leader serves them: slots are neither moved nor given "
    "up. CLUSTER FAILOVER moves the leader\r\n";
constexpr const char* kMembersAreNotReset =
    "-ERR CLUSTER RESET can't be called with a member of a cluster, since it would lose "
    "acknowledged writes. Send CLUSTER FORGET with this node's id to another member first\r\n";

class ClusterManagerCommand : public testing::Test {
 protected:
  explicit ClusterManagerCommand(size_t members = 1) : cluster_(members, Options()) {
    cluster_.MakeLeader(1);
    Pass(100);
  }
  static NodeOptions Options() {
    NodeOptions options;
    options.may_be_adopted = true;
    options.cluster_id = 7;
    return options;
  }
  void Pass(int64_t time_ms) {
    for (int64_t passed = 0; passed < time_ms; passed += Node::kTickMs) cluster_.Tick();
  }
  std::string Ask(const std::vector<std::string_view>& request, uint64_t member = 1) {
    return TestClient(cluster_, member).Call(request);
  }
  static std::vector<std::string_view> MeetRequest() {
    return {"CLUSTER", "MEET", "127.0.0.1", "7009"};
  }
  Node& node() { return cluster_.node(1); }
  // As the cluster that was asked does.
  bool IsTaken() {
    return node().OfferMembership(9, consensus::NodeId(4), node().empty_folder()) ==
           Node::Offer::kTaken;
  }

  TestCluster cluster_;
};

class ClusterManagerOfThree : public ClusterManagerCommand {
 protected:
  ClusterManagerOfThree() : ClusterManagerCommand(3) {}
};

TEST_F(ClusterManagerCommand, AnUntouchedNodeMayBeGivenAnySlots) {
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTS", "0", "16383", "5"}), kOk);
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTSRANGE", "0", "5460", "7000", "7000"}), kOk);
  EXPECT_TRUE(node().untouched()) << "nothing was written";
}

TEST_F(ClusterManagerCommand, SlotsAreCheckedAsInRedis) {
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTS", "16384"}), "-ERR Invalid or out of range slot\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTS", "a"}), "-ERR Invalid or out of range slot\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "DELSLOTS", "1", "2", "1"}),
            "-ERR Slot 1 specified multiple times\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTSRANGE", "2", "1"}),
            "-ERR start slot number 2 is greater than end slot number 1\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTSRANGE", "1", "3", "3", "4"}),
            "-ERR Slot 3 specified multiple times\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "DELSLOTSRANGE", "1", "2", "3"}),
            "-ERR wrong number of arguments for 'cluster|delslotsrange' command\r\n");
}

TEST_F(ClusterManagerCommand, ANodeThatWasWrittenToHasItsSlots) {
  EXPECT_EQ(Ask({"SET", "a", "1"}), kOk);
  EXPECT_EQ(Ask({"DEL", "a"}), ":1\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTS", "3"}).find("-ERR Slot 3 is already busy: "), 0U);
}

TEST_F(ClusterManagerOfThree, AMemberHasItsSlotsAndNoneMoves) {
  EXPECT_EQ(Ask({"CLUSTER", "ADDSLOTS", "3"}).find("-ERR Slot 3 is already busy: "), 0U);
  EXPECT_EQ(Ask({"CLUSTER", "DELSLOTS", "3"}), kNothingMoves);
  EXPECT_EQ(Ask({"CLUSTER", "DELSLOTSRANGE", "3", "4"}), kNothingMoves);
  EXPECT_EQ(Ask({"CLUSTER", "FLUSHSLOTS"}), kNothingMoves);
  EXPECT_EQ(Ask({"CLUSTER", "SETSLOT", "3", "STABLE"}), kNothingMoves);
}

TEST_F(ClusterManagerCommand, NobodySetsTheEpoch) {
  EXPECT_EQ(Ask({"CLUSTER", "SET-CONFIG-EPOCH", "2"}),
            "-ERR Node config epoch is already non-zero\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "SET-CONFIG-EPOCH", "-2"}),
            "-ERR Invalid config epoch specified: -2\r\n");
}

TEST_F(ClusterManagerOfThree, NobodySetsTheEpochOfAMember) {
  EXPECT_EQ(Ask({"CLUSTER", "SET-CONFIG-EPOCH", "2"}),
            "-ERR The user can assign a config epoch only when the node does not know any other "
            "node.\r\n");
}

// --- MEET on a node that nobody has used ---

TEST_F(ClusterManagerCommand, AnUntouchedNodeThatMeetsAnotherJoinsIt) {
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call(MeetRequest()), "");
  ASSERT_TRUE(node().joining().target());
  EXPECT_EQ(node().joining().target()->port, 7009);
  EXPECT_EQ(node().members().size(), 1U) << "it adds nobody";
  EXPECT_TRUE(node().joining().MayAsk(cluster_.clock().monotonic_ms()));
  EXPECT_TRUE(IsTaken());
  EXPECT_EQ(client.Replies(), kOk);
}

// What is written meanwhile would be lost when it is taken in, or keep it out.
TEST_F(ClusterManagerCommand, ANodeThatJoinsServesNobody) {
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call(MeetRequest()), "");
  const std::string waits = "-CLUSTERDOWN This node waits to be taken into a cluster\r\n";
  EXPECT_EQ(Ask({"SET", "a", "1"}), waits);
  EXPECT_EQ(Ask(MeetRequest()), waits);
  EXPECT_TRUE(node().untouched());
}

TEST_F(ClusterManagerCommand, ANodeThatIsRefusedSaysSoAndGoesOnAlone) {
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call(MeetRequest()), "");
  EXPECT_TRUE(node().joining().MayAsk(cluster_.clock().monotonic_ms()));
  node().joining().Refused("ERR no");
  Pass(100);
  EXPECT_EQ(client.Replies(), "-ERR 127.0.0.1:7009 does not take this node in: ERR no\r\n");
  EXPECT_EQ(Ask({"SET", "a", "1"}), kOk);
}

TEST_F(ClusterManagerCommand, ANodeThatAnotherClusterTakesDoesNotSayOk) {
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call(MeetRequest()), "");
  EXPECT_TRUE(IsTaken());
  EXPECT_EQ(client.Replies(), "-ERR Another cluster has taken this node in\r\n");
}

TEST_F(ClusterManagerCommand, ANodeWithDataAddsTheOneThatItMeets) {
  EXPECT_EQ(Ask({"SET", "a", "1"}), kOk);
  TestClient client(cluster_, 1);
  client.Call(MeetRequest());
  EXPECT_FALSE(node().joining().active());
  EXPECT_EQ(node().raft().configuration().members.size(), 2U);
}

// The write came first, and is not in the key space yet.
TEST_F(ClusterManagerCommand, AWriteThatIsUnderWayDecidesWhoJoins) {
  cluster_.member(1).disk_works = false;
  TestClient writer(cluster_, 1);
  EXPECT_EQ(writer.Call({"SET", "a", "1"}), "");
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call(MeetRequest()), "");
  EXPECT_FALSE(node().joining().active());
  cluster_.member(1).disk_works = true;
  Pass(100);
  EXPECT_EQ(writer.Replies(), kOk);
  EXPECT_FALSE(node().joining().active());
  EXPECT_EQ(node().raft().configuration().members.size(), 2U);
}

// --- ADMIT ---

TEST_F(ClusterManagerCommand, TakesInWhoAsks) {
  TestClient asker(cluster_, 1);
  asker.Call({"CLUSTER", "ADMIT", "127.0.0.1", "7009", "17009", "0000000000000003"});
  EXPECT_EQ(node().raft().configuration().members.size(), 2U);
  EXPECT_EQ(Ask({"CLUSTER", "ADMIT", "127.0.0.1", "7008", "17008", "x3"}),
            "-ERR Invalid cluster id specified: x3\r\n");
}

TEST_F(ClusterManagerCommand, DoesNotTakeItselfIn) {
  EXPECT_EQ(Ask({"CLUSTER", "ADMIT", "127.0.0.1", "7009", "17009", "0000000000000007"}),
            "-ERR a node cannot be taken in by itself\r\n");
  EXPECT_EQ(node().raft().configuration().members.size(), 1U);
}

TEST_F(ClusterManagerCommand, ANodeThatHasAskedTakesNobodyIn) {
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call(MeetRequest()), "");
  EXPECT_TRUE(node().joining().MayAsk(cluster_.clock().monotonic_ms()));
  EXPECT_EQ(Ask({"CLUSTER", "ADMIT", "127.0.0.1", "7008", "17008", "0000000000000003"}),
            "-TRYAGAIN This node waits to be taken into a cluster itself\r\n");
  EXPECT_EQ(node().raft().configuration().members.size(), 1U);
}

TEST_F(ClusterManagerCommand, TakesInTheOneThatItWasToMeetWhenThatOneComesFirst) {
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call(MeetRequest()), "");
  TestClient asker(cluster_, 1);
  asker.Call({"CLUSTER", "ADMIT", "127.0.0.1", "7009", "17009", "0000000000000003"});
  EXPECT_FALSE(node().joining().active());
  EXPECT_EQ(node().raft().configuration().members.size(), 2U);
  EXPECT_FALSE(IsTaken());
}

// --- RESET ---

TEST_F(ClusterManagerCommand, ResetIsDoneWhereThereIsNothingToReset) {
  EXPECT_EQ(Ask({"CLUSTER", "RESET"}), kOk);
  EXPECT_EQ(Ask({"CLUSTER", "RESET", "HARD"}), kOk);
  EXPECT_EQ(Ask({"CLUSTER", "RESET", "now"}), "-ERR syntax error\r\n");
  EXPECT_EQ(Ask({"SET", "a", "1"}), kOk);
  EXPECT_EQ(Ask({"CLUSTER", "RESET"}),
            "-ERR CLUSTER RESET can't be called with master nodes containing keys\r\n");
  EXPECT_EQ(Ask({"DEL", "a"}), ":1\r\n");
  EXPECT_EQ(Ask({"CLUSTER", "RESET"}),
            "-ERR CLUSTER RESET can't be called with a node that has held data. Start it with an "
            "empty folder instead\r\n");
}

TEST_F(ClusterManagerOfThree, AMemberIsNotReset) {
  EXPECT_EQ(Ask({"CLUSTER", "RESET"}), kMembersAreNotReset);
  TestClient client(cluster_, 2);
  EXPECT_EQ(client.Call({"CLUSTER", "RESET", "SOFT"}), "") << "it may have been removed just now";
  Pass(6000);
  EXPECT_EQ(client.Replies(), kMembersAreNotReset);
}

TEST_F(ClusterManagerOfThree, WhoWasRemovedBelongsToNothing) {
  TestClient client(cluster_, 2);
  cluster_.member(2).connected = false;
  EXPECT_EQ(client.Call({"CLUSTER", "RESET", "SOFT"}), "");
  Pass(3000);
  EXPECT_EQ(client.Replies(), "") << "nobody has said so";
  cluster_.node(2).Removed("REMOVED");
  Pass(100);
  EXPECT_EQ(client.Replies(), kOk);
}

}  // namespace
}  // namespace quorate
