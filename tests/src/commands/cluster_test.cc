// CLUSTER, ROLE, READONLY and what INFO says of replication, on three real nodes: one shard, whose
// master is the Raft leader. Every node must tell the same story, or none.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kClusterDown = "-CLUSTERDOWN The cluster is down\r\n";

// As TestCluster makes it: cluster 7, ports 7001 and up.
std::string IdOf(uint64_t member) {
  return "0000000000000007" + std::string(23, '0') + std::to_string(member);
}

std::string Bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}

class ClusterCommand : public testing::Test {
 protected:
  // All know how the others are.
  ClusterCommand() {
    cluster_.MakeLeader(2);
    Pass(200);
  }

  std::string Ask(uint64_t member, const std::vector<std::string_view>& request) {
    return TestClient(cluster_, member).Call(request);
  }
  void Pass(int64_t time_ms) {
    for (int64_t passed = 0; passed < time_ms; passed += Node::kTickMs) cluster_.Tick();
  }
  bool Offers(uint64_t asked, uint64_t member) {
    return Ask(asked, {"CLUSTER", "SLOTS"}).find(IdOf(member)) != std::string::npos;
  }
  // What CLUSTER SHARDS says of that member.
  std::string ShardsHealth(uint64_t asked, uint64_t member) {
    const std::string reply = Ask(asked, {"CLUSTER", "SHARDS"});
    const size_t at = reply.find(IdOf(member));
    const std::string before = Bulk("health") + "$";
    const size_t health = reply.find(before, at);
    if (at == std::string::npos || health == std::string::npos) return "(none)";
    const size_t word = reply.find('\n', health + before.size()) + 1;
    return reply.substr(word, reply.find('\r', word) - word);
  }
  // Member 1 hears and reaches nobody any more, and has noticed.
  void CutOffMember(uint64_t member) {
    cluster_.member(member).connected = false;
    Pass(3000);
  }

  TestCluster cluster_{3};
};

std::string SlotsNode(uint64_t member) {
  return "*4\r\n" + Bulk("127.0.0.1") + ":" + std::to_string(7000 + member) + "\r\n" +
         Bulk(IdOf(member)) + "*0\r\n";
}

TEST_F(ClusterCommand, SlotsShowTheLeaderFirst) {
  for (uint64_t member : {1, 2, 3}) {
    EXPECT_EQ(Ask(member, {"CLUSTER", "SLOTS"}),
              "*1\r\n*5\r\n:0\r\n:16383\r\n" + SlotsNode(2) + SlotsNode(1) + SlotsNode(3))
        << "asked member " << member;
  }
}

TEST_F(ClusterCommand, SlotsFollowTheLeadership) {
  cluster_.MakeLeader(3);
  Pass(500);
  for (uint64_t member : {1, 2, 3}) {
    EXPECT_EQ(Ask(member, {"CLUSTER", "SLOTS"}),
              "*1\r\n*5\r\n:0\r\n:16383\r\n" + SlotsNode(3) + SlotsNode(1) + SlotsNode(2));
  }
}

// Clients read from what SLOTS lists; a follower that does not answer would fail them.
TEST_F(ClusterCommand, SlotsLeaveOutAFollowerThatDoesNotAnswer) {
  CutOffMember(1);
  for (uint64_t member : {2, 3}) {
    EXPECT_EQ(Ask(member, {"CLUSTER", "SLOTS"}),
              "*1\r\n*4\r\n:0\r\n:16383\r\n" + SlotsNode(2) + SlotsNode(3));
  }
  cluster_.member(1).connected = true;
  Pass(500);
  for (uint64_t member : {1, 2, 3}) EXPECT_TRUE(Offers(member, 1)) << member;
}

// It answers heartbeats, but its disk takes nothing.
TEST_F(ClusterCommand, SlotsLeaveOutAFollowerThatStaysBehind) {
  Pass(200);
  cluster_.member(1).disk_works = false;
  EXPECT_EQ(Ask(2, {"SET", "a", "1"}), kOk);
  Pass(1000);
  for (uint64_t member : {1, 2, 3}) EXPECT_TRUE(Offers(member, 1)) << "too early, " << member;
  Pass(3000);
  for (uint64_t member : {1, 2, 3}) {
    EXPECT_FALSE(Offers(member, 1)) << member;
    EXPECT_EQ(ShardsHealth(member, 1), "loading") << member;
    EXPECT_NE(TextOf(Ask(member, {"CLUSTER", "NODES"})).find("slave " + IdOf(2)),
              std::string::npos);
  }
  EXPECT_EQ(FieldOf(Ask(2, {"INFO", "replication"}), "connected_slaves"), "2");
  EXPECT_NE(FieldOf(Ask(2, {"INFO", "replication"}), "slave0").find("state=send_bulk"),
            std::string::npos);
  cluster_.member(1).disk_works = true;
  Pass(500);
  for (uint64_t member : {1, 2, 3}) EXPECT_TRUE(Offers(member, 1)) << member;
}

// A member that nobody has ever heard of is none to read from.
TEST_F(ClusterCommand, SlotsLeaveOutAMemberThatWasNeverThere) {
  cluster_.newcomers_follow = false;
  EXPECT_EQ(Ask(2, {"CLUSTER", "MEET", "127.0.0.1", "7009"}), "");
  Pass(500);
  for (uint64_t member : {1, 2, 3}) {
    EXPECT_EQ(Ask(member, {"CLUSTER", "SLOTS"}).find(SlotsNode(4)), std::string::npos);
    EXPECT_EQ(Ask(member, {"CLUSTER", "SHARDS"}).find(IdOf(4)), std::string::npos);
    const std::string nodes = TextOf(Ask(member, {"CLUSTER", "NODES"}));
    EXPECT_NE(nodes.find(IdOf(4) + " 127.0.0.1:7009@17009 handshake - 0 0 "), std::string::npos);
    EXPECT_TRUE(nodes.ends_with(" disconnected\n")) << nodes;
  }
  EXPECT_EQ(Ask(2, {"CLUSTER", "REPLICAS", IdOf(2)}).find("*2\r\n"), 0U);
  EXPECT_EQ(FieldOf(Ask(2, {"INFO", "replication"}), "connected_slaves"), "2");
}

TEST_F(ClusterCommand, ShardsDescribeAllNodes) {
  for (uint64_t member : {1, 2, 3}) {
    TestClient client(cluster_, member);
    client.Call({"HELLO", "3"});
    const std::string reply = client.Call({"CLUSTER", "SHARDS"});
    EXPECT_EQ(reply.find("*1\r\n%2\r\n" + Bulk("slots") + "*2\r\n:0\r\n:16383\r\n" + Bulk("nodes") +
                         "*3\r\n%7\r\n" + Bulk("id") + Bulk(IdOf(2)) + Bulk("port") + ":7002\r\n" +
                         Bulk("ip") + Bulk("127.0.0.1") + Bulk("endpoint") + Bulk("127.0.0.1") +
                         Bulk("role") + Bulk("master") + Bulk("replication-offset")),
              0U)
        << reply;
    for (uint64_t follower : {1, 3}) {
      const size_t at = reply.find(Bulk("id") + Bulk(IdOf(follower)));
      ASSERT_NE(at, std::string::npos);
      EXPECT_NE(reply.find(Bulk("role") + Bulk("replica"), at), std::string::npos);
      EXPECT_NE(reply.find(Bulk("health") + Bulk("online"), at), std::string::npos);
    }
  }
}

TEST_F(ClusterCommand, ShardsShowWhoHasFailed) {
  CutOffMember(1);
  for (uint64_t member : {2, 3}) {
    EXPECT_EQ(ShardsHealth(member, 1), "failed");
    EXPECT_EQ(ShardsHealth(member, 2), "online");
    EXPECT_EQ(ShardsHealth(member, 3), "online");
  }
}

TEST_F(ClusterCommand, NodesHaveALineForEach) {
  const std::string term = std::to_string(cluster_.node(2).raft().current_term().value());
  EXPECT_EQ(TextOf(Ask(1, {"CLUSTER", "NODES"})),
            IdOf(1) + " 127.0.0.1:7001@17001 myself,slave " + IdOf(2) + " 0 0 " + term +
                " connected\n" + IdOf(2) + " 127.0.0.1:7002@17002 master - 0 0 " + term +
                " connected 0-16383\n" + IdOf(3) + " 127.0.0.1:7003@17003 slave " + IdOf(2) +
                " 0 0 " + term + " connected\n");
  const std::string on_leader = TextOf(Ask(2, {"CLUSTER", "NODES"}));
  EXPECT_NE(on_leader.find(IdOf(2) + " 127.0.0.1:7002@17002 myself,master - "), std::string::npos);
}

TEST_F(ClusterCommand, NodesShowWhoHasFailed) {
  const auto expect_flags = [&](const std::string& flags) {
    for (uint64_t member : {2, 3}) {
      const std::string nodes = TextOf(Ask(member, {"CLUSTER", "NODES"}));
      EXPECT_NE(nodes.find(IdOf(1) + " 127.0.0.1:7001@17001 " + flags + " "), std::string::npos)
          << nodes;
      EXPECT_EQ(std::count(nodes.begin(), nodes.end(), '\n'), 3);
      const size_t line = nodes.find(IdOf(1));
      EXPECT_LT(nodes.find(" disconnected", line), nodes.find('\n', line));
    }
  };
  cluster_.member(1).connected = false;
  Pass(800);
  expect_flags("slave,fail?");
  Pass(2000);
  expect_flags("slave,fail");
}

// Nobody tells this node how the others are.
TEST_F(ClusterCommand, ANodeWithoutALeaderReachesNobody) {
  CutOffMember(1);
  const std::string nodes = TextOf(Ask(1, {"CLUSTER", "NODES"}));
  EXPECT_NE(nodes.find(IdOf(1) + " 127.0.0.1:7001@17001 myself,slave - "), std::string::npos);
  for (uint64_t member : {2, 3}) {
    const size_t line = nodes.find(IdOf(member));
    EXPECT_LT(nodes.find(" slave,fail? - ", line), nodes.find('\n', line)) << nodes;
  }
}

TEST_F(ClusterCommand, Info) {
  const std::string info = Ask(1, {"CLUSTER", "INFO"});
  EXPECT_EQ(FieldOf(info, "cluster_state"), "ok");
  EXPECT_EQ(FieldOf(info, "cluster_slots_assigned"), "16384");
  EXPECT_EQ(FieldOf(info, "cluster_slots_ok"), "16384");
  EXPECT_EQ(FieldOf(info, "cluster_slots_fail"), "0");
  EXPECT_EQ(FieldOf(info, "cluster_known_nodes"), "3");
  EXPECT_EQ(FieldOf(info, "cluster_size"), "1");
  EXPECT_EQ(FieldOf(info, "cluster_current_epoch"),
            std::to_string(cluster_.node(1).raft().current_term().value()));
}

// A node that cannot reach a majority must not show an old leader as if it were alive, and its
// error must be one on which clients ask another node.
TEST_F(ClusterCommand, WithoutAMajorityNobodyIsMaster) {
  for (uint64_t alone : {1, 2}) {
    CutOffMember(alone);
    SCOPED_TRACE("member " + std::to_string(alone));
    EXPECT_EQ(Ask(alone, {"CLUSTER", "SLOTS"}), kClusterDown);
    EXPECT_EQ(Ask(alone, {"CLUSTER", "SHARDS"}), kClusterDown);
    EXPECT_EQ(FieldOf(Ask(alone, {"CLUSTER", "INFO"}), "cluster_state"), "fail");
    EXPECT_EQ(FieldOf(Ask(alone, {"CLUSTER", "INFO"}), "cluster_slots_ok"), "0");
    const std::string nodes = TextOf(Ask(alone, {"CLUSTER", "NODES"}));
    EXPECT_EQ(nodes.find("master"), std::string::npos) << nodes;
    EXPECT_EQ(nodes.find("0-16383"), std::string::npos) << nodes;
    const std::string replication = Ask(alone, {"INFO", "replication"});
    EXPECT_EQ(FieldOf(replication, "role"), "slave");
    EXPECT_EQ(FieldOf(replication, "master_link_status"), "down");
    EXPECT_EQ(FieldOf(replication, "connected_slaves"), "0");
    EXPECT_EQ(Ask(alone, {"ROLE"}).find("*5\r\n$5\r\nslave\r\n$0\r\n\r\n:0\r\n$7\r\nconnect\r\n"),
              0U);
    cluster_.member(alone).connected = true;
    cluster_.MakeLeader(2);
    Pass(500);
  }
}

TEST_F(ClusterCommand, EachNodeKnowsItsOwnId) {
  for (uint64_t member : {1, 2, 3}) {
    EXPECT_EQ(Ask(member, {"CLUSTER", "MYID"}), Bulk(IdOf(member)));
  }
}

// The slots are Redis's, known from its specification and its clients' tests.
TEST_F(ClusterCommand, KeySlot) {
  EXPECT_EQ(Ask(1, {"CLUSTER", "KEYSLOT", "foo"}), ":12182\r\n");
  EXPECT_EQ(Ask(1, {"CLUSTER", "KEYSLOT", "a{foo}b"}), ":12182\r\n");
  EXPECT_EQ(Ask(1, {"CLUSTER", "KEYSLOT", "123456789"}), ":12739\r\n");
  EXPECT_EQ(Ask(1, {"CLUSTER", "KEYSLOT", ""}), ":0\r\n");
}

TEST_F(ClusterCommand, CountKeysInSlot) {
  EXPECT_EQ(Ask(2, {"MSET", "foo", "1", "{foo}2", "2", "bar", "3"}), kOk);
  for (uint64_t member : {1, 2, 3}) {
    EXPECT_EQ(Ask(member, {"CLUSTER", "COUNTKEYSINSLOT", "12182"}), ":2\r\n");
    EXPECT_EQ(Ask(member, {"CLUSTER", "COUNTKEYSINSLOT", "1"}), ":0\r\n");
  }
  EXPECT_EQ(Ask(2, {"CLUSTER", "COUNTKEYSINSLOT", "16384"}), "-ERR Invalid slot\r\n");
  EXPECT_EQ(Ask(2, {"CLUSTER", "COUNTKEYSINSLOT", "-1"}), "-ERR Invalid slot\r\n");
  EXPECT_EQ(Ask(2, {"CLUSTER", "COUNTKEYSINSLOT", "x"}),
            "-ERR value is not an integer or out of range\r\n");
}

// It looks at many keys: once a round, for all clients together. What a client sends behind it
// waits for it, in its place.
TEST_F(ClusterCommand, CountKeysInSlotOnceARound) {
  const std::string count = Request({"CLUSTER", "COUNTKEYSINSLOT", "12182"});
  const std::string set = Request({"SET", "foo", "1"});
  constexpr int kClients = 20;
  std::vector<std::shared_ptr<Session>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(cluster_.Connect(2));
    cluster_.Send(2, *clients.back(), count + set + count);
  }
  auto& calls = cluster_.member(2).statistics.commands;
  const size_t number = FindSubcommand(*Commands().Find("cluster"), "countkeysinslot")->number;
  std::vector<std::string> replies(kClients);
  uint64_t before = 0;
  for (int round = 0; round < 8 * kClients; ++round) {
    cluster_.Step();
    EXPECT_LE(calls[number].calls, before + 1);
    before = calls[number].calls;
    for (size_t i = 0; i < clients.size(); ++i) {
      replies[i] += TestCluster::Replies(*clients[i]);
      cluster_.member(2).dispatcher->Resume(*clients[i]);
    }
  }
  EXPECT_EQ(before, 2U * kClients);
  EXPECT_EQ(replies[0], ":0\r\n+OK\r\n:1\r\n");
  for (const std::string& each : replies) EXPECT_TRUE(each.ends_with("\r\n+OK\r\n:1\r\n")) << each;
}

TEST_F(ClusterCommand, ReplicasAreTheFollowers) {
  for (std::string_view name : {"REPLICAS", "slaves"}) {
    const std::string reply = Ask(1, {"CLUSTER", name, IdOf(2)});
    EXPECT_EQ(reply.find("*2\r\n"), 0U);
    EXPECT_NE(reply.find(IdOf(1) + " 127.0.0.1:7001@17001 myself,slave "), std::string::npos);
    EXPECT_NE(reply.find(IdOf(3) + " 127.0.0.1:7003@17003 slave "), std::string::npos);
  }
  EXPECT_EQ(Ask(1, {"CLUSTER", "REPLICAS", IdOf(3)}),
            "-ERR The specified node is not a master\r\n");
  EXPECT_EQ(Ask(1, {"CLUSTER", "REPLICAS", "nope"}), "-ERR Unknown node nope\r\n");
}

TEST_F(ClusterCommand, FailoverOnAFollowerMakesItLeader) {
  EXPECT_EQ(Ask(3, {"CLUSTER", "FAILOVER"}), kOk);
  Pass(500);
  EXPECT_TRUE(cluster_.node(3).raft().leader_is_established());
  EXPECT_EQ(Ask(1, {"CLUSTER", "SLOTS"}).find("*1\r\n*5\r\n:0\r\n:16383\r\n" + SlotsNode(3)), 0U);
}

TEST_F(ClusterCommand, FailoverIsRefusedWhereItMakesNoSense) {
  EXPECT_EQ(Ask(2, {"CLUSTER", "FAILOVER"}),
            "-ERR You should send CLUSTER FAILOVER to a replica\r\n");
  EXPECT_EQ(Ask(3, {"CLUSTER", "FAILOVER", "nope"}), "-ERR syntax error\r\n");
  for (std::string_view mode : {"FORCE", "takeover"}) {
    EXPECT_EQ(Ask(3, {"CLUSTER", "FAILOVER", mode})
                  .find("-ERR CLUSTER FAILOVER without the leader's consent is not supported"),
              0U);
  }
  CutOffMember(3);
  EXPECT_EQ(Ask(3, {"CLUSTER", "FAILOVER"}).find("-ERR No leader is known"), 0U);
  Pass(500);
  EXPECT_TRUE(cluster_.node(2).raft().is_leader());
}

TEST_F(ClusterCommand, RoleOnLeaderAndFollower) {
  const auto applied = [&](uint64_t member) {
    return std::to_string(cluster_.node(member).keys().last_applied().value());
  };
  Pass(200);
  EXPECT_EQ(Ask(2, {"ROLE"}), "*3\r\n$6\r\nmaster\r\n:" + applied(2) + "\r\n*2\r\n*3\r\n" +
                                  Bulk("127.0.0.1") + Bulk("7001") + Bulk(applied(2)) + "*3\r\n" +
                                  Bulk("127.0.0.1") + Bulk("7003") + Bulk(applied(2)));
  EXPECT_EQ(Ask(1, {"ROLE"}), "*5\r\n$5\r\nslave\r\n" + Bulk("127.0.0.1") +
                                  ":7002\r\n$9\r\nconnected\r\n:" + applied(1) + "\r\n");
}

TEST_F(ClusterCommand, InfoReplication) {
  Pass(200);
  const std::string leader = Ask(2, {"INFO", "replication"});
  EXPECT_EQ(FieldOf(leader, "role"), "master");
  EXPECT_EQ(FieldOf(leader, "connected_slaves"), "2");
  const std::string offset = FieldOf(leader, "master_repl_offset");
  EXPECT_EQ(FieldOf(leader, "slave0"),
            "ip=127.0.0.1,port=7001,state=online,offset=" + offset + ",lag=0");
  EXPECT_EQ(FieldOf(leader, "slave1"),
            "ip=127.0.0.1,port=7003,state=online,offset=" + offset + ",lag=0");
  EXPECT_EQ(FieldOf(leader, "master_host"), "(none)");
  const std::string follower = Ask(3, {"INFO", "replication"});
  EXPECT_EQ(FieldOf(follower, "role"), "slave");
  EXPECT_EQ(FieldOf(follower, "master_host"), "127.0.0.1");
  EXPECT_EQ(FieldOf(follower, "master_port"), "7002");
  EXPECT_EQ(FieldOf(follower, "master_link_status"), "up");
  EXPECT_EQ(FieldOf(follower, "connected_slaves"), "0");
  EXPECT_EQ(FieldOf(follower, "master_replid"), FieldOf(leader, "master_replid"));
  CutOffMember(1);
  EXPECT_EQ(FieldOf(Ask(2, {"INFO", "replication"}), "connected_slaves"), "1");
}

TEST_F(ClusterCommand, InfoRaft) {
  EXPECT_EQ(Ask(2, {"SET", "a", "1"}), kOk);
  Pass(200);
  const std::string leader = Ask(2, {"INFO", "raft"});
  const std::string follower = Ask(1, {"INFO", "raft"});
  EXPECT_EQ(FieldOf(leader, "raft_role"), "leader");
  EXPECT_EQ(FieldOf(follower, "raft_role"), "follower");
  EXPECT_EQ(FieldOf(leader, "raft_node_id"), "2");
  EXPECT_EQ(FieldOf(follower, "raft_leader_id"), "2");
  EXPECT_EQ(FieldOf(follower, "raft_cluster_id"), "0000000000000007");
  for (const char* name : {"raft_term", "raft_commit_index", "raft_last_applied",
                           "raft_last_log_index", "raft_state_digest"}) {
    EXPECT_EQ(FieldOf(follower, name), FieldOf(leader, name)) << name;
    EXPECT_NE(FieldOf(leader, name), "(none)") << name;
  }
  for (const char* name : {"raft_first_log_index", "raft_durable_index", "raft_snapshot_index",
                           "raft_last_commit_usec", "raft_requests_in_flight"}) {
    EXPECT_NE(FieldOf(leader, name), "(none)") << name;
    EXPECT_NE(FieldOf(follower, name), "(none)") << name;
  }
  const std::string last = FieldOf(leader, "raft_last_log_index");
  const std::string next = std::to_string(std::stoull(last) + 1);
  EXPECT_EQ(FieldOf(leader, "raft_peer0"),
            "id=1,address=127.0.0.1:17001,voter=1,match_index=" + last + ",next_index=" + next +
                ",lag=0,active=1,feature_level=1,snapshot_bytes_sent=0");
  EXPECT_EQ(FieldOf(leader, "raft_peer1").find("id=3,"), 0U);
  EXPECT_EQ(FieldOf(follower, "raft_peer0"), "(none)");
}

// What lies behind shows as lag.
TEST_F(ClusterCommand, InfoRaftShowsWhoLags) {
  CutOffMember(1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(2, {"SET", "a", "1"}), kOk);
  const std::string peer = FieldOf(Ask(2, {"INFO", "raft"}), "raft_peer0");
  EXPECT_EQ(peer.find("id=1,"), 0U) << peer;
  EXPECT_NE(peer.find(",lag=3,active=0"), std::string::npos) << peer;
}

TEST_F(ClusterCommand, HelloTellsTheRole) {
  EXPECT_NE(Ask(2, {"HELLO"}).find(Bulk("role") + Bulk("master")), std::string::npos);
  EXPECT_NE(Ask(1, {"HELLO"}).find(Bulk("role") + Bulk("replica")), std::string::npos);
}

}  // namespace
}  // namespace quorate
