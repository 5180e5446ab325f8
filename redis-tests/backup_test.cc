// Backups of nodes at work: BGSAVE and SAVE under load, on a full disk, with an end in the middle.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/load.h"
#include "redis-tests/support/small_disk.h"

namespace quorate::redis_tests {

namespace {

// What --check-backup says: "" where the file is intact.
std::string WrongWith(const std::string& path) {
  const ProgramResult result =
      RunProgram({QUORATE_SERVER, "--check-backup", path}, "", kDeadlineMs);
  if (result.end == ProcessEnd{0, 0}) {
    EXPECT_NE(result.output.find(path + ": intact, "), std::string::npos) << result.output;
    return "";
  }
  EXPECT_EQ(result.end, (ProcessEnd{1, 0}));
  return result.error;
}

class Backup : public ClusterTest {
 protected:
  static void SetUpTestSuite() { SetUpTestSuiteWithDefaults(); }

  static std::string Dump(int id) { return cluster().data_folder(id) + "/dump.quorate"; }
  static std::string InfoField(int id, const std::string& name) {
    return Field(Client(cluster().port(id)).Command({"INFO"}).text, name);
  }
  // Enough that a backup takes some time.
  void Fill(int keys) {
    Client client(cluster().port(leader()));
    const std::string value(100'000, 'v');
    for (int i = 0; i < keys; ++i) {
      ASSERT_EQ(client.Command({"SET", Key("filler" + std::to_string(i)), value}), Status("OK"));
    }
  }
};

TEST_F(Backup, OfEveryNodeUnderLoadIsIntact) {
  Load load(cluster().ports(), Key(""));
  ASSERT_TRUE(load.WaitForAcknowledged(20));
  for (int round = 0; round < 3; ++round) {
    for (int id = 1; id <= 3; ++id) {
      Client client(cluster().port(id));
      const std::string applied = InfoField(id, "raft_last_applied");
      ASSERT_EQ(client.Command({"SAVE"}), Status("OK"));
      EXPECT_GE(std::stoull(InfoField(id, "rdb_last_save_index")), std::stoull(applied));
      EXPECT_EQ(WrongWith(Dump(id)), "");
      EXPECT_FALSE(std::filesystem::exists(Dump(id) + ".new"));
    }
  }
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}

// As scripts do it with Redis.
TEST_F(Backup, LastSaveTellsWhenABackgroundSaveIsDone) {
  Client client(cluster().port(follower()));
  const int64_t before = client.Command({"LASTSAVE"}).integer;
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    const Reply time = client.Command({"TIME"});
    return std::stoll(time.elements[0].text) > before;
  })) << "the second has not passed";
  EXPECT_EQ(client.Command({"BGSAVE"}), Status("Background saving started"));
  EXPECT_TRUE(
      Eventually(kDeadlineMs, [&] { return client.Command({"LASTSAVE"}).integer > before; }));
  EXPECT_EQ(InfoField(follower(), "rdb_last_bgsave_status"), "ok");
  EXPECT_EQ(InfoField(follower(), "rdb_bgsave_in_progress"), "0");
  EXPECT_EQ(WrongWith(Dump(follower())), "");

  // After a restart the file tells, with the time when it was written.
  const int64_t time = client.Command({"LASTSAVE"}).integer;
  const std::string index = InfoField(follower(), "rdb_last_save_index");
  cluster().Kill9(follower());
  cluster().Restart(follower());
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  const int64_t found = Client(cluster().port(follower())).Command({"LASTSAVE"}).integer;
  EXPECT_LE(found, time);
  EXPECT_GE(found, before);
  EXPECT_EQ(InfoField(follower(), "rdb_last_save_index"), index);
}

TEST_F(Backup, ANodeWithoutAMajorityCanBeBackedUp) {
  Fill(1);
  const int survivor = follower();
  Client client(cluster().port(survivor));
  ASSERT_EQ(client.Command({"READONLY"}), Status("OK"));
  ASSERT_TRUE(client.Command({"GET", Key("filler0")}).answered());  // so it has it
  for (int id = 1; id <= 3; ++id) {
    if (id != survivor) cluster().Kill9(id);
  }
  EXPECT_EQ(client.Command({"SAVE"}), Status("OK"));
  EXPECT_EQ(WrongWith(Dump(survivor)), "");
}

// The backup before stays until the next one is complete, and what is left of that goes at the
// start.
TEST_F(Backup, KilledInTheMiddleLeavesTheOneBefore) {
  ASSERT_NO_FATAL_FAILURE(Fill(400));
  Load load(cluster().ports(), Key(""));
  const int victim = follower();
  ASSERT_EQ(Client(cluster().port(victim)).Command({"SAVE"}), Status("OK"));
  const std::string unfinished = Dump(victim) + ".new";
  int in_the_middle = 0;
  for (int round = 0; round < 20 && in_the_middle < 3; ++round) {
    ASSERT_EQ(Client(cluster().port(victim)).Command({"BGSAVE"}),
              Status("Background saving started"));
    Eventually(kDeadlineMs, [&] {
      return std::filesystem::exists(unfinished) ||
             InfoField(victim, "rdb_bgsave_in_progress") == "0";
    });
    cluster().Kill9(victim);
    if (std::filesystem::exists(unfinished)) ++in_the_middle;
    EXPECT_EQ(WrongWith(Dump(victim)), "");
    cluster().Restart(victim);
    ASSERT_TRUE(cluster().WaitUntilAllServe());
    EXPECT_FALSE(std::filesystem::exists(unfinished));
  }
  EXPECT_GT(in_the_middle, 0);
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}

// While the cluster is served, and a follower gets a snapshot of the same checkpoints.
TEST_F(Backup, AndASnapshotAtTheSameTime) {
  for (const char* name : {"repl-backlog-size", "repl-backlog-entries"}) {
    for (int id = 1; id <= 3; ++id) {
      ASSERT_EQ(Client(cluster().port(id)).Command({"CONFIG", "SET", name, "100"}), Status("OK"));
    }
  }
  const int away = follower();
  const uint64_t had = std::stoull(InfoField(away, "raft_last_log_index"));
  cluster().Kill9(away);
  ASSERT_NO_FATAL_FAILURE(Fill(600));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return std::stoull(InfoField(leader(), "raft_first_log_index")) > had + 1;
  }));
  Load load({cluster().port(leader())}, Key(""));
  cluster().Restart(away);
  bool served = false;
  int saves = 0;
  while (!served || saves < 3) {
    const Reply saved = Client(cluster().port(leader())).Command({"SAVE"});
    ASSERT_EQ(saved, Status("OK"));
    ++saves;
    ASSERT_EQ(WrongWith(Dump(leader())), "");
    Client client(cluster().port(away), 1000);
    client.Command({"READONLY"});
    served = client.Command({"GET", Key("filler0")}).kind == Reply::Kind::kString;
  }
  EXPECT_GT(std::stoull(InfoField(away, "raft_first_log_index")), had + 1) << "there was none";
  ASSERT_EQ(Client(cluster().port(away)).Command({"SAVE"}), Status("OK"));
  EXPECT_EQ(WrongWith(Dump(away)), "");
  load.Stop();
  EXPECT_EQ(load.Check(), "");
}

TEST(BackupCheck, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/dump";
  EXPECT_NE(WrongWith(path).find("No such file"), std::string::npos);
  std::ofstream(path) << "REDIS0011 and so on, as Redis would write it";
  EXPECT_NE(WrongWith(path).find("is no backup of Quorate's"), std::string::npos);
}

TEST(BackupOnAFullDisk, FailsSaysSoAndLeavesTheOneBefore) {
  Cluster cluster({.size = 1});
  // Mounting takes root's rights, mkfs.ext4 and a loop device.
  const auto disk =
      EnterOwnMountNamespace() ? SmallDisk::Mount(cluster.data_folder(1), 48) : nullptr;
  if (!disk) GTEST_SKIP() << "this user may not mount a small disk to fill";
  ASSERT_TRUE(cluster.Start());
  const std::string dump = cluster.data_folder(1) + "/dump.quorate";
  {
    Client client(cluster.port(1));
    ASSERT_EQ(client.Command({"SET", "a", "1"}), Status("OK"));
    ASSERT_EQ(client.Command({"SAVE"}), Status("OK"));
    const int64_t before = client.Command({"LASTSAVE"}).integer;
    ASSERT_EQ(client.Command({"SET", "a", std::string(100'000, 'x')}), Status("OK"));
    disk->Fill();
    const Reply failed = client.Command({"SAVE"});
    ASSERT_TRUE(failed.is_error()) << failed;
    EXPECT_NE(failed.text.find("space"), std::string::npos) << failed.text;
    const std::string info = client.Command({"INFO", "persistence"}).text;
    EXPECT_EQ(Field(info, "rdb_last_bgsave_status"), "err");
    EXPECT_EQ(Field(info, "rdb_saves"), "1");
    EXPECT_EQ(client.Command({"LASTSAVE"}).integer, before);
    EXPECT_EQ(WrongWith(dump), "");
    disk->MakeSpace();
    EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return client.Command({"SAVE"}) == Status("OK"); }));
    EXPECT_EQ(WrongWith(dump), "");
  }
  EXPECT_EQ(cluster.Terminate(1), (ProcessEnd{0, 0}));
}

}  // namespace

}  // namespace quorate::redis_tests
