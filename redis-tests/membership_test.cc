// A cluster grows, shrinks, moves and loses members while clients write: nothing is lost, nobody
// sees anything but redirections.

#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/forwarder.h"
#include "redis-tests/support/free_ports.h"
#include "redis-tests/support/load.h"

namespace quorate::redis_tests {

namespace {

class Membership : public ::testing::Test {
 protected:
  void StartWith(int size, std::vector<std::string> flags = {}) {
    Cluster::Options options;
    options.size = size;
    options.flags = std::move(flags);
    cluster_ = std::make_unique<Cluster>(options);
    ASSERT_TRUE(cluster_->Start());
  }
  // From a node that was started alone.
  void GrowToThree() {
    ASSERT_NO_FATAL_FAILURE(StartWith(1));
    for (int added = 2; added <= 3; ++added) {
      ASSERT_EQ(cluster().Add(), added);
      cluster().Restart(added);
      EXPECT_EQ(Meet(1, added), Status("OK"));
      ASSERT_TRUE(Eventually(kDeadlineMs,
                             [&] { return Field(1, "raft_voters") == std::to_string(added); }));
    }
  }
  ~Membership() override {
    if (HasFailure() && cluster_) cluster_->PrintLogs(std::cerr);
  }

  Cluster& cluster() { return *cluster_; }

  // A field of INFO, as text.
  std::string Field(int id, const std::string& name) {
    return redis_tests::Field(Client(cluster().port(id)).Command({"INFO"}).text, name);
  }
  // Whether every one of these nodes comes to know of so many voters.
  bool WaitForVoters(const std::vector<int>& nodes, int voters) {
    return Eventually(kDeadlineMs, [&] {
      for (int id : nodes) {
        if (Field(id, "raft_voters") != std::to_string(voters)) return false;
      }
      return true;
    });
  }
  Reply Meet(int asked, int added) {
    return Client(cluster().port(asked))
        .Command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster().port(added))});
  }
  std::string MyId(int id) { return Client(cluster().port(id)).Command({"CLUSTER", "MYID"}).text; }
  Reply Forget(int asked, int removed) {
    return Client(cluster().port(asked)).Command({"CLUSTER", "FORGET", MyId(removed)});
  }
  // Some member that serves and is neither the leader nor `other`.
  int Follower(const std::vector<int>& members, int leader) {
    for (int id : members) {
      if (id != leader) return id;
    }
    return Cluster::kNoNode;
  }

 private:
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(Membership, OneGrowsToThreeAndFiveAndShrinksToThreeUnderLoad) {
  ASSERT_NO_FATAL_FAILURE(StartWith(1));
  for (int added = 2; added <= 5; ++added) ASSERT_EQ(cluster().Add(), added);
  Load load(cluster().ports(), "member:");
  ASSERT_TRUE(load.WaitForAcknowledged(50));

  // One by MEET, one that asks for it by itself.
  cluster().Restart(2);
  EXPECT_EQ(Meet(1, 2), Status("OK"));
  ASSERT_TRUE(WaitForVoters({1, 2}, 2));
  cluster().AddFlags(3, {"--join", "127.0.0.1:" + std::to_string(cluster().port(2))});
  cluster().Restart(3);
  ASSERT_TRUE(WaitForVoters({1, 2, 3}, 3));
  ASSERT_TRUE(load.WaitForAcknowledged(50));

  for (int added : {4, 5}) {
    cluster().Restart(added);
    EXPECT_EQ(Meet(Follower({1, 2, 3}, cluster().WaitForLeader()), added), Status("OK"));
  }
  ASSERT_TRUE(WaitForVoters({1, 2, 3, 4, 5}, 5));
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  // Five bear the loss of two.
  cluster().Kill9(4);
  cluster().Kill9(cluster().WaitForLeader());
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  ASSERT_TRUE(cluster().Heal());

  // The leader goes first, which moves leadership without an election timeout.
  const int leader = cluster().WaitForLeader();
  const int asked = Follower({1, 2, 3, 4, 5}, leader);
  EXPECT_EQ(Forget(asked, leader), Status("OK"));
  std::vector<int> members;
  for (int id = 1; id <= 5; ++id) {
    if (id != leader) members.push_back(id);
  }
  ASSERT_TRUE(WaitForVoters(members, 4));
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  const int second = Follower(members, asked);
  EXPECT_EQ(Forget(asked, second), Status("OK"));
  std::erase(members, second);
  ASSERT_TRUE(WaitForVoters(members, 3));
  ASSERT_TRUE(load.WaitForAcknowledged(50));

  // Who was removed says so, also after a restart, and disturbs nobody.
  const std::string term = Field(asked, "raft_term");
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(second)).Command({"GET", "key"}) ==
           Error("CLUSTERDOWN This node was removed from the cluster");
  }));
  cluster().Kill9(second);
  cluster().Restart(second);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(second)).Command({"GET", "key"}) ==
           Error("CLUSTERDOWN This node was removed from the cluster");
  }));
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  EXPECT_EQ(Field(asked, "raft_term"), term);
  cluster().Kill9(second);
  cluster().Kill9(leader);
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}

// What has been applied is known to nobody then: only the logs tell who is to vote.
TEST_F(Membership, AClusterThatGrewAndFellBeforeItsNextCheckpointComesBack) {
  ASSERT_NO_FATAL_FAILURE(StartWith(1, {"--checkpoint-interval", "3600000"}));
  ASSERT_EQ(cluster().Add(), 2);
  cluster().Restart(2);
  EXPECT_EQ(Meet(1, 2), Status("OK"));
  ASSERT_TRUE(WaitForVoters({1, 2}, 2));
  ASSERT_EQ(Client(cluster().port(cluster().WaitForLeader())).Command({"SET", "key", "value"}),
            Status("OK"));
  for (int id : {1, 2}) cluster().Kill9(id);
  ASSERT_TRUE(cluster().Heal());
  EXPECT_EQ(Client(cluster().port(cluster().WaitForLeader())).Command({"GET", "key"}),
            Text("value"));
}

TEST_F(Membership, AChangeThatWouldLeaveNoLiveMajorityIsRefused) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int leader = cluster().WaitForLeader();
  const int dead = leader == 1 ? 2 : 1;
  const int alive = 6 - leader - dead;
  const std::string dead_id = MyId(dead);
  cluster().Kill9(dead);
  // Of two voters, both would be needed, and one is the dead one.
  Client client(cluster().port(leader));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(leader, "connected_slaves") == "1"; }));
  const Reply refused = client.Command({"CLUSTER", "FORGET", MyId(alive)});
  ASSERT_TRUE(refused.is_error());
  EXPECT_NE(refused.text.find("too few"), std::string::npos) << refused.text;
  // The dead one may go.
  EXPECT_EQ(client.Command({"CLUSTER", "FORGET", dead_id}), Status("OK"));
  ASSERT_TRUE(WaitForVoters({leader, alive}, 2));
  EXPECT_EQ(client.Command({"CLUSTER", "FORGET", dead_id}), Status("OK")) << "it is forgotten";
}

TEST_F(Membership, ANodeThatHasDataIsNotTakenIn) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int other = cluster().Add();
  cluster().Restart(other);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(other)).Command({"SET", "its", "own"}) == Status("OK");
  }));
  // A write makes it a cluster of its own for good, whatever has become of the key.
  ASSERT_EQ(Client(cluster().port(other)).Command({"DEL", "its"}), Integer(1));
  const std::string log_end = Field(cluster().WaitForLeader(), "raft_last_log_index");
  for (int asked = 1; asked <= 3; ++asked) {
    const Reply reply = Meet(asked, other);
    ASSERT_TRUE(reply.IsError("ERR"));
    EXPECT_NE(reply.text.find("it holds data, or belongs to another cluster"), std::string::npos)
        << reply.text;
    EXPECT_EQ(Field(asked, "raft_members"), "3");
  }
  EXPECT_EQ(Field(cluster().WaitForLeader(), "raft_last_log_index"), log_end) << "nothing is left";
  EXPECT_EQ(Client(cluster().port(other)).Command({"SET", "its", "own"}), Status("OK"));
  EXPECT_EQ(Field(other, "raft_members"), "1");
  // Nor is a member of another cluster.
  const Reply reply = Meet(other, 1);
  ASSERT_TRUE(reply.IsError("ERR"));
  EXPECT_EQ(Field(other, "raft_members"), "1");
  cluster().Kill9(other);
}

TEST_F(Membership, WhereNobodyAnswersNobodyIsAddedAndNobodyIsReplaced) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3, {"--request-timeout", "1000"}));
  const int leader = cluster().WaitForLeader();
  const int dead = Follower({1, 2, 3}, leader);
  const int other = cluster().Add();
  const std::string nobody = "no node answers at 127.0.0.1:";
  EXPECT_NE(Meet(leader, other).text.find(nobody), std::string::npos);
  cluster().Kill9(dead);
  const Reply reply = Meet(leader, dead);
  EXPECT_NE(reply.text.find(nobody), std::string::npos) << reply.text;
  EXPECT_NE(reply.text.find("Node " + std::to_string(dead) + " stays a member"), std::string::npos)
      << reply.text;
  EXPECT_EQ(Field(leader, "raft_members"), "3");
  // It was only rebooting.
  cluster().Restart(dead);
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return Meet(leader, dead) == Status("OK"); }));
  EXPECT_EQ(Field(dead, "raft_node_id"), std::to_string(dead));
}

// As an empty cluster of one it would take writes that are lost, or that keep it out.
TEST_F(Membership, ANodeThatIsToJoinServesNobodyBefore) {
  ASSERT_NO_FATAL_FAILURE(StartWith(1));
  ASSERT_EQ(Client(cluster().port(1)).Command({"SET", "key", "value"}), Status("OK"));
  cluster().Kill9(1);
  ASSERT_EQ(cluster().Add(), 2);
  cluster().AddFlags(2, {"--join", "127.0.0.1:" + std::to_string(cluster().port(1))});
  const Reply waits = Error("CLUSTERDOWN This node waits to be taken into a cluster");
  for (int start = 1; start <= 3; ++start) {
    cluster().Restart(2);
    ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
      return Client(cluster().port(2)).Command({"PING"}) == Status("PONG");
    }));
    Client client(cluster().port(2));
    EXPECT_EQ(client.Command({"SET", "key", "other"}), waits);
    EXPECT_EQ(client.Command({"GET", "key"}), waits);
    EXPECT_TRUE(client.Command({"CLUSTER", "SLOTS"}).IsError("CLUSTERDOWN"));
    if (start < 3) cluster().Kill9(2);
  }
  cluster().Restart(1);
  ASSERT_TRUE(WaitForVoters({1, 2}, 2));
  // With the same flags it goes on as the member that it is.
  cluster().Kill9(2);
  cluster().Restart(2);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(Client(cluster().port(cluster().WaitForLeader())).Command({"GET", "key"}),
            Text("value"));
}

TEST_F(Membership, ANodeWithDataOfItsOwnGoesOnWithItThoughToldToJoin) {
  ASSERT_NO_FATAL_FAILURE(StartWith(1));
  ASSERT_EQ(cluster().Add(), 2);
  cluster().Restart(2);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(2)).Command({"SET", "its", "own"}) == Status("OK");
  }));
  cluster().Kill9(2);
  cluster().AddFlags(2, {"--join", "127.0.0.1:" + std::to_string(cluster().port(1))});
  cluster().Restart(2);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(2)).Command({"GET", "its"}) == Text("own");
  }));
  EXPECT_EQ(Field(1, "raft_voters"), "1");
  EXPECT_EQ(Client(cluster().port(1)).Command({"CLUSTER", "NODES"}).text.find('\n'),
            Client(cluster().port(1)).Command({"CLUSTER", "NODES"}).text.rfind('\n'))
      << "one line: it has not asked to be taken in";
  cluster().Kill9(2);
}

TEST_F(Membership, AMemberWhoseDataIsLostIsReplacedByOneCommand) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  Load load(cluster().ports(), "lost:");
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  const int leader = cluster().WaitForLeader();
  const int victim = Follower({1, 2, 3}, leader);
  const std::string old_id = MyId(victim);
  cluster().Kill9(victim);
  cluster().LoseData(victim);
  cluster().Restart(victim);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(victim, "raft_lost_data") == "1"; }));
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  EXPECT_EQ(Field(victim, "raft_last_log_index"), "0");
  EXPECT_EQ(Meet(6 - leader - victim, victim), Status("OK"));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(victim, "raft_lost_data") == "0"; }));
  ASSERT_TRUE(WaitForVoters({1, 2, 3}, 3));
  EXPECT_NE(MyId(victim), old_id);
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  // With the words of its first life it comes back as what it is now.
  cluster().Kill9(victim);
  cluster().Restart(victim);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_NE(MyId(victim), old_id);
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}

// A node that was added and has lost its folder starts as a node of no cluster, where the others
// expect a member. They must not make it the member that it was: that one has voted, and has
// acknowledged writes.
TEST_F(Membership, AnAddedMemberWhoseDataIsLostDoesNotComeBackAsItself) {
  ASSERT_NO_FATAL_FAILURE(GrowToThree());
  const int victim = cluster().WaitForLeader() == 3 ? 2 : 3;
  // Not on the victim: until the others have called it, it is an empty server like any other.
  Load load({cluster().port(1), cluster().port(5 - victim)}, "again:");
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  const std::string old_id = MyId(victim);
  cluster().Kill9(victim);
  cluster().LoseData(victim);
  cluster().Restart(victim);
  // The others call it by its old id all the while.
  ASSERT_TRUE(load.WaitForAcknowledged(200));
  EXPECT_EQ(Field(victim, "raft_voters"), "1");
  // Nor must its clients take it for the cluster.
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(victim, "raft_lost_data") == "1"; }));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(victim)).Command({"GET", "key"}).IsError("CLUSTERDOWN");
  }));
  EXPECT_EQ(Meet(cluster().WaitForLeader(), victim), Status("OK"));
  ASSERT_TRUE(WaitForVoters({1, 2, 3}, 3));
  EXPECT_NE(MyId(victim), old_id);
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}

// Nor does the one that the cluster began with, whose folder nobody has noted.
TEST_F(Membership, AFirstMemberWhoseDataIsLostDoesNotComeBackAsItself) {
  ASSERT_NO_FATAL_FAILURE(GrowToThree());
  const std::string old_id = MyId(1);
  cluster().Kill9(1);
  cluster().LoseData(1);
  cluster().Restart(1);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(1, "raft_lost_data") == "1"; }));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(1)).Command({"GET", "key"}).IsError("CLUSTERDOWN");
  }));
  EXPECT_EQ(Meet(cluster().WaitForLeader(), 1), Status("OK"));
  ASSERT_TRUE(WaitForVoters({1, 2, 3}, 3));
  EXPECT_NE(MyId(1), old_id);
}

TEST_F(Membership, AMemberMovesToAnotherPortByARestart) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int moved = Follower({1, 2, 3}, cluster().WaitForLeader());
  const std::string id = MyId(moved);
  cluster().Kill9(moved);
  cluster().ChangePort(moved);
  cluster().Restart(moved);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(MyId(moved), id);
  const std::string address = "127.0.0.1:" + std::to_string(cluster().port(moved)) + "@";
  for (int node = 1; node <= 3; ++node) {
    ASSERT_TRUE(Eventually(
        kDeadlineMs,
        [&] {
          return Client(cluster().port(node)).Command({"CLUSTER", "NODES"}).text.find(address) !=
                 std::string::npos;
        }))
        << "node " << node;
  }
}

// The leader is called by both where they are now, and asked by both to note that. When it notes
// the one, it does not go back to where the other was.
TEST_F(Membership, TwoMembersMoveAtOnce) {
  ASSERT_NO_FATAL_FAILURE(StartWith(5));
  const int leader = cluster().WaitForLeader();
  const std::vector<int> moved = {leader % 5 + 1, (leader + 1) % 5 + 1};
  for (int id : moved) {
    cluster().Kill9(id);
    cluster().ChangePort(id);
  }
  for (int id : moved) cluster().Restart(id);
  for (int id : moved) {
    const std::string address = "127.0.0.1:" + std::to_string(cluster().port(id)) + "@";
    EXPECT_TRUE(Eventually(
        kDeadlineMs,
        [&] {
          return Client(cluster().port(leader)).Command({"CLUSTER", "NODES"}).text.find(address) !=
                 std::string::npos;
        }))
        << "node " << id;
  }
  EXPECT_TRUE(cluster().WaitUntilAllServe());
}

// The moved one and the leader know nothing of one another: the others tell the leader.
TEST_F(Membership, AMemberMovesWhileTheNextLeaderIsAdded) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int moved = Follower({1, 2, 3}, cluster().WaitForLeader());
  cluster().Kill9(moved);
  cluster().ChangePort(moved);
  ASSERT_EQ(cluster().Add(), 4);
  cluster().Restart(4);
  EXPECT_EQ(Meet(cluster().WaitForLeader(), 4), Status("OK"));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(4, "raft_voters") == "4"; }));
  EXPECT_EQ(Client(cluster().port(4)).Command({"CLUSTER", "FAILOVER"}), Status("OK"));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(4, "role") == "master"; }));
  cluster().Restart(moved);
  EXPECT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(cluster().WaitForLeader(), 4);
}

// Behind a translation of addresses: the others, and clients, know it by a name and ports that are
// not those that it listens on.
TEST_F(Membership, AMemberIsReachedWhereItSaysThatItIs) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int moved = Follower({1, 2, 3}, cluster().WaitForLeader());
  cluster().Kill9(moved);
  cluster().ChangePort(moved);
  std::vector<uint16_t> outside = FreePorts(3);
  std::erase(outside, cluster().port(moved));  // nobody listens on it yet
  const Forwarder for_clients(outside[0], cluster().port(moved));
  const Forwarder for_peers(outside[1], cluster().port(moved) + kPeerPortOffset);
  cluster().AddFlags(moved, {"--cluster-announce-ip", "localhost", "--cluster-announce-port",
                             std::to_string(outside[0]), "--cluster-announce-bus-port",
                             std::to_string(outside[1])});
  cluster().Restart(moved);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  const std::string clients_address = "localhost:" + std::to_string(outside[0]);
  const std::string address = " " + clients_address + "@" + std::to_string(outside[1]) + " ";
  for (int node = 1; node <= 3; ++node) {
    ASSERT_TRUE(Eventually(
        kDeadlineMs,
        [&] {
          return Client(cluster().port(node)).Command({"CLUSTER", "NODES"}).text.find(address) !=
                 std::string::npos;
        }))
        << "node " << node;
  }
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return for_peers.connections() >= 2; }));

  // It leads, with one other member only.
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    Client(cluster().port(moved)).Command({"CLUSTER", "FAILOVER"});
    return Field(moved, "role") == "master";
  }));
  const int other = Follower({1, 2, 3}, moved);
  cluster().Kill9(6 - moved - other);
  Reply reply;
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    reply = Client(cluster().port(other)).Command({"SET", "key", "value"});
    return reply.IsError("MOVED");
  }));
  EXPECT_EQ(reply.text.substr(reply.text.rfind(' ') + 1), clients_address);
  EXPECT_EQ(Client("localhost", outside[0]).Command({"SET", "key", "value"}), Status("OK"));
  EXPECT_GE(for_clients.connections(), 1);
}

}  // namespace

}  // namespace quorate::redis_tests
