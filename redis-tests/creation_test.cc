// CLUSTER CREATE on real processes: servers that are started with initial-cluster and no data do
// nothing before somebody says that they are to found their cluster.

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/free_ports.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

namespace {

const std::string kNotCreated =
    "CLUSTERDOWN This node has no data and has heard of no cluster: to create a new one, send "
    "CLUSTER CREATE";

class Creation : public ::testing::Test {
 protected:
  ~Creation() override {
    if (HasFailure()) cluster_.PrintLogs(std::cerr);
  }
  // So many of the first members, until they answer.
  void StartFirst(int count) {
    for (int id = 1; id <= count; ++id) {
      cluster_.Restart(id);
      ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
        return Client(cluster_.port(id)).Command({"PING"}) == Status("PONG");
      }));
    }
  }
  Reply Create(int id) { return Client(cluster_.port(id)).Command({"CLUSTER", "CREATE"}); }
  std::string InfoField(int id, const std::string& name) {
    return Field(Client(cluster_.port(id)).Command({"INFO"}).text, name);
  }
  std::string Place(int id) const { return "127.0.0.1:" + std::to_string(cluster_.port(id)); }

  Cluster cluster_{{.size = 3, .flags = {"--request-timeout", "1500"}}};
};

TEST_F(Creation, NothingIsServedBeforeIt) {
  ASSERT_NO_FATAL_FAILURE(StartFirst(3));
  for (int id = 1; id <= 3; ++id) {
    Client client(cluster_.port(id));
    EXPECT_EQ(client.Command({"GET", "a"}), Error(kNotCreated));
    EXPECT_EQ(client.Command({"SET", "a", "1"}), Error(kNotCreated));
    EXPECT_EQ(client.Command({"CLUSTER", "SLOTS"}), Error(kNotCreated));
    EXPECT_EQ(InfoField(id, "raft_waits_for_create"), "1");
    EXPECT_EQ(InfoField(id, "raft_term"), "0");
    EXPECT_NE(client.Command({"CLUSTER", "NODES"}).text.find(" handshake "), std::string::npos);
  }
  EXPECT_EQ(Create(3), Status("OK"));
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  // At the next start, with the same command line, it is what it was.
  for (int id = 1; id <= 3; ++id) cluster_.Kill9(id);
  ASSERT_TRUE(cluster_.Heal());
}

TEST_F(Creation, TwiceAndAtTwoNodesIsOneCluster) {
  ASSERT_NO_FATAL_FAILURE(StartFirst(3));
  Reply first;
  std::thread other([&] { first = Create(1); });
  const Reply second = Create(2);
  other.join();
  EXPECT_EQ(first, Status("OK"));
  EXPECT_EQ(second, Status("OK"));
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  const std::string founding = InfoField(1, "raft_founding_id");
  EXPECT_EQ(Create(1), Status("OK"));
  for (int id = 2; id <= 3; ++id) EXPECT_EQ(InfoField(id, "raft_founding_id"), founding);
}

TEST_F(Creation, WithAMemberDownIsRefusedAndLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(StartFirst(2));
  const Reply refused = Create(1);
  EXPECT_TRUE(refused.IsError("ERR")) << refused;
  EXPECT_NE(refused.text.find("node 3 at " + Place(3)), std::string::npos) << refused;
  EXPECT_EQ(refused.text.find("node 2"), std::string::npos) << refused;
  cluster_.Restart(3);
  ASSERT_TRUE(
      Eventually(kDeadlineMs, [&] { return InfoField(3, "raft_waits_for_create") == "1"; }));
  for (int id = 1; id <= 3; ++id) EXPECT_EQ(InfoField(id, "raft_term"), "0");
  ASSERT_TRUE(cluster_.Create());
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
}

// A machine is set up once more while the others wait. Nothing was there that could be lost.
TEST_F(Creation, AFolderMayBeEmptiedBeforeIt) {
  ASSERT_NO_FATAL_FAILURE(StartFirst(3));
  cluster_.Kill9(3);
  cluster_.Restart(3);
  for (int i = 0; i < 2; ++i) {
    // Until the others have heard of what it has now.
    ASSERT_TRUE(
        Eventually(kDeadlineMs, [&] { return cluster_.HasLogged(1, "connected to node 3"); }));
    ASSERT_TRUE(
        Eventually(kDeadlineMs, [&] { return cluster_.HasLogged(1, "node 3 has connected"); }));
    cluster_.Kill9(3);
    cluster_.LoseData(3);
    cluster_.Restart(3);
  }
  ASSERT_TRUE(
      Eventually(kDeadlineMs, [&] { return InfoField(3, "raft_waits_for_create") == "1"; }));
  ASSERT_TRUE(cluster_.Create());
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  for (int id = 1; id <= 3; ++id) EXPECT_EQ(InfoField(id, "raft_lost_data"), "0");
}

// At whatever moment they are killed, there is a cluster afterwards or there can be one.
TEST_F(Creation, InterruptedItFormsOrCanBeRepeated) {
  for (int milliseconds = 0; milliseconds <= 60; milliseconds += 15) {
    ASSERT_NO_FATAL_FAILURE(StartFirst(3));
    std::thread asked([&] { Create(1); });
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    for (int id = 1; id <= 3; ++id) cluster_.Kill9(id);
    asked.join();
    ASSERT_NO_FATAL_FAILURE(StartFirst(3));
    ASSERT_TRUE(cluster_.Create());
    ASSERT_TRUE(cluster_.WaitUntilAllServe());
    for (int id = 1; id <= 3; ++id) {
      cluster_.Kill9(id);
      cluster_.LoseData(id);
    }
  }
}

TEST_F(Creation, AServerOfAnotherClusterInAMembersPlaceIsNamed) {
  ASSERT_NO_FATAL_FAILURE(StartFirst(2));
  const TemporaryFolder folder;
  const auto stranger =
      ChildProcess::Start({{QUORATE_SERVER, "--port", std::to_string(cluster_.port(3)), "--dir",
                            folder.path() + "/data"},
                           folder.path(),
                           -1,
                           -1,
                           -1});
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster_.port(3)).Command({"SET", "its", "own"}) == Status("OK");
  }));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    const Reply refused = Create(1);
    return refused.text.find("node 3 at " + Place(3)) != std::string::npos &&
           refused.text.find("it says: this is node 1 of cluster") != std::string::npos;
  }));
  EXPECT_EQ(InfoField(1, "raft_term"), "0");
}

TEST_F(Creation, RedisCliCreatesAClusterOfTheFirstMembers) {
  ASSERT_NO_FATAL_FAILURE(StartFirst(3));
  const ProgramResult created = RunProgram(
      {"redis-cli", "--cluster", "create", Place(1), Place(2), Place(3), "--cluster-yes"}, "",
      kDeadlineMs);
  EXPECT_EQ(created.end, (ProcessEnd{0, 0})) << created.output << created.error;
  EXPECT_NE(created.output.find("[OK] All 16384 slots covered."), std::string::npos)
      << created.output;
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  EXPECT_EQ(InfoField(2, "raft_members"), "3");
}

// For those who automate, and accept that empty folders found a cluster.
TEST(CreationUnasked, FirstMembersOfANewClusterFoundIt) {
  Cluster cluster({.size = 3, .flags = {"--initial-cluster-state", "new"}});
  for (int id = 1; id <= 3; ++id) cluster.Restart(id);
  EXPECT_TRUE(cluster.WaitUntilAllServe());
}

}  // namespace

}  // namespace quorate::redis_tests
