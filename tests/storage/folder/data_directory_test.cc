#include "storage/folder/data_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <string>

#include "storage/base/file_system.h"
#include "storage/keyspace/database_view.h"
#include "storage/keyspace/key_space.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/child_process.h"

namespace quorate::storage {
namespace {

namespace fs = std::filesystem;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

class DataDirectoryTest : public testing::Test {
 protected:
  static Identity NodeOne() { return {.cluster_id = 0xabc, .node_id = NodeId(1), .members = "m"}; }

  Result<OpenedStorage> Open(const std::optional<Identity>& identity = NodeOne()) {
    return OpenStorage(path_, identity, {});
  }

  // What went wrong, or nothing.
  std::string OpenError(const std::optional<Identity>& identity = NodeOne()) {
    const Result<OpenedStorage> opened = Open(identity);
    return opened.ok() ? "" : opened.error();
  }

  // A folder with ten entries, of which `applied` are in a checkpoint and `trimmed` trimmed.
  void Fill(uint64_t applied, uint64_t trimmed, uint64_t term = 1, size_t entry_bytes = 0) {
    Result<OpenedStorage> opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.error();
    OpenedStorage& storage = opened.value();
    const auto write = MakeWrite(1, MakeEntries(1, 10, term, entry_bytes));
    ASSERT_TRUE(storage.log->Commit(std::vector{write}, Index(trimmed)).ok());
    KeySpace keys(*storage.state, {});
    for (uint64_t index = 1; index <= applied; ++index) {
      keys.BeginEntry(Index(index), Term(term), write.entries[index - 1].chain, 0);
      keys.BeginCommand();
      WriteView(keys, 0).PutString(std::to_string(index), "value");
      keys.EndEntry();
    }
    Checkpointed(keys, *storage.state);
  }

  // The bytes of all data files: what a refusal must leave alone.
  std::map<std::string, std::string> Data() {
    std::map<std::string, std::string> data;
    for (const auto& item : fs::recursive_directory_iterator(path_)) {
      if (item.path().filename() != "data.mdb") continue;
      std::string& bytes = data[item.path().string()];
      bytes.resize(fs::file_size(item.path()));
      FILE* file = fopen(item.path().c_str(), "rb");
      EXPECT_EQ(fread(bytes.data(), 1, bytes.size(), file), bytes.size());
      fclose(file);
    }
    return data;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "data";
};

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

// A mount point without its disk is another disk's folder.
TEST_F(DataDirectoryTest, WhetherItHoldsDataIsSeenWithoutTouchingIt) {
  const auto holds_data = [this] { return HoldsData(path_).value(); };
  EXPECT_FALSE(holds_data());
  EXPECT_FALSE(fs::exists(path_));
  ASSERT_TRUE(fs::create_directory(path_));
  EXPECT_FALSE(holds_data());
  EXPECT_TRUE(fs::is_empty(path_));
  ASSERT_EQ(OpenError(), "");
  EXPECT_TRUE(holds_data());
  // An identity is being changed, and the new log is not there yet.
  fs::rename(path_ + "/log", path_ + "/change");
  EXPECT_TRUE(holds_data());
}

TEST_F(DataDirectoryTest, AFirstStartMakesTheFolder) {
  {
    const Result<OpenedStorage> opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.error();
    EXPECT_TRUE(opened.value().first_start);
    EXPECT_EQ(opened.value().identity, NodeOne());
    EXPECT_EQ(opened.value().recovered.last_index, Index(0));
    EXPECT_EQ(opened.value().recovered.last_applied, Index(0));
  }
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0750U);
  for (const char* name : {"log.new", "state.new"}) EXPECT_FALSE(fs::exists(path_ + "/" + name));

  const Result<OpenedStorage> again = Open();
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_FALSE(again.value().first_start);
}

TEST_F(DataDirectoryTest, AFolderMayBeThereAlreadyAndHoldOtherFiles) {
  fs::create_directory(path_);
  fs::create_directory(path_ + "/other");
  EXPECT_EQ(OpenError(), "");
  EXPECT_TRUE(fs::exists(path_ + "/other"));
}

// A mistyped path must not become a tree of folders.
TEST_F(DataDirectoryTest, MakesOneLevelOnly) {
  path_ = directory_ / "no/such/data";
  EXPECT_CONTAINS(OpenError(), "the folder cannot be created: No such file");
  EXPECT_FALSE(fs::exists(directory_ / "no"));
}

TEST_F(DataDirectoryTest, APathMayEndInASlash) {
  path_ += "/";
  EXPECT_EQ(OpenError(), "");
  EXPECT_EQ(OpenError(), "");
}

TEST_F(DataDirectoryTest, APathMayBeAFile) {
  fclose(fopen(path_.c_str(), "w"));
  EXPECT_CONTAINS(OpenError(), "Not a directory");
}

TEST_F(DataDirectoryTest, RecoversLogAndState) {
  Fill(7, 4, 3);
  const Result<OpenedStorage> opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.error();
  const consensus::Recovered& recovered = opened.value().recovered;
  EXPECT_EQ(recovered.base_index, Index(4));
  EXPECT_EQ(recovered.base_term, Term(3));
  EXPECT_EQ(recovered.last_applied, Index(7));
  EXPECT_EQ(recovered.last_index, Index(10));
  EXPECT_EQ(opened.value().state->meta().key_count(), 7U);
}

TEST_F(DataDirectoryTest, IsLockedAgainstOthers) {
  const Result<OpenedStorage> opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.error();
  const std::string error = OpenError();
  EXPECT_CONTAINS(error, path_);
  EXPECT_CONTAINS(error, "in use by another process (" + std::to_string(getpid()) + ")");
  const Result<std::optional<Identity>> identity = ReadIdentity(path_, {});
  EXPECT_FALSE(identity.ok());
}

// The folder is locked, not a file in it that somebody may take away.
TEST_F(DataDirectoryTest, IsLockedAlsoWithoutItsLockFile) {
  const Result<OpenedStorage> opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.error();
  ASSERT_TRUE(fs::remove(path_ + "/lock"));
  EXPECT_CONTAINS(OpenError(), "the folder is in use by another process");
  EXPECT_CONTAINS(OpenError(),
                  "the folder is in use by another process");  // the last call has made a new one
}

TEST_F(DataDirectoryTest, IsLockedByWhateverPathItIsReached) {
  const Result<OpenedStorage> opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.error();
  const std::string path = path_;
  fs::create_directory_symlink(path, directory_ / "link");
  path_ = directory_ / "link";
  EXPECT_CONTAINS(OpenError(), "the folder is in use by another process");
  // Moved away: the server goes on in it, and another folder may take its place.
  fs::rename(path, directory_ / "moved");
  path_ = directory_ / "moved";
  EXPECT_CONTAINS(OpenError(), "the folder is in use by another process");
  path_ = path;
  EXPECT_EQ(OpenError(), "");
}

// Two folders that share a part, by a link or a mount: each part's file is locked as well.
TEST_F(DataDirectoryTest, EachPartIsLocked) {
  ASSERT_TRUE(Open().ok());
  const std::string whole = path_;
  const auto open_beside_it = [&](const char* part) {
    const std::string other = directory_ / (std::string("with-") + part);
    fs::create_directory(other);
    fs::copy(whole, other, fs::copy_options::recursive);
    fs::remove_all(other + "/" + part);
    fs::create_directory_symlink(whole + "/" + part, other + "/" + part);
    const Shared<std::atomic<bool>> is_open;
    ChildProcess holder([&] {
      const Result<OpenedStorage> opened = OpenStorage(whole, NodeOne(), {});
      *is_open = true;
      while (opened.ok()) pause();
      return 1;
    });
    while (!*is_open) usleep(1000);
    return RunChild([&] {
      const Result<OpenedStorage> opened = OpenStorage(other, NodeOne(), {});
      if (opened.ok()) return 0;
      const std::string expected =
          other + "/" + part + "/data.mdb: the file is in use by another process";
      if (opened.error() != expected) std::fprintf(stderr, "%s\n", opened.error().c_str());
      return opened.error() == expected ? 1 : 2;
    });
  };
  EXPECT_EQ(open_beside_it("log"), 1);
  EXPECT_EQ(open_beside_it("state"), 1);
}

TEST_F(DataDirectoryTest, RefusesAnothersFolderAndLeavesItAlone) {
  Fill(5, 2);
  const auto before = Data();
  const std::string node =
      OpenError(Identity{.cluster_id = 0xabc, .node_id = NodeId(2), .members = ""});
  EXPECT_CONTAINS(node, "belongs to node 1 of cluster 0000000000000abc, not to node 2 of");
  const std::string cluster =
      OpenError(Identity{.cluster_id = 0xdef, .node_id = NodeId(1), .members = ""});
  EXPECT_CONTAINS(cluster, "not to node 1 of cluster 0000000000000def");
  EXPECT_EQ(Data(), before);
  EXPECT_EQ(OpenError(), "");
}

TEST_F(DataDirectoryTest, MembersMayBeCalledOtherwiseLater) {
  ASSERT_EQ(OpenError(), "");
  Identity moved = NodeOne();
  moved.members = "elsewhere";
  const Result<OpenedStorage> opened = Open(moved);
  ASSERT_TRUE(opened.ok()) << opened.error();
  EXPECT_EQ(opened.value().identity.members, "m");
}

TEST_F(DataDirectoryTest, TellsWhoseItIs) {
  Result<std::optional<Identity>> identity = ReadIdentity(path_, {});
  ASSERT_TRUE(identity.ok());
  EXPECT_FALSE(identity.value());
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_CONTAINS(OpenError(std::nullopt), "does not exist");
  fs::create_directory(path_);
  EXPECT_CONTAINS(OpenError(std::nullopt), "holds no data");
  ASSERT_EQ(OpenError(), "");
  identity = ReadIdentity(path_, {});
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity.value(), NodeOne());
  EXPECT_EQ(OpenError(std::nullopt), "");
}

// A server that has lost its log has lost its votes with it.
TEST_F(DataDirectoryTest, RefusesAStateWithoutItsLog) {
  Fill(5, 2);
  fs::rename(path_ + "/log", path_ + "/moved");
  const auto before = Data();
  EXPECT_CONTAINS(OpenError(), "there is a state but no log");
  EXPECT_EQ(Data(), before);
  fs::rename(path_ + "/moved", path_ + "/log");
  EXPECT_EQ(OpenError(), "");
}

TEST_F(DataDirectoryTest, RefusesALogWithoutItsState) {
  Fill(5, 2);
  fs::rename(path_ + "/state", path_ + "/moved");
  const auto before = Data();
  EXPECT_CONTAINS(OpenError(), "there is a log but no state");
  EXPECT_EQ(Data(), before);
}

// Never a new, empty file in place of one that has gone.
TEST_F(DataDirectoryTest, RefusesAFolderWithoutItsFile) {
  Fill(5, 2);
  for (const char* part : {"/log", "/state"}) {
    const std::string file = path_ + part + "/data.mdb";
    const std::string aside = path_ + "/aside";
    fs::rename(file, aside);
    EXPECT_CONTAINS(OpenError(), file + ": the file is missing");
    fclose(fopen(file.c_str(), "w"));
    EXPECT_CONTAINS(OpenError(), file + ": the file is empty");
    fs::rename(aside, file);
  }
  EXPECT_EQ(OpenError(), "");
}

TEST_F(DataDirectoryTest, RefusesAnotherServersState) {
  Fill(5, 2);
  fs::rename(path_, directory_ / "one");
  const Identity node_two{.cluster_id = 0xabc, .node_id = NodeId(2), .members = "m"};
  ASSERT_EQ(OpenError(node_two), "");
  fs::remove_all(path_ + "/state");
  fs::rename(directory_ / "one/state", path_ + "/state");
  EXPECT_CONTAINS(OpenError(node_two), "the log belongs to node 2");
}

// Parts of different ages, as when one folder was restored from a copy.
TEST_F(DataDirectoryTest, RefusesPartsThatDoNotFit) {
  const auto keep_part = [&](const char* part, const char* name) {
    fs::copy(path_ + part, directory_ / name, fs::copy_options::recursive);
  };
  const auto replace_part = [&](const char* part, const char* name) {
    fs::remove_all(path_ + part);
    fs::copy(directory_ / name, path_ + part, fs::copy_options::recursive);
  };
  ASSERT_EQ(OpenError(), "");
  keep_part("/log", "empty-log");
  keep_part("/state", "empty-state");
  Fill(7, 4);
  keep_part("/log", "log");
  keep_part("/state", "state");

  replace_part("/log", "empty-log");
  EXPECT_CONTAINS(OpenError(), "applied up to 7, but the log ends at 0");
  replace_part("/log", "log");
  replace_part("/state", "empty-state");
  EXPECT_CONTAINS(OpenError(), "applied up to 0, but the log begins only after 4");
  replace_part("/state", "state");
  ASSERT_EQ(OpenError(), "");

  fs::remove_all(path_);
  Fill(7, 4, 2);  // the same indexes in another term
  replace_part("/log", "log");
  EXPECT_CONTAINS(OpenError(), "another entry 7");

  fs::remove_all(path_);
  Fill(7, 4, 1, 200);  // the same indexes and terms, with other entries
  replace_part("/log", "log");
  EXPECT_CONTAINS(OpenError(), "another entry 7");
}

}  // namespace
}  // namespace quorate::storage
