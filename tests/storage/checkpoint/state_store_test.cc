#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "consensus/founding.h"
#include "storage/base/sealed_record.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/checkpoint/state_builder.h"
#include "storage/checkpoint/state_records.h"
#include "storage/checkpoint/threaded_checkpointer.h"
#include "storage/keyspace/database_view.h"
#include "storage/keyspace/key_slot.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/keyspace/state_meta.h"
#include "storage/lmdb/lmdb_environment.h"
#include "tests/storage/checkpoint/state_fixture.h"

namespace quorate::storage {
namespace {

using consensus::Index;

class StateStoreTest : public testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value) {
    Apply(keys_, [&] { WriteView(keys_, 0).PutString(key, value); });
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
  WriteRow(path_, meta, RowKey({}, DatabaseId{}, key),
           {other, {{ValueType::kString, 1, 0}, "the other's"}});

  const auto state = OpenState(path_);
  state->NoteVerified(meta.last_applied);
  EXPECT_FALSE(state->Find(DatabaseId{}, key));
  KeySpace keys(*state, {});
  Apply(keys, [&] { WriteView(keys, 0).PutString(key, "value"); });
  Apply(keys, [&] { keys.Delete(0, key); });
  Checkpointed(keys, *state);  // takes nothing of the other's
  Apply(keys, [&] { WriteView(keys, 0).PutString(key, "value"); });
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
  WriteRow(path_, meta, RowKey({}, DatabaseId{}, "key"),
           {"key", {{ValueType::kHash, 1, 0}, large}});
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
    EXPECT_EQ(row->row_key, RowKey(founding.hash_secret, DatabaseId{}, row->content.key).bytes());
    EXPECT_LT(before, row->row_key);
    before = row->row_key;
    ++rows;
  }
  EXPECT_EQ(rows, 100);
  state_ = nullptr;
  state_ = OpenState(path_);
  EXPECT_EQ(state_->Find(DatabaseId{}, "{one slot}7")->value, "value");
}

// A peer's row that no lookup would find.
TEST_F(StateStoreTest, ABuilderRefusesARowInAnotherPlaceThanItsKeys) {
  std::filesystem::create_directory(directory_ / "built");
  StateMeta meta;
  meta.databases[0].key_count = 1;
  auto builder = StateBuilder::Begin(directory_ / "built", StateIdentity(), meta, {});
  ASSERT_TRUE(builder.ok()) << builder.error();
  const RowKey elsewhere({1}, DatabaseId{}, "key");
  std::string rows;
  AppendSnapshotRow(&rows, elsewhere.bytes(),
                    EncodeRow(elsewhere.bytes(), {"key", {{ValueType::kString, 1, 0}, "value"}}));
  const Status added = builder.value()->Add(rows);
  ASSERT_FALSE(added.ok());
  EXPECT_NE(added.error().find("arrived with another place"), std::string::npos) << added.error();
}

TEST_F(StateStoreTest, ANewStateIsBeforeTheFirstEntry) {
  EXPECT_EQ(state_->meta(), StateMeta());
  EXPECT_FALSE(state_->Find(DatabaseId{}, "key"));
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
  EXPECT_EQ(state->meta().key_count(), 2U);
  EXPECT_EQ(state->Find(DatabaseId{}, "key")->value, "value");
  EXPECT_EQ(state->Find(DatabaseId{}, "key")->header.revision, 1U);
  EXPECT_EQ(state->Find(DatabaseId{}, "other")->value, std::string(100'000, 'v'));
  EXPECT_TRUE(state->VerifyRows().ok());
}

TEST_F(StateStoreTest, AViewStaysUntilRefresh) {
  Put("key", "old");
  Checkpointed(keys_, *state_);
  const std::optional<RecordView> old = state_->Find(DatabaseId{}, "key");
  Put("key", "new");
  ASSERT_TRUE(state_->Write(keys_.BeginCheckpoint()).ok());
  EXPECT_EQ(old->value, "old");
  EXPECT_EQ(state_->Find(DatabaseId{}, "key")->value, "old");
  EXPECT_EQ(state_->meta().last_applied, Index(1));
  state_->Refresh();
  EXPECT_EQ(state_->Find(DatabaseId{}, "key")->value, "new");
  EXPECT_EQ(state_->meta().last_applied, Index(2));
}

// A key that came and went between two checkpoints leaves a deletion of nothing.
TEST_F(StateStoreTest, DeletesWhatIsThereAndWhatIsNot) {
  Put("there", "value");
  Checkpointed(keys_, *state_);
  Put("came", "value");
  Apply(keys_, [&] { keys_.Delete(0, "came"); });
  Apply(keys_, [&] { keys_.Delete(0, "there"); });
  Checkpointed(keys_, *state_);
  EXPECT_FALSE(state_->Find(DatabaseId{}, "there"));
  EXPECT_FALSE(state_->Find(DatabaseId{}, "came"));
  EXPECT_EQ(state_->meta().key_count(), 0U);
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// The rows and what the meta record says of them go different ways: found before it is durable.
TEST_F(StateStoreTest, RefusesACheckpointThatDoesNotAddUp) {
  Put("key", "value");
  Checkpoint checkpoint = keys_.BeginCheckpoint();
  checkpoint.meta.databases[0].key_count = 2;
  const Status written = state_->Write(checkpoint);
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().find("it has 1 keys and should have 2"), std::string::npos);
  checkpoint.meta.databases[0].key_count = 1;
  EXPECT_FALSE(state_->Write(checkpoint).ok());  // nor anything after that
  state_ = nullptr;
  EXPECT_EQ(OpenState(path_)->meta(), StateMeta());
}

// What flushes leave is deleted by the checkpoints that follow, a part by each, also across
// restarts, and even if nothing else is to be written.
TEST_F(StateStoreTest, WhatFlushesLeaveGoesStepByStep) {
  constexpr uint64_t kRowsMax = 100;
  const std::string path = directory_ / "other";
  auto state = MakeState(path, {.garbage_rows_max = kRowsMax});
  auto keys = std::make_unique<KeySpace>(*state, KeySpace::Limits{});
  for (uint32_t database = 0; database < 5; ++database) {
    for (int i = 0; i < 70; ++i) {
      const std::string value(i == 7 ? 50'000 : 10, 'v');
      Apply(*keys, [&] { WriteView(*keys, database).PutString(std::to_string(i), value); });
    }
  }
  Checkpointed(*keys, *state);
  EXPECT_FALSE(keys->wants_checkpoint());
  for (const uint32_t flushed : {0, 1, 3, 4}) Apply(*keys, [&] { keys->Flush(flushed); });
  Apply(*keys, [&] { WriteView(*keys, 0).PutString("1", "new"); });
  // More than one database's in one checkpoint.
  for (const uint64_t left : {4 * 70 - kRowsMax, 4 * 70 - 2 * kRowsMax, uint64_t{0}}) {
    EXPECT_TRUE(keys->wants_checkpoint());
    Checkpointed(*keys, *state);
    EXPECT_EQ(state->garbage_rows(), left);
    EXPECT_TRUE(state->VerifyRows().ok());
    keys = nullptr;
    state = nullptr;
    state = OpenState(path, {.garbage_rows_max = kRowsMax});
    keys = std::make_unique<KeySpace>(*state, KeySpace::Limits{});
    EXPECT_EQ(state->garbage_rows(), left);
    EXPECT_FALSE(keys->has_changes());
    EXPECT_EQ(keys->key_count(), 71U);
    EXPECT_EQ(Found(*keys, "1"), "new");
    EXPECT_EQ(Found(*keys, "2"), "(none)");
    EXPECT_EQ(Found(*keys, "2", 2), "vvvvvvvvvv");
  }
  EXPECT_FALSE(keys->wants_checkpoint());
}

// A snapshot has none of the rows that nobody sees, wherever it is begun.
TEST_F(StateStoreTest, ASnapshotPassesOverWhatFlushesLeave) {
  const std::string path = directory_ / "other";
  auto state = MakeState(path, {.garbage_rows_max = 1});
  KeySpace keys(*state, {});
  for (uint32_t database = 0; database < 5; ++database) {
    for (int i = 0; i < 20; ++i) {
      Apply(keys, [&] { WriteView(keys, database).PutString(std::to_string(i), "value"); });
    }
  }
  Checkpointed(keys, *state);
  for (const uint32_t flushed : {0, 2, 4}) Apply(keys, [&] { keys.Flush(flushed); });
  Checkpointed(keys, *state);
  ASSERT_EQ(state->garbage_rows(), 59U);
  const Result<LmdbSnapshot> snapshot = state->OpenSnapshot();
  ASSERT_TRUE(snapshot.ok());
  const Result<SnapshotChunk> chunk = snapshot.value().Read("", false);
  ASSERT_TRUE(chunk.ok()) << chunk.error();
  EXPECT_TRUE(chunk.value().last);
  std::map<DatabaseId, int> rows;
  SnapshotRowReader reader(chunk.value().rows);
  while (const auto row = reader.Next()) ++rows[DatabaseOfRow(row->row_key)];
  EXPECT_EQ(rows, (std::map<DatabaseId, int>{{DatabaseId{1}, 20}, {DatabaseId{3}, 20}}));
}

TEST_F(StateStoreTest, NoTwoDatabasesHaveTheSameRows) {
  StateMeta meta;
  meta.next_database = DatabaseId{2};
  meta.databases[0] = {.id = DatabaseId{0}};
  meta.databases[3] = {.id = DatabaseId{1}};
  const auto decoded = [&] {
    return DecodeStateMeta(EncodeStateMeta(meta, kAnyTransaction), kAnyTransaction);
  };
  EXPECT_TRUE(decoded());
  meta.databases[3].id = DatabaseId{0};
  EXPECT_FALSE(decoded());
  meta.databases[3].id = DatabaseId{2};
  EXPECT_FALSE(decoded()) << "the next one would get it again";
}

// Rows of a database that came and went between two checkpoints are never written.
TEST_F(StateStoreTest, ADatabaseThatWasFlushedBeforeItsFirstCheckpointLeavesNothing) {
  Put("key", "value");
  Apply(keys_, [&] { keys_.Flush(0); });
  Checkpointed(keys_, *state_);
  EXPECT_EQ(state_->garbage_rows(), 0U);
  EXPECT_TRUE(state_->VerifyRows().ok());
  EXPECT_EQ(Found(keys_, "key"), "(none)");
}

TEST_F(StateStoreTest, VerifyRowsComparesTheDigest) {
  Put("key", "value");
  Checkpoint checkpoint = keys_.BeginCheckpoint();
  ++checkpoint.meta.databases[0].digest;
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
    EXPECT_EQ(state_->meta().key_count(), keys_.key_count() - 1);
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
  EXPECT_EQ(state_->meta().key_count(), 1000U);
  state_->Refresh();
  EXPECT_TRUE(state_->VerifyRows().ok());
}

}  // namespace
}  // namespace quorate::storage
