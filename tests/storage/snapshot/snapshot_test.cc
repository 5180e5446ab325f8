// Views of a checkpoint.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "storage/keyspace/database_view.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/snapshot/lmdb_snapshot_store.h"
#include "tests/storage/snapshot/snapshot_fixture.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using Keys = std::map<std::string, std::string>;

class SnapshotTest : public testing::Test {
 protected:
  std::unique_ptr<SnapshotView> OpenView() {
    auto view = store_.OpenView();
    EXPECT_TRUE(view.ok()) << view.error();
    return std::move(view.value());
  }

  void Put(const std::string& key, const std::string& value) {
    Apply(keys_, [&] { WriteView(keys_, 0).PutString(key, value); });
  }

  // The rows in chunks, as keys and values.
  static Keys Contents(const std::vector<SnapshotChunk>& chunks) {
    Keys contents;
    std::string last_key;
    for (const SnapshotChunk& chunk : chunks) {
      SnapshotRowReader reader(chunk.rows);
      while (const std::optional<SnapshotRow> row = reader.Next()) {
        EXPECT_TRUE(last_key.empty() || row->row_key > last_key);
        last_key = row->row_key;
        contents[std::string(row->content.key)] = row->content.record.value;
      }
      EXPECT_FALSE(reader.unreadable());
      EXPECT_EQ(chunk.last_key, chunk.rows.empty() ? "" : last_key);
    }
    return contents;
  }

  TemporaryDirectory directory_;
  Waker waker_;
  std::unique_ptr<LmdbStateStore> state_ = MakeState(directory_ / "state");
  KeySpace keys_{*state_, {}};
  LmdbSnapshotStore store_{*state_, directory_.path(), {}, [this] { waker_.Wake(); }};
};

TEST_F(SnapshotTest, OfAnEmptyStateIsOneChunkOfNothing) {
  const auto view = OpenView();
  EXPECT_EQ(view->meta(), StateMeta());
  const std::vector<SnapshotChunk> chunks = AllChunks(*view, waker_);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].rows, "");
  EXPECT_EQ(chunks[0].last_key, "");
}

TEST_F(SnapshotTest, HoldsEveryKeyInChunksOfBoundedSize) {
  Keys expected;
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "key:" + std::to_string(i);
    Put(key, expected[key] = random.Bytes(random.Below(1000)));
  }
  Put("", expected[""] = "of the empty key");
  const std::string longest(100'000, 'k');
  Put(longest, expected[longest] = "of a long key");
  Put("large", expected["large"] = random.Bytes(3 << 20));
  Checkpointed(keys_, *state_);

  const auto view = OpenView();
  EXPECT_EQ(view->meta(), state_->meta());
  const std::vector<SnapshotChunk> chunks = AllChunks(*view, waker_);
  EXPECT_EQ(Contents(chunks), expected);
  EXPECT_GT(chunks.size(), 5U);
  size_t larger = 0;
  for (const SnapshotChunk& chunk : chunks) {
    if (chunk.rows.size() > 300'000) ++larger;
  }
  EXPECT_EQ(larger, 1U);
}

TEST_F(SnapshotTest, GoesOnBehindAnyKey) {
  Keys expected;
  for (int i = 0; i < 300; ++i) {
    const std::string key = std::to_string(i);
    Put(key, expected[key] = std::string(4000, 'x'));
  }
  Checkpointed(keys_, *state_);
  const auto view = OpenView();
  const std::vector<SnapshotChunk> chunks = AllChunks(*view, waker_);
  ASSERT_GT(chunks.size(), 3U);
  // Again from the second chunk's end on, as after a lost connection.
  std::vector<SnapshotChunk> resumed = AllChunks(*view, waker_, chunks[1].last_key);
  resumed.insert(resumed.begin(), chunks.begin(), chunks.begin() + 2);
  EXPECT_EQ(Contents(resumed), expected);
  // Behind a key that has no row; and behind the last one.
  const std::string between = chunks[0].last_key + '\0';
  EXPECT_EQ(NextChunk(*view, waker_, between).value().rows, chunks[1].rows);
  const SnapshotChunk end = NextChunk(*view, waker_, chunks.back().last_key).value();
  EXPECT_TRUE(end.last);
  EXPECT_EQ(end.rows, "");
}

TEST_F(SnapshotTest, StaysWhereItIsWhileCheckpointsGoOn) {
  Put("key", "one");
  Checkpointed(keys_, *state_);
  const auto first = OpenView();
  Put("key", "two");
  Put("other", "value");
  Checkpointed(keys_, *state_);
  const auto second = OpenView();
  Apply(keys_, [&] { keys_.Delete(0, "key"); });
  Checkpointed(keys_, *state_);
  EXPECT_EQ(first->meta().last_applied, Index(1));
  EXPECT_EQ(Contents(AllChunks(*first, waker_)), (Keys{{"key", "one"}}));
  EXPECT_EQ(second->meta().last_applied, Index(3));
  EXPECT_EQ(Contents(AllChunks(*second, waker_)), (Keys{{"key", "two"}, {"other", "value"}}));
  EXPECT_EQ(state_->meta().last_applied, Index(4));
}

// Its pages are not used again while it is there, and are when it has gone.
TEST_F(SnapshotTest, PinsPagesAsLongAsItLives) {
  const auto rewrite = [&](int times) {
    for (int i = 0; i < times; ++i) {
      for (int key = 0; key < 50; ++key) Put(std::to_string(key), std::string(5000, 'x'));
      Checkpointed(keys_, *state_);
    }
    return std::filesystem::file_size(state_->file());
  };
  const auto settled = rewrite(10);
  EXPECT_EQ(rewrite(20), settled);
  auto view = OpenView();
  const auto pinned = rewrite(20);
  EXPECT_GT(pinned, settled * 3);
  view.reset();
  EXPECT_EQ(rewrite(20), pinned);
}

TEST_F(SnapshotTest, MayBeGivenUpAtWork) {
  for (int i = 0; i < 500; ++i) Put(std::to_string(i), std::string(3000, 'x'));
  Checkpointed(keys_, *state_);
  for (int i = 0; i < 50; ++i) {
    const auto view = OpenView();
    view->Prepare("");
  }
}

TEST_F(SnapshotTest, ADamagedRowEndsIt) {
  for (int i = 0; i < 200; ++i) Put(std::to_string(i), "value " + std::to_string(1000 + i));
  Checkpointed(keys_, *state_);
  state_.reset();
  const std::string file = directory_ / "state/data.mdb";
  std::string bytes;
  {
    FILE* opened = fopen(file.c_str(), "r+b");
    bytes.resize(std::filesystem::file_size(file));
    ASSERT_EQ(fread(bytes.data(), 1, bytes.size(), opened), bytes.size());
    const size_t at = bytes.find("value 1100");
    ASSERT_NE(at, std::string::npos);
    ASSERT_EQ(fseek(opened, static_cast<long>(at), SEEK_SET), 0);
    fputc('V', opened);
    fclose(opened);
  }
  state_ = OpenState(directory_ / "state");
  LmdbSnapshotStore store(*state_, directory_.path(), {}, [this] { waker_.Wake(); });
  const auto view = std::move(store.OpenView().value());
  const Result<SnapshotChunk> chunk = NextChunk(*view, waker_, "");
  ASSERT_FALSE(chunk.ok());
  EXPECT_NE(chunk.error().find("313030 (hexadecimal) is damaged"), std::string::npos)
      << chunk.error();  // "100", behind its slot
}

}  // namespace
}  // namespace quorate::storage
