// What restore-from and force-new-cluster make of a data folder, at the first start with them and
// at those that follow.
#include "src/server/folder_preparation.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "consensus/configuration.h"
#include "storage/keyspace/database_view.h"
#include "storage/snapshot/backup.h"
#include "tests/src/config/config_support.h"
#include "tests/storage/snapshot/snapshot_fixture.h"

namespace quorate {
namespace {

using consensus::Index;
using consensus::NodeId;
using storage::OpenedStorage;

constexpr const char* kMembers = "1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003";

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

class FolderPreparation : public testing::Test {
 protected:
  FolderPreparation() { spdlog::set_level(spdlog::level::off); }

  // A backup of a node that has applied so many entries.
  std::string MakeBackup(const std::string& name, int entries) {
    const std::string path = folder_.PathOf(name);
    const storage::TemporaryDirectory directory;
    const auto state = storage::MakeState(directory / "state");
    storage::KeySpace keys(*state, {});
    for (int i = 0; i < entries; ++i) {
      storage::Apply(
          keys, [&] { storage::WriteView(keys, 0).PutString("key" + std::to_string(i), "value"); });
    }
    storage::Checkpointed(keys, *state);
    storage::BackupWriter writer(*state, path, {});
    while (!writer.TakeFinished()) std::this_thread::yield();
    return path;
  }
  // Flags of member `id` of three.
  std::vector<std::string> OfThree(int id) const {
    return {"--dir",
            Folder(id),
            "--port",
            std::to_string(7000 + id),
            "--node-id",
            std::to_string(id),
            "--initial-cluster",
            kMembers};
  }
  std::vector<std::string> Alone() const { return {"--dir", Folder(0), "--port", "7001"}; }
  std::string Folder(int id) const { return folder_.PathOf("data" + std::to_string(id)); }

  // Prepares the folder; who the node is then, or nobody and `error_`.
  storage::Identity Prepare(std::vector<std::string> flags,
                            const std::vector<std::string>& more = {}) {
    flags.insert(flags.end(), more.begin(), more.end());
    config_ = ParseGood(flags);
    options_ = storage::SmallJournal();
    const auto prepared = PrepareFolder(config_, options_);
    if (const auto* error = std::get_if<std::string>(&prepared)) {
      error_ = *error;
      return {};
    }
    error_.clear();
    return std::get<ChosenIdentity>(prepared).identity;
  }
  // As a life of the node would begin, after Prepare.
  OpenedStorage Open(const storage::Identity& identity) {
    auto opened = storage::OpenStorage(config_.dir, identity, options_);
    EXPECT_TRUE(opened.ok()) << opened.error();
    return std::move(opened.value());
  }
  // A member of three with an entry in its log, which it is asked to give up with these flags.
  storage::Identity MakeMember() {
    const storage::Identity member = Prepare(OfThree(2));
    const OpenedStorage storage = Open(member);
    const auto write = storage::MakeWrite(1, storage::MakeEntries(1, 1, 1));
    EXPECT_TRUE(storage.log->Commit(std::vector{write}, std::nullopt).ok());
    return member;
  }
  static std::string Id(const storage::Identity& identity) {
    const std::string text = storage::Describe(identity);
    return text.substr(text.size() - 16);
  }

  TemporaryFolder folder_;
  Config config_;
  storage::StorageOptions options_;
  std::string error_;
};

// Nobody else has to find the same id. And if others join it and its folder is lost, it must not
// come back as one that has voted and acknowledged nothing.
TEST_F(FolderPreparation, AClusterOfOneDrawsItsId) {
  const std::vector<std::string> flags = {"--node-id",
                                          "1",
                                          "--port",
                                          "7001",
                                          "--initial-cluster",
                                          "1=127.0.0.1:7001",
                                          "--initial-cluster-token",
                                          "a"};
  const storage::Identity first = Prepare(flags, {"--dir", Folder(1)});
  ASSERT_EQ(error_, "");
  { const OpenedStorage made = Open(first); }
  EXPECT_EQ(Prepare(flags, {"--dir", Folder(1)}), first);
  EXPECT_TRUE(MayBeAdopted(first));
  Prepare({"--node-id", "1", "--port", "7001", "--dir", Folder(1)},
          {"--initial-cluster-token", "b"});
  EXPECT_CONTAINS(error_, "whose initial-cluster-token is not 'b'");
  EXPECT_NE(Prepare(flags, {"--dir", Folder(2)}).cluster_id, first.cluster_id);
  EXPECT_FALSE(MayBeAdopted(Prepare(OfThree(3))));
}

// --- require-data ---

TEST_F(FolderPreparation, AnEmptyFolderIsRefusedWhereDataIsRequired) {
  const std::vector<std::string> required = {"--require-data", "yes"};
  Prepare(Alone(), required);
  EXPECT_CONTAINS(error_, "the folder holds no data, and require-data is yes");
  EXPECT_FALSE(std::filesystem::exists(Folder(0)));
  // As a mount point is, without its disk.
  std::filesystem::create_directory(Folder(0));
  Prepare(Alone(), required);
  EXPECT_CONTAINS(error_, "the folder holds no data, and require-data is yes");
  EXPECT_TRUE(std::filesystem::is_empty(Folder(0))) << "it may be another disk's";
  const storage::Identity first = Prepare(Alone());
  { const OpenedStorage made = Open(first); }
  EXPECT_EQ(Prepare(Alone(), required), first);
  EXPECT_EQ(error_, "");
}

// --- restore-from ---

TEST_F(FolderPreparation, ABackupBeginsAClusterOfOneOnce) {
  const std::string backup = MakeBackup("dump", 7);
  const storage::Identity restored = Prepare(Alone(), {"--restore-from", backup});
  ASSERT_EQ(error_, "");
  EXPECT_FALSE(restored.members.empty()) << "another cluster could take it in";
  {
    const OpenedStorage storage = Open(restored);
    EXPECT_EQ(storage.recovered.last_applied, Index(7));
    EXPECT_EQ(storage.state->meta().key_count(), 7U);
    ASSERT_EQ(storage.recovered.configuration.members.size(), 1U);
    EXPECT_EQ(storage.recovered.configuration.members[0].address, "127.0.0.1:7001@17001");
  }
  // With the same flags, whatever the file has become, and without.
  MakeBackup("dump", 9);
  EXPECT_EQ(Prepare(Alone(), {"--restore-from", backup}), restored);
  std::filesystem::remove(backup);
  EXPECT_EQ(Prepare(Alone(), {"--restore-from", backup}), restored);
  EXPECT_EQ(Prepare(Alone()), restored);
  EXPECT_EQ(Open(restored).recovered.last_applied, Index(7));
  // Another such cluster is another.
  const std::string again = MakeBackup("dump", 7);
  EXPECT_NE(Prepare({"--dir", Folder(4)}, {"--restore-from", again}).cluster_id,
            restored.cluster_id);
}

TEST_F(FolderPreparation, OneBackupMakesOneClusterOfAllItsMembers) {
  const std::string one = MakeBackup("one", 7);
  const std::string other = MakeBackup("other", 8);
  const storage::Identity first = Prepare(OfThree(1), {"--restore-from", one});
  EXPECT_EQ(Open(first).recovered.configuration.members.size(), 3U);
  const storage::Identity second = Prepare(OfThree(2), {"--restore-from", one});
  EXPECT_EQ(second.cluster_id, first.cluster_id);
  EXPECT_EQ(second.node_id, NodeId(2));
  // What does not hold the same must not be one cluster.
  EXPECT_NE(Prepare(OfThree(3), {"--restore-from", other}).cluster_id, first.cluster_id);
  std::filesystem::remove_all(Folder(3));
  EXPECT_NE(Prepare(OfThree(3)).cluster_id, first.cluster_id);
  std::filesystem::remove_all(Folder(3));
  EXPECT_NE(Prepare(OfThree(3), {"--restore-from", one, "--initial-cluster-token", "b"}).cluster_id,
            first.cluster_id);
  EXPECT_EQ(Prepare(OfThree(3), {"--initial-cluster-token", "c"}), storage::Identity());
  EXPECT_CONTAINS(error_, "whose initial-cluster-token is not 'c'");
  // initial-cluster may be left out later.
  EXPECT_EQ(Prepare({"--dir", Folder(1), "--port", "7001"}), first);
}

TEST_F(FolderPreparation, AFolderWithOtherDataIsNotRestoredInto) {
  const std::string backup = MakeBackup("dump", 7);
  const storage::Identity there = Prepare(Alone());
  Open(there);
  Prepare(Alone(), {"--restore-from", backup});
  EXPECT_CONTAINS(error_, "was not begun with a backup: restore-from takes an empty folder");
  EXPECT_EQ(Prepare(Alone()), there);
}

TEST_F(FolderPreparation, ADamagedBackupIsRefusedAndCanBeReplaced) {
  const std::string backup = MakeBackup("dump", 7);
  const auto bytes = std::filesystem::file_size(backup);
  std::filesystem::copy_file(backup, backup + ".copy");
  std::filesystem::resize_file(backup, bytes - 1);
  Prepare(Alone(), {"--restore-from", backup});
  EXPECT_CONTAINS(error_, "the backup is not restored: " + backup + ": byte ");
  std::filesystem::resize_file(backup, 10);
  Prepare(Alone(), {"--restore-from", backup});
  EXPECT_CONTAINS(error_, "the backup is not restored: " + backup + ": byte ");
  Prepare(Alone(), {"--restore-from", backup + ".not"});
  EXPECT_CONTAINS(error_, "No such file");
  const storage::Identity restored = Prepare(Alone(), {"--restore-from", backup + ".copy"});
  EXPECT_EQ(error_, "");
  EXPECT_EQ(Open(restored).state->meta().key_count(), 7U);
}

// --- force-new-cluster ---

TEST_F(FolderPreparation, ASurvivorBecomesAClusterOfItsOwnOnce) {
  const storage::Identity member = MakeMember();
  const std::vector<std::string> force = {"--force-new-cluster", Id(member)};
  const storage::Identity survivor = Prepare(OfThree(2), force);
  ASSERT_EQ(error_, "");
  EXPECT_NE(survivor.cluster_id, member.cluster_id);
  EXPECT_EQ(survivor.node_id, NodeId(2));
  const auto look = [&] {
    const OpenedStorage storage = Open(survivor);
    EXPECT_EQ(storage.recovered.last_index, Index(3));
    const consensus::Configuration& last = storage.recovered.configurations.back().second;
    ASSERT_EQ(last.members.size(), 1U);
    EXPECT_EQ(last.members[0].address, "127.0.0.1:7002@17002");
    EXPECT_EQ(last.next_id, NodeId(4));
  };
  look();
  // With all the words of its former life, with or without the new ones.
  EXPECT_EQ(Prepare(OfThree(2), force), survivor);
  EXPECT_EQ(Prepare(OfThree(2)), survivor);
  EXPECT_EQ(Prepare(OfThree(2), {"--initial-cluster-token", "another"}), survivor);
  EXPECT_EQ(Prepare({"--dir", Folder(2), "--port", "7002"}), survivor);
  look();
  Prepare({"--dir", Folder(2), "--port", "7002", "--node-id", "3"});
  EXPECT_CONTAINS(error_, "not to node 3");
  // And once more, with the id that it has now.
  const storage::Identity next = Prepare(OfThree(2), {"--force-new-cluster", Id(survivor)});
  EXPECT_NE(next.cluster_id, survivor.cluster_id);
  EXPECT_EQ(Open(next).recovered.last_index, Index(5));
}

TEST_F(FolderPreparation, OnlyTheClusterThatIsNamedIsGivenUp) {
  Prepare(OfThree(1), {"--force-new-cluster", "0123456789abcdef"});
  EXPECT_CONTAINS(error_, "the data folder holds no data");
  const storage::Identity member = MakeMember();
  Prepare(OfThree(2), {"--force-new-cluster", "0123456789abcdef"});
  EXPECT_EQ(error_,
            "force-new-cluster names the cluster 0123456789abcdef, but the data folder "
            "belongs to node 2 of cluster " +
                Id(member));
  EXPECT_EQ(Prepare(OfThree(2)), member);
}

// It may be one that never was part of anything.
TEST_F(FolderPreparation, AFolderWithoutAnEntryIsNoSurvivor) {
  const storage::Identity member = Prepare(OfThree(1));
  Open(member);
  Prepare(OfThree(1), {"--force-new-cluster", Id(member)});
  EXPECT_CONTAINS(error_, "the folder holds no entry");
  EXPECT_EQ(Prepare(OfThree(1)), member);
}

TEST_F(FolderPreparation, ARestoredSurvivorIsNotRestoredAgain) {
  const std::vector<std::string> restore = {"--restore-from", MakeBackup("dump", 7)};
  const storage::Identity restored = Prepare(OfThree(2), restore);
  Open(restored);
  const storage::Identity survivor =
      Prepare(OfThree(2), {restore[0], restore[1], "--force-new-cluster", Id(restored)});
  ASSERT_EQ(error_, "");
  EXPECT_EQ(Prepare(OfThree(2), restore), survivor);
  EXPECT_EQ(Open(survivor).recovered.last_index, Index(9));
}

}  // namespace
}  // namespace quorate
