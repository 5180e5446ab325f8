// Syncs that fail, one by one.

#include <gtest/gtest.h>

#include <set>

#include "storage/folder/data_directory.h"
#include "storage/folder/folder_changes.h"
#include "storage/keyspace/database_view.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

using consensus::Index;

class SyncFailureTest : public testing::Test {
 protected:
  ~SyncFailureTest() override { system_calls::FailSyncsFrom(0); }

  TemporaryDirectory directory_;
};

// A start writes to both files and waits for the disk, so that what it has read is not only in the
// page cache, where the run before may have left it when a sync failed.
TEST_F(SyncFailureTest, AStartWaitsForTheFilesAndTheNames) {
  const std::string path = directory_ / "data";
  ASSERT_TRUE(OpenStorage(path, SomeIdentity(), {}).ok());
  std::set<std::string> files;
  for (uint64_t sync = 1;; ++sync) {
    system_calls::FailSyncsFrom(sync);
    const Result<OpenedStorage> opened = OpenStorage(path, SomeIdentity(), {});
    if (opened.ok()) break;
    EXPECT_NE(opened.error().find("Input/output error"), std::string::npos) << opened.error();
    files.insert(opened.error().substr(0, opened.error().find(": ")));
  }
  EXPECT_EQ(files, (std::set<std::string>{path, path + "/log", path + "/log/data.mdb",
                                          path + "/log/journal", path + "/state/data.mdb"}));
}

// A change that cannot be made durable is not reported as made; it is taken up, or has never been,
// once the disk is well again.
TEST_F(SyncFailureTest, AChangeOfTheFolderSaysSo) {
  const Identity other{.cluster_id = 0xdef, .node_id = consensus::NodeId(1), .members = ""};
  bool done = false;
  for (uint64_t sync = 1; !done; ++sync) {
    const std::string path = directory_ / std::to_string(sync);
    {
      const Result<OpenedStorage> member = OpenStorage(path, SomeIdentity(), {});
      ASSERT_TRUE(member.ok());
      const auto write = MakeWrite(1, MakeEntries(1, 1, 1));
      ASSERT_TRUE(member.value().log->Commit(std::vector{write}, std::nullopt).ok());
    }
    system_calls::FailSyncsFrom(sync);
    const Status changed = ForceNewCluster(path, other, "here", {});
    system_calls::FailSyncsFrom(0);
    done = changed.ok();
    if (!done) {
      EXPECT_NE(changed.error().find("Input/output error"), std::string::npos);
    }
    const Result<OpenedStorage> opened = OpenStorage(path, std::nullopt, {});
    ASSERT_TRUE(opened.ok()) << opened.error();
    const Identity& found = opened.value().identity;
    EXPECT_TRUE(found == other || (found == SomeIdentity() && !done));
    EXPECT_EQ(opened.value().state->identity(), found);
    EXPECT_EQ(opened.value().log->last_index(), Index(found == other ? 3 : 1));
  }
}

// Each of a commit's two syncs; and a second try, though the disk is well again by then, is
// refused: the kernel has marked the pages clean, and would say that all is there.
TEST_F(SyncFailureTest, ACommitIsNotTriedAgain) {
  for (uint64_t sync = 1; sync <= 2; ++sync) {
    const std::string path = directory_ / std::to_string(sync);
    auto log = MakeLog(path);
    ASSERT_TRUE(log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 3, 1))}, std::nullopt).ok());
    const std::vector next{
        Chains(Index(3), log->ChainAt(Index(3)).value()).Link(MakeWrite(2, MakeEntries(4, 6, 1)))};
    system_calls::FailSyncsFrom(sync);
    EXPECT_FALSE(log->Commit(next, std::nullopt).ok());
    EXPECT_EQ(log->last_index(), Index(3));
    system_calls::FailSyncsFrom(0);
    const Status again = log->Commit(next, std::nullopt);
    ASSERT_FALSE(again.ok());
    EXPECT_NE(again.error().find("an earlier commit has failed"), std::string::npos);
    log.reset();
    EXPECT_EQ(ReadAll(*OpenLog(path)), MakeEntries(1, 3, 1));
  }
}

TEST_F(SyncFailureTest, ACheckpointIsNotTriedAgain) {
  for (uint64_t sync = 1; sync <= 2; ++sync) {
    const std::string path = directory_ / std::to_string(sync);
    auto state = MakeState(path);
    KeySpace keys(*state, {});
    Apply(keys, [&] { WriteView(keys, 0).PutString("key", "value"); });
    const Checkpoint checkpoint = keys.BeginCheckpoint();
    system_calls::FailSyncsFrom(sync);
    EXPECT_FALSE(state->Write(checkpoint).ok());
    system_calls::FailSyncsFrom(0);
    const Status again = state->Write(checkpoint);
    ASSERT_FALSE(again.ok());
    EXPECT_NE(again.error().find("an earlier checkpoint has failed"), std::string::npos);
    state.reset();
    EXPECT_EQ(OpenState(path)->meta(), StateMeta());
  }
}

}  // namespace
}  // namespace quorate::storage
