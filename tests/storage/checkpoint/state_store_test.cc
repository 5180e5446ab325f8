#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "consensus/founding.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/checkpoint/state_builder.h"
#include "storage/checkpoint/state_records.h"
#include "storage/checkpoint/threaded_checkpointer.h"
#include "storage/keyspace/key_slot.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/lmdb/lmdb_environment.h"
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

// Puts a row into the database "keys" of a state that is closed.
void WriteRow(const std::string& path, const StateMeta& meta, const RowKey& row_key,
              const Row& content) {
  auto environment = Environment::Open(path, {});
  ASSERT_TRUE(environment.ok()) << environment.error();
  MDB_dbi rows = 0;
  ASSERT_TRUE(LmdbStateStore::OpenDatabases(*environment.value(), &rows).ok());
  auto transaction = WriteTransaction::Begin(*environment.value());
  ASSERT_TRUE(transaction.ok()) << transaction.error();
  MDB_txn* handle = transaction.value().handle();
  const std::string row = EncodeRow(row_key.bytes(), content);
  MDB_val key = ToValue(row_key.bytes());
  MDB_val value = ToValue(row);
  ASSERT_EQ(mdb_put(handle, rows, &key, &value, 0), 0);
  ASSERT_EQ(PutStateMeta(handle, meta), 0);
  ASSERT_EQ(transaction.value().Commit(), 0);
}

// As if the hashes of two long keys were equal: a lookup finds the other one's row.
TEST_F(StateStoreTest, NeverTakesALongKeyForAnother) {
  const std::string key(1000, 'k');
  const std::string other(1001, 'k');
  Put(key, "value");
  Checkpointed(keys_, *state_);
  const StateMeta meta = state_->meta();
  state_ = nullptr;
  WriteRow(path_, meta, RowKey({}, 0, key), {other, {{ValueType::kString, 1, 0}, "the other's"}});

  const auto state = OpenState(path_);
  state->NoteVerified(meta.last_applied);
  EXPECT_FALSE(state->Find(key));
  KeySpace keys(*state, {});
  Apply(keys, [&] { keys.PutString(key, "value"); });
  Apply(keys, [&] { keys.Delete(key); });
  Checkpointed(keys, *state);  // takes nothing of the other's
  Apply(keys, [&] { keys.PutString(key, "value"); });
  const Status written = state->Write(keys.BeginCheckpoint());
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().find("two keys have the row key"), std::string::npos)
      << written.error();
}

TEST_F(StateStoreTest, ARowOfAnUnknownTypeIsANewerVersions) {
  const std::string large(20'000, 'v');
  Put("key", large);
  Checkpointed(keys_, *state_);
  const StateMeta meta = state_->meta();
  state_ = nullptr;
  WriteRow(path_, meta, RowKey({}, 0, "key"), {"key", {{ValueType::kHash, 1, 0}, large}});
  const std::string text = OpenState(path_)->VerifyRows().error();
  EXPECT_NE(text.find("was written by a newer version of Quorate"), std::string::npos) << text;
}

// The secret is the cluster's: what one founding has put in order, no other one finds.
TEST_F(StateStoreTest, RowsLieInTheOrderOfTheClustersSecret) {
  const consensus::Founding founding = consensus::DrawFounding();
  Apply(keys_, [&] { keys_.SetFounding(consensus::Encode(founding)); });
  for (int i = 0; i < 100; ++i) Put("{one slot}" + std::to_string(i), "value");
  Checkpointed(keys_, *state_);
  std::string before;
  std::atomic<bool> stop = false;
  const SnapshotChunk chunk = state_->OpenSnapshot().value().Read("", stop).value();
  SnapshotRowReader reader(chunk.rows);
  int rows = 0;
  while (const auto row = reader.Next()) {
    EXPECT_EQ(row->row_key, RowKey(founding.hash_secret, 0, row->content.key).bytes());
    EXPECT_LT(before, row->row_key);
    before = row->row_key;
    ++rows;
  }
  EXPECT_EQ(rows, 100);
  state_ = nullptr;
  state_ = OpenState(path_);
  EXPECT_EQ(state_->Find("{one slot}7")->value, "value");
}

// A peer's row that no lookup would find.
TEST_F(StateStoreTest, ABuilderRefusesARowInAnotherPlaceThanItsKeys) {
  std::filesystem::create_directory(directory_ / "built");
  StateMeta meta;
  meta.key_count = 1;
  auto builder = StateBuilder::Begin(directory_ / "built", StateIdentity(), meta, {});
  ASSERT_TRUE(builder.ok()) << builder.error();
  const RowKey elsewhere({1}, 0, "key");
  std::string rows;
  AppendSnapshotRow(&rows, elsewhere.bytes(),
                    EncodeRow(elsewhere.bytes(), {"key", {{ValueType::kString, 1, 0}, "value"}}));
  const Status added = builder.value()->Add(rows);
  ASSERT_FALSE(added.ok());
  EXPECT_NE(added.error().find("arrived with another place"), std::string::npos) << added.error();
}

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
