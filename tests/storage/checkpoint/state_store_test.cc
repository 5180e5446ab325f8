#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/checkpoint/threaded_checkpointer.h"
#include "storage/keyspace/key_slot.h"
#include "tests/storage/checkpoint/state_fixture.h"

namespace quorate::storage {
namespace {

using consensus::Index;

class StateStoreTest : public testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value) {
    Apply(keys_, [&] { keys_.PutString(key, value); });
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "state";
  std::unique_ptr<LmdbStateStore> state_ = MakeState(path_);
  KeySpace keys_{*state_, {}};
};

TEST_F(StateStoreTest, ANewStateIsBeforeTheFirstEntry) {
  EXPECT_EQ(state_->meta(), StateMeta());
  EXPECT_FALSE(state_->Find("key"));
  EXPECT_TRUE(state_->VerifyRows().ok());
  EXPECT_EQ(state_->identity(), StateIdentity());
}

TEST_F(StateStoreTest, ARestartFindsTheCheckpointWithItsMeta) {
  Put("key", "value");
  Put("other", std::string(100'000, 'v'));
  const Checkpoint checkpoint = keys_.BeginCheckpoint();
  ASSERT_TRUE(state_->Write(checkpoint).ok());
  state_ = nullptr;
  const auto state = OpenState(path_);
  EXPECT_EQ(state->meta(), checkpoint.meta);
  EXPECT_EQ(state->meta().last_applied, Index(2));
  EXPECT_EQ(state->meta().key_count, 2U);
  EXPECT_EQ(state->Find("key")->value, "value");
  EXPECT_EQ(state->Find("key")->header.revision, 1U);
  EXPECT_EQ(state->Find("other")->value, std::string(100'000, 'v'));
  EXPECT_TRUE(state->VerifyRows().ok());
}

TEST_F(StateStoreTest, AViewStaysUntilRefresh) {
  Put("key", "old");
  Checkpointed(keys_, *state_);
  const std::optional<RecordView> old = state_->Find("key");
  Put("key", "new");
  ASSERT_TRUE(state_->Write(keys_.BeginCheckpoint()).ok());
  EXPECT_EQ(old->value, "old");
  EXPECT_EQ(state_->Find("key")->value, "old");
  EXPECT_EQ(state_->meta().last_applied, Index(1));
  state_->Refresh();
  EXPECT_EQ(state_->Find("key")->value, "new");
  EXPECT_EQ(state_->meta().last_applied, Index(2));
}

// A key that came and went between two checkpoints leaves a deletion of nothing.
TEST_F(StateStoreTest, DeletesWhatIsThereAndWhatIsNot) {
  Put("there", "value");
  Checkpointed(keys_, *state_);
  Put("came", "value");
  Apply(keys_, [&] { keys_.Delete("came"); });
  Apply(keys_, [&] { keys_.Delete("there"); });
  Checkpointed(keys_, *state_);
  EXPECT_FALSE(state_->Find("there"));
  EXPECT_FALSE(state_->Find("came"));
  EXPECT_EQ(state_->meta().key_count, 0U);
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// The rows and what the meta record says of them go different ways: found before it is durable.
TEST_F(StateStoreTest, RefusesACheckpointThatDoesNotAddUp) {
  Put("key", "value");
  Checkpoint checkpoint = keys_.BeginCheckpoint();
  checkpoint.meta.key_count = 2;
  const Status written = state_->Write(checkpoint);
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().find("it has 1 keys and should have 2"), std::string::npos);
  checkpoint.meta.key_count = 1;
  EXPECT_FALSE(state_->Write(checkpoint).ok());  // nor anything after that
  state_ = nullptr;
  EXPECT_EQ(OpenState(path_)->meta(), StateMeta());
}

TEST_F(StateStoreTest, VerifyRowsComparesTheDigest) {
  Put("key", "value");
  Checkpoint checkpoint = keys_.BeginCheckpoint();
  ++checkpoint.meta.digest;
  ASSERT_TRUE(state_->Write(checkpoint).ok());
  state_->Refresh();
  EXPECT_FALSE(state_->VerifyRows().ok());
}

TEST_F(StateStoreTest, TheCheckpointerWritesInTheBackground) {
  std::atomic<int> wakes = 0;
  ThreadedCheckpointer checkpointer(*state_, {.wake = [&] { ++wakes; }, .fatal = {}});
  EXPECT_FALSE(checkpointer.TakeFinished());
  for (int round = 1; round <= 20; ++round) {
    Put(std::to_string(round), "value");
    checkpointer.Start(keys_.BeginCheckpoint());
    Put(std::to_string(-round), "value");  // applying goes on meanwhile
    while (wakes < round) std::this_thread::yield();
    ASSERT_TRUE(checkpointer.TakeFinished());
    EXPECT_FALSE(checkpointer.TakeFinished());  // once
    keys_.CheckpointFinished();
    EXPECT_EQ(state_->meta().key_count, keys_.key_count() - 1);
  }
  const ThreadedCheckpointer::Statistics statistics = checkpointer.statistics();
  EXPECT_EQ(statistics.checkpoints, 20U);
  EXPECT_EQ(statistics.last_keys, 2U);
  EXPECT_EQ(statistics.under_way_usec, 0);
}

TEST_F(StateStoreTest, StopWaitsForTheCheckpointUnderWay) {
  for (int i = 0; i < 1000; ++i) Put(std::to_string(i), std::string(1000, 'v'));
  ThreadedCheckpointer checkpointer(*state_, {});
  checkpointer.Start(keys_.BeginCheckpoint());
  checkpointer.Stop();
  ASSERT_TRUE(checkpointer.TakeFinished());
  keys_.CheckpointFinished();
  EXPECT_EQ(state_->meta().key_count, 1000U);
  state_->Refresh();
  EXPECT_TRUE(state_->VerifyRows().ok());
}

}  // namespace
}  // namespace quorate::storage
