// How a node is taken in by a cluster that is there already.
#include <gtest/gtest.h>

#include "tests/src/node/node_support.h"

namespace quorate {
namespace {

// Settles everything that needs no further time.
constexpr int kSettle = 10;

constexpr const char* kLostFolder =
    "-CLUSTERDOWN This node is a member of a cluster, and its data folder was lost: start it with "
    "its data folder, or replace it with CLUSTER MEET\r\n";

class Adoption : public testing::Test {
 protected:
  static constexpr uint64_t kOtherCluster = 9;

  static NodeOptions Options() {
    NodeOptions options;
    options.may_be_adopted = true;
    return options;
  }

  Node::Offer Offer(uint64_t folder) {
    return node().OfferMembership(kOtherCluster, consensus::NodeId(4), folder);
  }
  // With what the node itself calls its folder.
  bool IsTaken() { return Offer(node().empty_folder()) == Node::Offer::kTaken; }
  Node& node() { return cluster_.node(1); }

  TestCluster cluster_{1, Options()};
};

TEST_F(Adoption, IsForANodeThatHoldsNothing) {
  cluster_.WaitForLeader();
  ASSERT_TRUE(IsTaken());
  ASSERT_TRUE(node().new_life() && node().new_life()->adopted);
  EXPECT_EQ(node().new_life()->adopted->cluster_id, kOtherCluster);
  EXPECT_EQ(node().new_life()->adopted->node_id, consensus::NodeId(4));
  EXPECT_TRUE(node().new_life()->adopted->joined);
}

// Whoever has been a member and has lost its folder holds nothing, too. It must not become the same
// member again, so the cluster has to have noted this very folder.
TEST_F(Adoption, IsForTheFolderThatTheClusterHasNoted) {
  cluster_.WaitForLeader();
  EXPECT_EQ(Offer(0), Node::Offer::kOtherFolder);
  EXPECT_EQ(Offer(node().empty_folder() + 2), Node::Offer::kOtherFolder);
  EXPECT_FALSE(node().new_life());
}

// As a cluster of one it would serve the clients of the cluster that knew it.
TEST_F(Adoption, WhoeverHasLostItsFolderServesNobodyUntilItIsReplaced) {
  cluster_.WaitForLeader();
  EXPECT_EQ(Offer(0), Node::Offer::kOtherFolder);
  EXPECT_TRUE(node().raft().is_leader()) << "it is new, for all that is known";
  EXPECT_EQ(Offer(node().empty_folder() + 2), Node::Offer::kOtherFolder);
  EXPECT_TRUE(node().raft().has_lost_its_data());
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Request({"SET", "a", "1"}));
  for (int ticks = 0; ticks < 200; ++ticks) cluster_.Tick();
  EXPECT_EQ(TestCluster::Replies(*client), kLostFolder);
  EXPECT_TRUE(IsTaken());
}

// Else its first entry would never be committed, and it could not be taken in.
TEST_F(Adoption, WhoeverHasLostItsFolderStopsWhenItsLogIsApplied) {
  while (!node().raft().is_leader()) {
    node().Tick();
    cluster_.Step();
  }
  ASSERT_LT(node().keys().last_applied(), node().raft().last_log_index());
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kNotYet);
  EXPECT_FALSE(node().raft().has_lost_its_data());
  cluster_.Steps(kSettle);
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kOtherFolder);
  EXPECT_TRUE(node().raft().has_lost_its_data());
  EXPECT_TRUE(IsTaken());
}

// Until a member has dialled it, nobody can know. What it has taken meanwhile stays in its folder.
TEST_F(Adoption, WhoeverHasLostItsFolderStopsEvenIfItHasTakenWrites) {
  cluster_.WaitForLeader();
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Request({"SET", "a", "1"}));
  cluster_.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "+OK\r\n");
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kNone);
  for (const auto& request : {Request({"GET", "a"}), Request({"SET", "a", "2"}),
                              Request({"DBSIZE"}), Request({"CLUSTER", "SLOTS"})}) {
    cluster_.Send(1, *client, request);
    for (int ticks = 0; ticks < 200; ++ticks) cluster_.Tick();
    EXPECT_EQ(TestCluster::Replies(*client), kLostFolder);
  }
  EXPECT_FALSE(IsTaken()) << "its data would be gone";
  EXPECT_EQ(node().keys().key_count(), 1U);
}

// Restarted, it looks like any cluster of one that has data. Its folder remembers.
TEST_F(Adoption, WhoeverHasLostItsFolderStaysOutAfterARestart) {
  cluster_.WaitForLeader();
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Request({"SET", "a", "1"}));
  cluster_.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "+OK\r\n");
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kNone);
  cluster_.Steps(kSettle);
  for (int starts = 0; starts < 2; ++starts) {
    cluster_.Restart(1);
    EXPECT_TRUE(node().raft().has_lost_its_data());
    EXPECT_EQ(node().starts().own_conviction(),
              "cluster 0000000000000009 knows it as node 4, with another folder");
    auto another = cluster_.Connect(1);
    for (const auto& request :
         {Request({"GET", "a"}), Request({"SET", "a", "2"}), Request({"DBSIZE"})}) {
      cluster_.Send(1, *another, request);
      for (int ticks = 0; ticks < 200; ++ticks) cluster_.Tick();
      EXPECT_EQ(TestCluster::Replies(*another), kLostFolder);
    }
    EXPECT_EQ(node().raft().role(), consensus::Role::kFollower);
  }
  // What its log holds is not applied, and may be more than nothing.
  EXPECT_EQ(Offer(node().empty_folder()), Node::Offer::kNone);
}

// It is of no use to its cluster, but it holds nothing, and may become another member of it.
TEST_F(Adoption, WhoeverHasLostItsFolderCanBeTakenInAfterARestart) {
  cluster_.WaitForLeader();
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kOtherFolder);
  cluster_.member(1).state.Finish();
  cluster_.Steps(kSettle);
  cluster_.Restart(1);
  EXPECT_TRUE(node().raft().has_lost_its_data());
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kOtherFolder);
  ASSERT_TRUE(IsTaken());
  EXPECT_FALSE(node().new_life()->discards_data) << "the folder is looked at once more";
}

// A folder with data at the start of the process is a cluster's of one, whoever had the address
// before.
TEST_F(Adoption, AClusterOfOneThatHasDataFromTheStartGoesOn) {
  cluster_.WaitForLeader();
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Request({"SET", "a", "1"}));
  cluster_.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "+OK\r\n");
  cluster_.Restart(1);
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kNotYet) << "its log is not applied yet";
  EXPECT_FALSE(node().raft().has_lost_its_data());
  cluster_.WaitForLeader();
  cluster_.Steps(kSettle);
  EXPECT_EQ(Offer(kFolderOfAFirstMember), Node::Offer::kNone);
  EXPECT_FALSE(node().raft().has_lost_its_data());
  auto another = cluster_.Connect(1);
  cluster_.Send(1, *another, Request({"GET", "a"}));
  cluster_.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*another), "$1\r\n1\r\n");
}

TEST_F(Adoption, IsNotForAMemberOfALargerCluster) {
  TestCluster cluster(3, Options());
  cluster.WaitForLeader();
  Node& member = cluster.node(1);
  EXPECT_EQ(member.OfferMembership(kOtherCluster, consensus::NodeId(4), member.empty_folder()),
            Node::Offer::kNone);
}

// The folder is going to be emptied, and must hold no write then.
TEST_F(Adoption, IsNotForANodeWithAWriteOnItsWay) {
  cluster_.WaitForLeader();
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Request({"SET", "a", "1"}));
  EXPECT_FALSE(IsTaken()) << "not in the log yet";
  cluster_.member(1).disk_works = false;
  cluster_.Steps(kSettle);
  EXPECT_FALSE(IsTaken()) << "not applied yet";
  cluster_.member(1).disk_works = true;
  cluster_.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "+OK\r\n");
  EXPECT_FALSE(IsTaken());
}

TEST_F(Adoption, NoWriteFollowsIt) {
  cluster_.WaitForLeader();
  ASSERT_TRUE(IsTaken());
  const consensus::Index end = node().raft().last_log_index();
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Request({"SET", "a", "1"}));
  cluster_.Steps(kSettle);
  EXPECT_EQ(node().raft().last_log_index(), end);
  EXPECT_EQ(TestCluster::Replies(*client), "");
}

// --- A node that was told to join ---

constexpr const char* kWaiting = "-CLUSTERDOWN This node waits to be taken into a cluster\r\n";

class ToJoin : public testing::Test {
 protected:
  explicit ToJoin(size_t members = 1) : cluster_(members, Options()) {}

  static NodeOptions Options() {
    NodeOptions options;
    options.may_be_adopted = true;
    options.is_to_join = true;
    return options;
  }
  std::string Ask(const std::vector<std::string_view>& request) {
    auto client = cluster_.Connect(1);
    cluster_.Send(1, *client, Request(request));
    cluster_.Steps(kSettle);
    return TestCluster::Replies(*client);
  }

  TestCluster cluster_;
};

// Else a client could write what is lost when the node is taken in, or keeps it out.
TEST_F(ToJoin, ServesNobodyAndStaysEmpty) {
  cluster_.Step();
  EXPECT_FALSE(cluster_.node(1).has_replayed_alone());
  cluster_.WaitForLeader();
  EXPECT_TRUE(cluster_.node(1).has_replayed_alone());
  EXPECT_EQ(Ask({"SET", "a", "1"}), kWaiting);
  EXPECT_EQ(Ask({"GET", "a"}), kWaiting);
  EXPECT_EQ(Ask({"DBSIZE"}), kWaiting);
  EXPECT_EQ(Ask({"CLUSTER", "MEET", "127.0.0.1", "7009"}), kWaiting);
  EXPECT_EQ(Ask({"CLUSTER", "SLOTS"}), kWaiting);
  EXPECT_EQ(Ask({"PING"}), "+PONG\r\n");
  Node& node = cluster_.node(1);
  EXPECT_EQ(node.OfferMembership(9, consensus::NodeId(4), node.empty_folder()),
            Node::Offer::kTaken);
}

// Its flags may stay what they were when it was new.
class MemberToJoin : public ToJoin {
 protected:
  MemberToJoin() : ToJoin(3) {}
};

TEST_F(MemberToJoin, ServesAsWhatItIs) {
  cluster_.MakeLeader(1);
  EXPECT_FALSE(cluster_.node(1).waits_to_join());
  EXPECT_EQ(Ask({"SET", "a", "1"}), "+OK\r\n");
}

}  // namespace
}  // namespace quorate
