// Disks that are full, and disks that fail: nothing acknowledged is lost, a cluster with a healthy
// majority serves, and everything goes on by itself when there is space again.

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/load.h"
#include "redis-tests/support/small_disk.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

namespace {

constexpr int kDiskMegabytes = 48;

// A cluster whose nodes have a small disk each.
class FullDisk : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { may_mount_ = EnterOwnMountNamespace(); }

  // False: the test is skipped.
  bool Start(int size) {
    cluster_ = std::make_unique<Cluster>(Cluster::Options{.size = size});
    for (int id = 1; id <= size; ++id) {
      const std::string folder = cluster_->data_folder(id);
      auto disk = may_mount_ ? SmallDisk::Mount(folder, kDiskMegabytes) : nullptr;
      if (!disk) {
        return false;
      }
      disks_.push_back(std::move(disk));
    }
    EXPECT_TRUE(cluster_->Start());
    return true;
  }
  void TearDown() override {
    if (HasFailure() && cluster_) {
      cluster_->PrintLogs(std::cerr);
    }
    cluster_.reset();
    disks_.clear();
  }

  SmallDisk& disk(int id) { return *disks_[static_cast<size_t>(id - 1)]; }
  // No process has ended.
  void ExpectAllRun() { EXPECT_TRUE(cluster_->Heal()); }
  // The answer of whoever leads.
  Reply Ask(const Arguments& arguments) {
    Reply reply;
    Eventually(kDeadlineMs, [&] {
      Client client(cluster_->port(cluster_->WaitForLeader()));
      reply = client.Command(arguments);
      return reply.answered() && !reply.IsError("MOVED") && !reply.IsError("CLUSTERDOWN");
    });
    return reply;
  }

  static bool may_mount_;
  std::unique_ptr<Cluster> cluster_;
  std::vector<std::unique_ptr<SmallDisk>> disks_;
};

bool FullDisk::may_mount_ = false;

// Mounting takes root's rights, mkfs.ext4 and a loop device. tests/storage/power/space_test.cc and
// tests/src/node/node_test.cc meet the same situations without them.
#define START_OR_SKIP(size) \
  if (!Start(size)) GTEST_SKIP() << "this user may not mount a small disk to fill"

TEST_F(FullDisk, ALoneNodeRefusesWritesAnswersReadsAndGoesOn) {
  START_OR_SKIP(1);
  Client client(cluster_->port(1));
  ASSERT_EQ(client.Command({"SET", "a", "1"}), Status("OK"));
  disk(1).Fill();
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return client.Command({"SET", "b", "x"}).IsError("MISCONF");
  }));
  EXPECT_EQ(client.Command({"GET", "a"}), Text("1"));
  EXPECT_EQ(client.Command({"SET", "a", "2"}).IsError("MISCONF"), true);
  EXPECT_EQ(client.Command({"GET", "a"}), Text("1"));
  disk(1).MakeSpace();
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    return client.Command({"SET", "a", "3"}) == Status("OK");
  }));
  EXPECT_EQ(client.Command({"GET", "a"}), Text("3"));
  ExpectAllRun();
}

// Until the disk is full of Quorate's own data: log and checkpoints run into it at different times.
TEST_F(FullDisk, ALoneNodeIsFilledByItsClients) {
  START_OR_SKIP(1);
  Client client(cluster_->port(1));
  const std::string value(200'000, 'v');
  int written = 0;
  Reply reply;
  for (; written < 10'000; ++written) {
    reply = client.Command({"SET", "key" + std::to_string(written), value});
    if (reply != Status("OK")) {
      break;
    }
  }
  EXPECT_TRUE(reply.IsError("MISCONF")) << reply;
  EXPECT_GT(written, 20);
  // Also after a restart, which finds the disk as full as it was.
  for (int start = 0; start < 3; ++start) {
    Client reader(cluster_->port(1));
    for (int i = 0; i < written; ++i) {
      ASSERT_TRUE(reader.Command({"GET", "key" + std::to_string(i)}) == Text(value)) << i;
    }
    cluster_->Kill9(1);
    ASSERT_TRUE(cluster_->Heal());
  }
  // An orderly stop does not wait for space.
  EXPECT_EQ(cluster_->Terminate(1), (ProcessEnd{.exit_code = 0}));
  EXPECT_FALSE(cluster_->HasLogged(1, "the orderly stop took too long"));
}

TEST_F(FullDisk, OneOfThreeFillsUpUnderLoad) {
  START_OR_SKIP(3);
  Load load(cluster_->ports(), "one:");
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(load.WaitForAcknowledged(50));
    const int leader = cluster_->WaitForLeader();
    ASSERT_NE(leader, Cluster::kNoNode);
    disk(leader).Fill();
    // The others take over, and go on for as long as it takes.
    ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return cluster_->WaitForLeader() != leader; }));
    ASSERT_TRUE(load.WaitForAcknowledged(100));
    disk(leader).MakeSpace();
  }
  load.Stop();
  ExpectAllRun();
  EXPECT_EQ(load.Check(), "");
}

TEST_F(FullDisk, AllOfThreeFillUpUnderLoad) {
  START_OR_SKIP(3);
  Load load(cluster_->ports(), "all:");
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  ASSERT_EQ(Ask({"SET", "a", "1"}), Status("OK"));
  for (int id = 1; id <= 3; ++id) {
    disk(id).Fill();
  }
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Ask({"SET", "b", "x"}).IsError("MISCONF"); }));
  EXPECT_EQ(Ask({"GET", "a"}), Text("1"));
  for (int id = 1; id <= 3; ++id) {
    disk(id).MakeSpace();
  }
  ASSERT_TRUE(load.WaitForAcknowledged(100));
  load.Stop();
  ExpectAllRun();
  EXPECT_EQ(load.Check(), "");
}

// Killed while the disks are full, the nodes come back, at the latest when there is space.
TEST_F(FullDisk, AllOfThreeAreKilledWhileTheirDisksAreFull) {
  START_OR_SKIP(3);
  Load load(cluster_->ports(), "killed:");
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  for (int id = 1; id <= 3; ++id) {
    disk(id).Fill();
  }
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Ask({"SET", "b", "x"}).IsError("MISCONF"); }));
  for (int id = 1; id <= 3; ++id) {
    cluster_->Kill9(id);
  }
  for (int id = 1; id <= 3; ++id) {
    disk(id).MakeSpace();
  }
  ASSERT_TRUE(cluster_->Heal());
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}

// What a follower has acknowledged meanwhile is in its journal only, and its start has no space to
// take that over: it waits, and is back by itself.
TEST_F(FullDisk, ANodeThatIsStartedOnAFullDiskWaitsForSpace) {
  START_OR_SKIP(3);
  const int leader = cluster_->WaitForLeader();
  ASSERT_NE(leader, Cluster::kNoNode);
  const int follower = leader == 1 ? 2 : 1;
  disk(follower).Fill();
  Client client(cluster_->port(leader));
  const std::string value(1'000'000, 'v');
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(client.Command({"SET", "key" + std::to_string(i), value}), Status("OK"));
  }
  ASSERT_TRUE(Eventually(kDeadlineMs,
                         [&] { return cluster_->HasLogged(follower, "the log waits for space"); }));
  cluster_->Kill9(follower);
  disk(follower).Fill();
  cluster_->Restart(follower);
  ASSERT_TRUE(Eventually(
      kDeadlineMs, [&] { return cluster_->HasLogged(follower, "the start waits for space"); }));
  EXPECT_TRUE(cluster_->StillRuns(follower));
  disk(follower).MakeSpace();
  ASSERT_TRUE(cluster_->WaitUntilAllServe());
  Client reader(cluster_->port(follower));
  ASSERT_EQ(reader.Command({"READONLY"}), Status("OK"));
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(reader.Command({"GET", "key" + std::to_string(i)}) == Text(value)) << i;
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they want to be loaded first
// Syncs that fail with an input/output error.
class FailingDisk : public ::testing::Test {
 protected:
  std::string SwitchOf(int id) const { return folder_.path() + "/fails-" + std::to_string(id); }
  Cluster::Options WithSwitches() const {
    return {.size = 3, .prefix = [this](int id) -> std::vector<std::string> {
              return {"env", "LD_PRELOAD=" QUORATE_FAILING_DISK, "FAILING_DISK=" + SwitchOf(id)};
            }};
  }
  void Fail(int id) { std::ofstream(SwitchOf(id)) << "yes"; }
  void Repair(int id) { unlink(SwitchOf(id).c_str()); }

  TemporaryFolder folder_;
};

TEST_F(FailingDisk, EndsTheLeaderAndTheOthersGoOn) {
  Cluster cluster(WithSwitches());
  ASSERT_TRUE(cluster.Start());
  Load load(cluster.ports(), "fails:");
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(load.WaitForAcknowledged(50));
    const int leader = cluster.WaitForLeader();
    ASSERT_NE(leader, Cluster::kNoNode);
    Fail(leader);
    EXPECT_EQ(cluster.WaitForEnd(leader), (ProcessEnd{1, 0}));
    ASSERT_TRUE(load.WaitForAcknowledged(50));
    // It refuses to start as long as the disk fails.
    cluster.Restart(leader);
    EXPECT_EQ(cluster.WaitForEnd(leader), (ProcessEnd{1, 0}));
    Repair(leader);
    cluster.Restart(leader);
  }
  load.Stop();
  ASSERT_TRUE(cluster.WaitUntilAllServe());
  EXPECT_EQ(load.Check(), "");
  if (HasFailure()) {
    cluster.PrintLogs(std::cerr);
  }
}

TEST_F(FailingDisk, OfAllNodesAcknowledgesNothing) {
  Cluster cluster(WithSwitches());
  ASSERT_TRUE(cluster.Start());
  Load load(cluster.ports(), "all-fail:");
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  const int leader = cluster.WaitForLeader();
  ASSERT_NE(leader, Cluster::kNoNode);
  for (int id = 1; id <= 3; ++id) {
    Fail(id);
  }
  EXPECT_EQ(cluster.WaitForEnd(leader), (ProcessEnd{1, 0}));
  for (int id = 1; id <= 3; ++id) {
    if (id != leader) {
      cluster.Kill9(id);
    }
    Repair(id);
  }
  ASSERT_TRUE(cluster.Heal());
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}
#endif

}  // namespace

}  // namespace quorate::redis_tests
