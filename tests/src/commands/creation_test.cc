// CLUSTER CREATE: three first members without data, whom somebody has to tell that they are to
// found their cluster.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "consensus/founding.h"
#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kNotCreated =
    "-CLUSTERDOWN This node has no data and has heard of no cluster: to create a new one, send "
    "CLUSTER CREATE\r\n";

class CreateCommand : public testing::Test {
 protected:
  static NodeOptions Options() {
    NodeOptions options;
    options.raft.founds_unasked = false;
    options.raft.founding = consensus::Payload(Encode(consensus::DrawFounding()));
    return options;
  }
  void Pass(int64_t time_ms) {
    for (int64_t passed = 0; passed < time_ms; passed += Node::kTickMs) cluster_.Tick();
  }
  std::string Ask(uint64_t member, const std::vector<std::string_view>& request) {
    TestClient client(cluster_, member);
    std::string reply = client.Call(request);
    Pass(3000);
    return reply + client.Replies();
  }
  std::string Create(uint64_t member) { return Ask(member, {"CLUSTER", "CREATE"}); }
  bool Says(uint64_t member, const std::vector<std::string_view>& request, std::string_view text) {
    return Ask(member, request).find(text) != std::string::npos;
  }
  void ExpectNothingIsLeft() {
    for (uint64_t member : {1, 2, 3}) {
      cluster_.Restart(member);
      EXPECT_TRUE(cluster_.node(member).waits_for_create()) << member;
      EXPECT_EQ(cluster_.node(member).raft().current_term(), consensus::Term()) << member;
    }
  }
  bool AllServe() {
    return std::ranges::all_of(std::vector<uint64_t>{1, 2, 3}, [&](uint64_t member) {
      return Ask(member, {"DBSIZE"}) == ":0\r\n";
    });
  }

  TestCluster cluster_{3, Options()};
};

TEST_F(CreateCommand, UntilThenNothingIsDone) {
  Pass(3000);
  for (const auto& request :
       std::vector<std::vector<std::string_view>>{{"SET", "a", "1"},
                                                  {"GET", "a"},
                                                  {"DBSIZE"},
                                                  {"CLUSTER", "SLOTS"},
                                                  {"CLUSTER", "SHARDS"},
                                                  {"CLUSTER", "MEET", "127.0.0.1", "7009"}}) {
    EXPECT_EQ(Ask(1, request), kNotCreated) << request[0];
  }
  EXPECT_TRUE(Says(1, {"CLUSTER", "INFO"}, "cluster_state:fail"));
  EXPECT_TRUE(Says(1, {"CLUSTER", "INFO"}, "cluster_known_nodes:1\r\n"));
  EXPECT_TRUE(Says(1, {"INFO", "raft"}, "raft_waits_for_create:1"));
  EXPECT_TRUE(Says(1, {"CLUSTER", "NODES"}, ":7001@17001 myself,master - 0 0 0 connected\n"));
  EXPECT_TRUE(Says(1, {"CLUSTER", "NODES"}, ":7002@17002 handshake - 0 0 0 disconnected\n"));
  ExpectNothingIsLeft();
}

TEST_F(CreateCommand, FoundsTheClusterOnce) {
  EXPECT_EQ(Create(2), kOk);
  EXPECT_TRUE(AllServe());
  EXPECT_TRUE(Says(3, {"INFO", "raft"}, "raft_waits_for_create:0"));
  const consensus::FoundingId founding = cluster_.node(1).raft().founding();
  EXPECT_NE(founding, consensus::FoundingId());
  // Whoever repeats it changes nothing.
  EXPECT_EQ(Create(2), kOk);
  EXPECT_EQ(Create(3), kOk);
  EXPECT_EQ(cluster_.node(3).raft().founding(), founding);
}

TEST_F(CreateCommand, AtTwoNodesAtOnceFoundsOneCluster) {
  TestClient one(cluster_, 1);
  TestClient three(cluster_, 3);
  std::string first = one.Call({"CLUSTER", "CREATE"});
  std::string second = three.Call({"CLUSTER", "CREATE"});
  Pass(3000);
  EXPECT_EQ(first + one.Replies(), kOk);
  EXPECT_EQ(second + three.Replies(), kOk);
  EXPECT_EQ(cluster_.node(1).raft().founding(), cluster_.node(3).raft().founding());
}

TEST_F(CreateCommand, TakesAllFirstMembersAndElseLeavesNothing) {
  cluster_.member(3).connected = false;
  TestClient client(cluster_, 1);
  std::string reply = client.Call({"CLUSTER", "CREATE"});
  Pass(4900);
  EXPECT_EQ(reply + client.Replies(), "");
  Pass(200);
  EXPECT_EQ(client.Replies(),
            "-ERR the cluster is not created: it takes all its first members at once, without "
            "data. Missing: node 3 at 127.0.0.1:7003@17003 (not reached, or it holds data)\r\n");
  cluster_.member(3).connected = true;
  Pass(3000);
  EXPECT_TRUE(cluster_.node(1).waits_for_create()) << "the answer was that it does not";
  ExpectNothingIsLeft();
  EXPECT_EQ(Create(1), kOk);
  EXPECT_TRUE(AllServe());
}

TEST_F(CreateCommand, SaysWhatIsInAFirstMembersPlace) {
  cluster_.member(3).connected = false;
  cluster_.node(1).PeerRefused(consensus::NodeId(3), "this is node 1 of cluster 9");
  TestClient client(cluster_, 1);
  std::string reply = client.Call({"CLUSTER", "CREATE"});
  Pass(5200);
  EXPECT_EQ(reply + client.Replies(),
            "-ERR the cluster is not created: it takes all its first members at once, without "
            "data. Missing: node 3 at 127.0.0.1:7003@17003 (it says: this is node 1 of cluster "
            "9)\r\n");
}

// Some have voted when one of them fails: then the cluster is there when it is back, asked or not.
TEST_F(CreateCommand, IsCarriedOutOnceAVoteIsOnADisk) {
  cluster_.member(3).disk_works = false;
  TestClient client(cluster_, 1);
  std::string reply = client.Call({"CLUSTER", "CREATE"});
  Pass(2000);
  cluster_.Restart(3);
  cluster_.member(3).connected = false;
  EXPECT_TRUE(cluster_.node(3).waits_for_create());
  Pass(5000);
  EXPECT_EQ(reply + client.Replies(),
            "-UNKNOWN the first election has begun and is not decided: the cluster is there as "
            "soon as all its first members are in touch\r\n");
  cluster_.Restart(1);
  cluster_.Restart(2);
  cluster_.member(3).disk_works = true;
  cluster_.member(3).connected = true;
  Pass(5000);
  EXPECT_TRUE(AllServe());
}

// As redis-cli --cluster create does it.
TEST_F(CreateCommand, FirstMembersThatAreToMeetFoundTheirCluster) {
  EXPECT_EQ(Ask(2, {"CLUSTER", "ADDSLOTSRANGE", "0", "16383"}), kOk);
  EXPECT_EQ(Ask(2, {"CLUSTER", "MEET", "127.0.0.1", "7001"}), kOk);
  EXPECT_EQ(Ask(3, {"CLUSTER", "MEET", "127.0.0.1", "7001"}), kOk);
  EXPECT_TRUE(AllServe());
  EXPECT_EQ(cluster_.node(2).members().size(), 3U);
}

TEST_F(CreateCommand, IsRefusedByAMemberThatHasLostItsData) {
  cluster_.node(3).Receive(consensus::NodeId(1),
                           consensus::Heartbeat{consensus::Term(5), consensus::Index(), 1});
  EXPECT_EQ(Create(3),
            "-ERR the cluster is not created: another first member holds data of this cluster "
            "already, and this node has lost its own\r\n");
}

TEST_F(CreateCommand, SaysSoWhereTheClusterHasNoLeader) {
  ASSERT_EQ(Create(1), kOk);
  cluster_.member(1).connected = false;
  Pass(3000);
  TestClient client(cluster_, 1);
  std::string reply = client.Call({"CLUSTER", "CREATE"});
  Pass(5200);
  EXPECT_EQ(reply + client.Replies(),
            "-CLUSTERDOWN The cluster was created before, and no leader is known now\r\n");
}

TEST_F(CreateCommand, ANodeThatWasStartedAloneIsAClusterAlready) {
  NodeOptions options;
  options.may_be_adopted = true;
  options.may_be_created = false;
  TestCluster alone(1, options);
  alone.WaitForLeader();
  EXPECT_EQ(
      TestClient(alone, 1).Call({"CLUSTER", "CREATE"}),
      "-ERR this node was started alone and is a cluster already: CLUSTER MEET adds other nodes "
      "to it\r\n");
}

// The same program sets up clusters of three and of one.
TEST_F(CreateCommand, AnInitialClusterOfOneAnswersWhenItIsFounded) {
  NodeOptions options = Options();
  options.may_be_adopted = true;
  TestCluster alone(1, options);
  alone.member(1).disk_works = false;
  TestClient client(alone, 1);
  std::string reply = client.Call({"CLUSTER", "CREATE"});
  for (int ticks = 0; ticks < 100; ++ticks) alone.Tick();
  EXPECT_EQ(reply + client.Replies(), "") << "nothing is on its disk";
  alone.member(1).disk_works = true;
  alone.WaitForLeader();
  for (int ticks = 0; ticks < 100; ++ticks) alone.Tick();
  EXPECT_EQ(client.Replies(), "+OK\r\n");
  EXPECT_EQ(client.Call({"CLUSTER", "CREATE"}), "+OK\r\n");
}

TEST_F(CreateCommand, TakesNoArguments) {
  EXPECT_EQ(Ask(1, {"CLUSTER", "CREATE", "127.0.0.1:7002"}),
            "-ERR wrong number of arguments for 'cluster|create' command\r\n");
}

}  // namespace
}  // namespace quorate
