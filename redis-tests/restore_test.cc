// New clusters out of what is left of an old one: a backup, or a survivor.

#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/following_client.h"
#include "redis-tests/support/load.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

namespace {

class NewCluster : public ::testing::Test {
 protected:
  void StartWith(int size) {
    cluster_ = std::make_unique<Cluster>(Cluster::Options{.size = size});
    ASSERT_TRUE(cluster_->Start());
  }
  ~NewCluster() override {
    if (HasFailure() && cluster_) cluster_->PrintLogs(std::cerr);
  }

  Cluster& cluster() { return *cluster_; }

  std::string InfoField(int id, const std::string& name) {
    return Field(Client(cluster().port(id)).Command({"INFO"}).text, name);
  }
  void Set(int id, const std::string& key, const std::string& value) {
    ASSERT_EQ(Client(cluster().port(id)).Command({"SET", key, value}), Status("OK"));
  }
  // Backs the node up, and copies the file to where no node has its data.
  std::string Backup(int id, const std::string& name) {
    EXPECT_EQ(Client(cluster().port(id)).Command({"SAVE"}), Status("OK"));
    const std::string copy = folder_.path() + "/" + name;
    std::filesystem::copy_file(cluster().data_folder(id) + "/dump.quorate", copy);
    return copy;
  }
  void LoseEverything() {
    for (int id = 1; id <= cluster().size(); ++id) {
      if (cluster().running(id)) cluster().Kill9(id);
      cluster().LoseData(id);
    }
  }
  void RestoreFrom(int id, const std::string& backup) {
    cluster().AddFlags(id, {"--restore-from", backup});
    cluster().Restart(id);
  }
  // All who serve have the same state.
  bool WaitForEqualStates() {
    return Eventually(kDeadlineMs, [&] {
      for (int id = 2; id <= cluster().size(); ++id) {
        if (InfoField(id, "raft_state_digest") != InfoField(1, "raft_state_digest")) return false;
      }
      return true;
    });
  }

 private:
  const TemporaryFolder folder_;
  std::unique_ptr<Cluster> cluster_;
};

using Restore = NewCluster;
using ForceNewCluster = NewCluster;

// --- From a backup ---

TEST_F(Restore, BeginsAClusterWithAllThatWasAcknowledged) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  Load before(cluster().ports(), "before:");
  ASSERT_TRUE(before.WaitForAcknowledged(50));
  before.Stop();
  Load during(cluster().ports(), "during:");
  ASSERT_TRUE(during.WaitForAcknowledged(50));
  const int leader = cluster().WaitForLeader();
  const std::string old_id = InfoField(leader, "raft_cluster_id");
  const std::string backup = Backup(leader, "backup");
  ASSERT_TRUE(during.WaitForAcknowledged(50));
  during.Stop();

  LoseEverything();
  for (int id = 1; id <= 3; ++id) RestoreFrom(id, backup);
  ASSERT_TRUE(cluster().Create());
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(before.Check(), "");
  EXPECT_NE(InfoField(1, "raft_cluster_id"), old_id);
  ASSERT_TRUE(WaitForEqualStates());
  const int64_t keys = Client(cluster().port(leader)).Command({"DBSIZE"}).integer;
  EXPECT_EQ(RunProgram({QUORATE_SERVER, "--check-backup", backup}, "", kDeadlineMs)
                .output.find(backup + ": intact, " + std::to_string(keys) + " keys"),
            0U);

  // It works as any other, with the flag left in its place and the file gone.
  std::filesystem::remove(backup);
  Load after(cluster().ports(), "after:");
  ASSERT_TRUE(after.WaitForAcknowledged(50));
  cluster().Kill9(cluster().WaitForLeader());
  ASSERT_TRUE(after.WaitForAcknowledged(50));
  for (int id = 1; id <= 3; ++id) {
    if (cluster().running(id)) cluster().Kill9(id);
  }
  ASSERT_TRUE(cluster().Heal());
  after.Stop();
  EXPECT_EQ(after.Check(), "");
  EXPECT_EQ(before.Check(), "");
}

TEST_F(Restore, OneMemberBeginsAndOthersJoin) {
  ASSERT_NO_FATAL_FAILURE(StartWith(1));
  ASSERT_NO_FATAL_FAILURE(Set(1, "key", "value"));
  const std::string backup = Backup(1, "backup");
  LoseEverything();
  RestoreFrom(1, backup);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  for (int id = 2; id <= 3; ++id) {
    ASSERT_EQ(cluster().Add(), id);
    cluster().AddFlags(id, {"--join", "127.0.0.1:" + std::to_string(cluster().port(1))});
    cluster().Restart(id);
    ASSERT_TRUE(
        Eventually(kDeadlineMs, [&] { return InfoField(1, "raft_voters") == std::to_string(id); }));
  }
  cluster().Kill9(1);
  const int leader = cluster().WaitForLeader();
  ASSERT_NE(leader, Cluster::kNoNode);
  EXPECT_EQ(Client(cluster().port(leader)).Command({"GET", "key"}), Text("value"));
  ASSERT_TRUE(cluster().Heal());
}

TEST_F(Restore, MembersWithDifferentBackupsAreNoCluster) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int leader = cluster().WaitForLeader();
  ASSERT_NO_FATAL_FAILURE(Set(leader, "key", "1"));
  const std::string earlier = Backup(leader, "earlier");
  ASSERT_NO_FATAL_FAILURE(Set(leader, "key", "2"));
  const std::string later = Backup(leader, "later");
  LoseEverything();
  RestoreFrom(1, later);
  RestoreFrom(2, later);
  RestoreFrom(3, earlier);
  for (int id = 1; id <= 3; ++id) {
    ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
      return Client(cluster().port(id)).Command({"GET", "key"}).IsError("CLUSTERDOWN");
    }));
  }
  const Reply refused = Client(cluster().port(1)).Command({"CLUSTER", "CREATE"});
  EXPECT_TRUE(refused.IsError("ERR")) << refused;
  EXPECT_NE(refused.text.find("node 3 at "), std::string::npos) << refused;
  EXPECT_EQ(InfoField(1, "raft_cluster_id"), InfoField(2, "raft_cluster_id"));
  EXPECT_NE(InfoField(1, "raft_cluster_id"), InfoField(3, "raft_cluster_id"));
  // None of them has anything to lose yet.
  cluster().Kill9(3);
  cluster().LoseData(3);
  RestoreFrom(3, later);
  ASSERT_TRUE(cluster().Create());
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(Client(cluster().port(cluster().WaitForLeader())).Command({"GET", "key"}), Text("2"));
}

// A member of the restored cluster that loses its folder, and is started as it was at first, must
// not come back as its old self.
TEST_F(Restore, IsNotDoneAgainForAMemberThatLostItsData) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  ASSERT_NO_FATAL_FAILURE(Set(cluster().WaitForLeader(), "key", "1"));
  const std::string backup = Backup(cluster().WaitForLeader(), "backup");
  LoseEverything();
  for (int id = 1; id <= 3; ++id) RestoreFrom(id, backup);
  ASSERT_TRUE(cluster().Create());
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  const int leader = cluster().WaitForLeader();
  ASSERT_NO_FATAL_FAILURE(Set(leader, "key", "2"));
  const int victim = cluster().WaitForFollower();
  cluster().Kill9(victim);
  cluster().LoseData(victim);
  cluster().Restart(victim);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return InfoField(victim, "raft_lost_data") == "1"; }));
  Client reader(cluster().port(victim));
  reader.Command({"READONLY"});
  EXPECT_TRUE(reader.Command({"GET", "key"}).is_error());
  ASSERT_TRUE(
      Eventually(kDeadlineMs, [&] { return InfoField(leader, "connected_slaves") == "1"; }));
  ASSERT_EQ(Client(cluster().port(leader))
                .Command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster().port(victim))}),
            Status("OK"));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return InfoField(victim, "raft_voters") == "3"; }));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return InfoField(victim, "raft_lost_data") == "0"; }));
  ASSERT_TRUE(WaitForEqualStates());
}

// Wherever it just happens to be: reading, writing, renaming, beginning the log.
TEST_F(Restore, KilledAgainAndAgainGetsThere) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int leader = cluster().WaitForLeader();
  const std::string value(100'000, 'v');
  for (int i = 0; i < 500; ++i) Set(leader, "key" + std::to_string(i), value);
  const std::string backup = Backup(leader, "backup");
  const std::string digest = InfoField(leader, "raft_state_digest");
  LoseEverything();
  cluster().AddFlags(2, {"--restore-from", backup});
  const auto made = [&](const char* part) {
    return std::filesystem::exists(cluster().data_folder(2) + part);
  };
  int interrupted = 0;
  for (int milliseconds = 5; milliseconds <= 2000 && !made("/log"); milliseconds += 15) {
    cluster().Restart(2);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    cluster().Kill9(2);
    if (made("/state.incoming") || made("/state.installing")) ++interrupted;
  }
  EXPECT_GT(interrupted, 0);
  cluster().Restart(2);
  RestoreFrom(1, backup);
  RestoreFrom(3, backup);
  ASSERT_TRUE(cluster().Create());
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(InfoField(2, "raft_state_digest"), digest);
  ASSERT_TRUE(WaitForEqualStates());
}

// --- From a survivor ---

TEST_F(ForceNewCluster, ASurvivorGoesOnAloneAndGrowsAgain) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  // So the log tells of earlier members, too.
  ASSERT_EQ(cluster().Add(), 4);
  cluster().AddFlags(4, {"--join", "127.0.0.1:" + std::to_string(cluster().port(1))});
  cluster().Restart(4);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return InfoField(4, "raft_voters") == "4"; }));
  Load load(cluster().ports(), "kept:");
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  load.Stop();
  // Every member has all of it, so whoever survives.
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  const int survivor = cluster().WaitForFollower();
  const std::string old_id = InfoField(survivor, "raft_cluster_id");
  std::vector<int> lost;
  for (int id = 1; id <= 4; ++id) {
    if (id != survivor) lost.push_back(id);
  }
  for (int id : lost) cluster().Kill9(id);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster().port(survivor)).Command({"GET", "a"}).IsError("CLUSTERDOWN");
  }));
  cluster().Kill9(survivor);
  cluster().AddFlags(survivor, {"--force-new-cluster", old_id});
  cluster().Restart(survivor);
  ASSERT_EQ(cluster().WaitForLeader(), survivor);
  EXPECT_EQ(load.Check(), "");
  const std::string new_id = InfoField(survivor, "raft_cluster_id");
  EXPECT_NE(new_id, old_id);
  EXPECT_EQ(InfoField(survivor, "raft_members"), "1");
  ASSERT_NO_FATAL_FAILURE(Set(survivor, "whose", "the survivor's"));

  // Those that were thought lost can only talk to each other.
  for (int id : lost) cluster().Restart(id);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    std::vector<uint16_t> ports;
    for (int id : lost) ports.push_back(cluster().port(id));
    return FollowingClient(ports).Try({"SET", "whose", "theirs"}) == Status("OK");
  }));
  EXPECT_EQ(Client(cluster().port(survivor)).Command({"GET", "whose"}), Text("the survivor's"));
  EXPECT_EQ(InfoField(survivor, "raft_members"), "1");

  // They come back with nothing, as new members. The flag stays where it is.
  for (size_t i = 0; i < lost.size(); ++i) {
    cluster().Kill9(lost[i]);
    cluster().LoseData(lost[i]);
    cluster().ChangePort(lost[i]);
    cluster().Restart(lost[i]);
    ASSERT_EQ(
        Client(cluster().port(survivor))
            .Command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster().port(lost[i]))}),
        Status("OK"));
    ASSERT_TRUE(Eventually(
        kDeadlineMs, [&] { return InfoField(survivor, "raft_voters") == std::to_string(i + 2); }));
  }
  cluster().Kill9(survivor);
  cluster().Restart(survivor);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(InfoField(survivor, "raft_cluster_id"), new_id);
  EXPECT_EQ(InfoField(survivor, "raft_voters"), "4");
  EXPECT_EQ(load.Check(), "");
}

}  // namespace

}  // namespace quorate::redis_tests
