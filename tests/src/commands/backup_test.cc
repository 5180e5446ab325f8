// BGSAVE, SAVE, LASTSAVE and what INFO says of them, on a real node with made-up files.
#include <gtest/gtest.h>

#include <string>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kStarted = "+Background saving started\r\n";
constexpr const char* kUnderWay = "-ERR Background save already in progress\r\n";

class BackupCommand : public testing::Test {
 protected:
  BackupCommand() {
    cluster_.WaitForLeader();
    client_.Call({"SET", "a", "1"});
  }

  TestMember& server() { return cluster_.member(1); }
  const storage::KeySpace& keys() { return cluster_.node(1).keys(); }
  void FinishCheckpoint() {
    server().state.Finish();
    cluster_.Steps(2);
  }
  void EndBackup(storage::Result<storage::StateMeta> end) {
    server().backup_end.emplace(std::move(end));
    cluster_.Steps(2);
  }
  storage::StateMeta Meta() {
    storage::StateMeta meta;
    meta.last_applied = keys().last_applied();
    meta.revision = keys().revision();
    return meta;
  }
  std::string Info(std::string_view field) {
    return FieldOf(client_.Call({"INFO", "persistence"}), field);
  }

  TestCluster cluster_{1};
  TestClient client_{cluster_, 1};
};

TEST_F(BackupCommand, IsOfACheckpointOfAllThatWasApplied) {
  EXPECT_EQ(client_.Call({"BGSAVE"}), kStarted);
  EXPECT_EQ(server().backups_begun, 0) << "the checkpoint is not there yet";
  EXPECT_TRUE(server().state.checkpoint_started());
  EXPECT_EQ(Info("rdb_bgsave_in_progress"), "1");
  FinishCheckpoint();
  EXPECT_EQ(server().backups_begun, 1);
  EXPECT_EQ(keys().checkpoint_index(), keys().last_applied());
  EXPECT_EQ(Info("rdb_bgsave_in_progress"), "1");
  EndBackup(Meta());
  EXPECT_EQ(Info("rdb_bgsave_in_progress"), "0");
  // The next finds a checkpoint that has it all.
  EXPECT_EQ(client_.Call({"BGSAVE", "schedule"}), kStarted);
  EXPECT_EQ(server().backups_begun, 2);
}

// One that began before the last write was applied will not do.
TEST_F(BackupCommand, WaitsForTheCheckpointAfterTheOneUnderWay) {
  cluster_.node(1).BeginCheckpoint();
  client_.Call({"SET", "a", "2"});
  client_.Call({"BGSAVE"});
  FinishCheckpoint();
  EXPECT_EQ(server().backups_begun, 0);
  FinishCheckpoint();
  EXPECT_EQ(server().backups_begun, 1);
  EXPECT_EQ(keys().checkpoint_index(), keys().last_applied());
}

TEST_F(BackupCommand, OneAtATime) {
  EXPECT_EQ(client_.Call({"BGSAVE"}), kStarted);
  EXPECT_EQ(client_.Call({"BGSAVE"}), kUnderWay);
  EXPECT_EQ(client_.Call({"SAVE"}), kUnderWay);
  FinishCheckpoint();
  EXPECT_EQ(client_.Call({"BGSAVE", "SCHEDULE"}), kUnderWay);
  EndBackup(Meta());
  EXPECT_EQ(client_.Call({"BGSAVE"}), kStarted);
  EXPECT_EQ(client_.Call({"BGSAVE", "NOW"}), "-ERR syntax error\r\n");
  EXPECT_EQ(client_.Call({"BGSAVE", "SCHEDULE", "x"}), "-ERR syntax error\r\n");
}

TEST_F(BackupCommand, SaveAnswersAtTheEndAndOnlyItsClientWaits) {
  TestClient other(cluster_, 1);
  EXPECT_EQ(client_.Call({"SAVE"}), "");
  EXPECT_EQ(client_.Call({"PING"}), "");
  EXPECT_EQ(other.Call({"SET", "b", "2"}), kOk);
  FinishCheckpoint();
  EXPECT_EQ(TestCluster::Replies(client_.session()), "");
  EndBackup(Meta());
  EXPECT_EQ(TestCluster::Replies(client_.session()), "+OK\r\n+PONG\r\n");
  EXPECT_EQ(FieldOf(other.Call({"INFO", "commandstats"}), "cmdstat_save").find("calls=1,"), 0U);
}

TEST_F(BackupCommand, SaveSaysWhatWentWrong) {
  client_.Call({"SAVE"});
  FinishCheckpoint();
  EndBackup(storage::Error{"dump.quorate: cannot be written: No space left on device"});
  EXPECT_EQ(TestCluster::Replies(client_.session()),
            "-ERR the backup has failed: dump.quorate: cannot be written: "
            "No space left on device\r\n");
  EXPECT_EQ(Info("rdb_last_bgsave_status"), "err");
  EXPECT_EQ(Info("rdb_saves"), "0");
  // The next one can be complete.
  client_.Call({"SAVE"});
  EndBackup(Meta());
  EXPECT_EQ(TestCluster::Replies(client_.session()), kOk);
  EXPECT_EQ(Info("rdb_last_bgsave_status"), "ok");
}

TEST_F(BackupCommand, FailsWhereTheCheckpointFindsNoSpace) {
  client_.Call({"SAVE"});
  server().state.full = true;
  cluster_.Step();
  EXPECT_EQ(TestCluster::Replies(client_.session()),
            "-ERR the backup has failed: there is no space on the disk for the checkpoint that it "
            "needs\r\n");
}

TEST_F(BackupCommand, AClientThatHasGoneIsNotAnswered) {
  {
    TestClient gone(cluster_, 1);
    gone.Call({"SAVE"});
    server().sessions.Close(gone.session());
  }
  FinishCheckpoint();
  EndBackup(Meta());
  EXPECT_EQ(Info("rdb_saves"), "1");
}

TEST_F(BackupCommand, InfoAndLastSaveTellOfTheLastOne) {
  server().statistics.backups.last_unix_s = 1234;
  EXPECT_EQ(client_.Call({"LASTSAVE"}), ":1234\r\n");
  EXPECT_EQ(Info("rdb_last_bgsave_time_sec"), "-1");
  EXPECT_EQ(Info("rdb_current_bgsave_time_sec"), "-1");
  EXPECT_EQ(Info("rdb_changes_since_last_save"), "1");
  client_.Call({"BGSAVE"});
  cluster_.clock().now_ms += 5'000;
  EXPECT_EQ(Info("rdb_current_bgsave_time_sec"), "5");
  FinishCheckpoint();
  const storage::StateMeta meta = Meta();
  client_.Call({"SET", "a", "2"});
  client_.Call({"SET", "a", "3"});
  EndBackup(meta);
  const std::string now = std::to_string(cluster_.clock().unix_us() / 1'000'000);
  EXPECT_EQ(client_.Call({"LASTSAVE"}), ":" + now + "\r\n");
  EXPECT_EQ(Info("rdb_last_save_time"), now);
  EXPECT_EQ(Info("rdb_last_bgsave_status"), "ok");
  EXPECT_EQ(Info("rdb_last_bgsave_time_sec"), "5");
  EXPECT_EQ(Info("rdb_changes_since_last_save"), "2");
  EXPECT_EQ(Info("rdb_saves"), "1");
  EXPECT_EQ(Info("rdb_last_save_index"), std::to_string(meta.last_applied.value()));
  client_.Call({"CONFIG", "RESETSTAT"});
  EXPECT_EQ(Info("rdb_saves"), "0");
  EXPECT_EQ(Info("rdb_last_save_time"), now);
}

}  // namespace
}  // namespace quorate
