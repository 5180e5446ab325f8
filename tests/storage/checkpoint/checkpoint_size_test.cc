// How much of LMDB's room for one transaction a checkpoint takes, at the limits of the key space
// and beyond them.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "storage/keyspace/database_view.h"
#include "storage/keyspace/row_key.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

constexpr size_t kPageBytes = 4096;
// LMDB's limit is 131,071 dirty pages; from this many on it may write some out early (key_space.h).
constexpr size_t kPagesMax = 98'000;
constexpr KeySpace::Limits kNoLimits{
    .memtable_bytes_max = SIZE_MAX, .memtable_keys_max = 1 << 20, .checkpoint_pages_max = SIZE_MAX};

class CheckpointSizeTest : public testing::Test {
 protected:
  void Put(KeySpace& keys, const std::string& key, const std::string& value) {
    Apply(keys, [&] { WriteView(keys, 0).PutString(key, value); });
  }

  // A tree with that many keys, inserted in random order as time would.
  void Grow(KeySpace& keys, uint64_t count, size_t key_bytes, size_t value_bytes) {
    for (uint64_t i = 0; i < count; ++i) {
      std::string key = std::to_string(i) + ":";
      if (key.size() < key_bytes) key.resize(key_bytes, 'k');
      Put(keys, key, random_.Bytes(value_bytes));
      names_.push_back(std::move(key));
      if (keys.unsaved_keys() >= 40'000) Checkpointed(keys, *state_);
    }
    Checkpointed(keys, *state_);
  }

  // How many pages a checkpoint writes.
  size_t PagesOf(KeySpace& keys) {
    const uint64_t before = system_calls::BytesWritten();
    Checkpointed(keys, *state_);
    return (system_calls::BytesWritten() - before) / kPageBytes;
  }

  Random random_{TestSeed(8)};
  TemporaryDirectory directory_;
  std::unique_ptr<LmdbStateStore> state_ = MakeState(directory_ / "state");
  std::vector<std::string> names_;
};

// The limits' keys at once, and as much again by one entry, of a large tree; and 64 MiB in large
// values.
TEST_F(CheckpointSizeTest, ManyKeysOfALargeTreeAndLargeValues) {
  KeySpace keys(*state_, kNoLimits);
  Grow(keys, 500'000, 0, 100);
  for (int i = 0; i < 50'000; ++i) {
    Put(keys, names_[random_.Below(names_.size())], random_.Bytes(100));
  }
  constexpr size_t kLargeValues = 64;
  constexpr size_t kLargeValuePages = 257;  // 1 MiB, the row's header and the page's
  for (size_t i = 0; i < kLargeValues; ++i) {
    Put(keys, "large:" + std::to_string(i), std::string(1 << 20, 'v'));
  }
  const size_t pages = PagesOf(keys);
  // A run of pages counts as one.
  EXPECT_LT(pages - kLargeValues * (kLargeValuePages - 1), kPagesMax);
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// full() comes in time for the values that take the most pages for their size, and for the longest
// keys.
TEST_F(CheckpointSizeTest, FullComesInTime) {
  {
    KeySpace keys(*state_, kNoLimits);
    Grow(keys, 150'000, kKeyInRowKeyMax, 20);
  }
  EXPECT_GT(state_->branch_pages(), 2'000U);
  for (const size_t value_bytes : {20, 1400, 2100}) {
    KeySpace keys(*state_, {});
    const size_t branch_pages = state_->branch_pages();
    size_t changed = 0;
    while (!keys.full()) {
      // Half of them new, in between the others.
      std::string key = names_[random_.Below(names_.size())];
      if (changed % 2 == 0) key.replace(key.size() - 9, 9, std::to_string(100'000'000 + changed));
      Put(keys, key, random_.Bytes(value_bytes));
      ++changed;
    }
    EXPECT_GT(changed, 10'000U);
    const size_t pages = PagesOf(keys);
    EXPECT_LT(pages, kPagesMax) << value_bytes;
    // The count that full() goes by holds what is counted: twice or three times a key, and the
    // branches.
    EXPECT_LE(pages, 3 * changed + branch_pages + 100) << value_bytes;
  }
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// Rows that are overwritten by ones as large dirty the leaves that there are, and no more. So far
// more of them than half of the limit may be in one checkpoint.
TEST_F(CheckpointSizeTest, ManyRowsOfTheSameSizeAreNoMoreThanTheirLeaves) {
  constexpr size_t kKeys = 20'000;
  {
    KeySpace keys(*state_, kNoLimits);
    Grow(keys, kKeys, 0, 1000);
  }
  constexpr size_t kMargin = 500;
  KeySpace::Limits limits = kNoLimits;
  limits.checkpoint_pages_max = state_->leaf_pages() + state_->branch_pages() + kMargin;
  ASSERT_LT(limits.checkpoint_pages_max, kKeys);
  KeySpace keys(*state_, limits);
  for (const std::string& name : names_) Put(keys, name, random_.Bytes(1000));
  EXPECT_FALSE(keys.full());
  EXPECT_LE(PagesOf(keys), limits.checkpoint_pages_max);
  // New ones are another matter.
  size_t added = 0;
  while (!keys.full()) Put(keys, "new" + std::to_string(added++), random_.Bytes(1000));
  EXPECT_LE(added, limits.checkpoint_pages_max / 2 + 1);
  EXPECT_LE(PagesOf(keys), limits.checkpoint_pages_max);
}

// Leaves that are still to be written count as well.
TEST_F(CheckpointSizeTest, CountsTheLeavesOfTheCheckpointUnderWay) {
  constexpr size_t kKeys = 10'000;
  KeySpace::Limits limits = kNoLimits;
  limits.checkpoint_pages_max = 2'000;
  KeySpace keys(*state_, limits);
  for (size_t i = 0; i < kKeys; ++i) Put(keys, std::to_string(i), random_.Bytes(1000));
  const Checkpoint under_way = keys.BeginCheckpoint();
  size_t changed = 0;
  while (changed < kKeys && !keys.full()) {
    Put(keys, std::to_string(changed++), random_.Bytes(1000));
  }
  EXPECT_LT(changed, kKeys);
  ASSERT_TRUE(state_->Write(under_way).ok());
  keys.CheckpointFinished();
  EXPECT_LE(PagesOf(keys), limits.checkpoint_pages_max);
}

// Overwrites all keys, a part at a time.
class ShrinkingTreeTest : public CheckpointSizeTest {
 protected:
  void Overwrite(KeySpace& keys, size_t value_bytes) {
    constexpr size_t kParts = 10;
    for (size_t part = 0; part < kParts; ++part) {
      for (size_t i = part; i < names_.size(); i += kParts) {
        Put(keys, names_[i], random_.Bytes(value_bytes));
      }
      Checkpointed(keys, *state_);
    }
  }
};

// The pages of large rows are joined when the rows become small.
TEST_F(ShrinkingTreeTest, ATreeShrinksWithItsRows) {
  constexpr size_t kKeys = 20'000;
  KeySpace keys(*state_, kNoLimits);
  Grow(keys, kKeys, 0, 1000);
  const size_t leaves_of_large = state_->leaf_pages();
  EXPECT_GT(leaves_of_large, kKeys / 4);  // three rows and no more fit into a page
  Overwrite(keys, 50);
  EXPECT_LT(state_->leaf_pages(), leaves_of_large * 2 / 3);
  // What is left is found to be sparse, and mended by rows that stay as they are.
  Overwrite(keys, 50);
  constexpr size_t kRowBytesMax = 100;
  EXPECT_LT(state_->leaf_pages(), 4 * kKeys * kRowBytesMax / kPageBytes);
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// As well when they become so large that they leave the leaves.
TEST_F(ShrinkingTreeTest, ATreeShrinksWhenItsRowsGetPagesOfTheirOwn) {
  constexpr size_t kKeys = 4'000;
  KeySpace keys(*state_, kNoLimits);
  Grow(keys, kKeys, 0, 1000);
  const size_t leaves_of_small = state_->leaf_pages();
  Overwrite(keys, 3000);
  Overwrite(keys, 3000);
  EXPECT_LT(state_->leaf_pages(), leaves_of_small / 3);
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// One entry with far more keys than any limit, so that LMDB runs out of room and writes pages
// early.
TEST_F(CheckpointSizeTest, ASpilledCheckpointIsRightAsWell) {
  if (std::getenv("QUORATE_TEST_LARGE") == nullptr) {
    // It writes more than a gigabyte, which not every machine that runs the tests should: so only
    // where it is asked for (docs/testing.md).
    GTEST_SKIP() << "set QUORATE_TEST_LARGE to run it";
  }
  KeySpace keys(*state_, kNoLimits);
  Grow(keys, 200'000, 0, 1900);
  for (int round = 0; round < 2; ++round) {
    keys.BeginEntry(keys.last_applied() + 1, consensus::Term(1), {}, 0);
    keys.BeginCommand();
    for (int i = 0; i < 200'000; ++i) {
      if (i % 7 == 0) {
        keys.Delete(0, names_[random_.Below(names_.size())]);
      } else if (i % 2 == 0) {
        WriteView(keys, 0).PutString(names_[random_.Below(names_.size())], random_.Bytes(1900));
      } else {
        WriteView(keys, 0).PutString(std::to_string(round) + "new" + std::to_string(i),
                                     random_.Bytes(1900));
      }
    }
    keys.EndEntry();
    EXPECT_GT(PagesOf(keys), 131'071U);
    const Status verified = state_->VerifyRows();
    EXPECT_TRUE(verified.ok()) << verified.error();
  }
  const StateMeta meta = state_->meta();
  state_.reset();
  const auto state = OpenState(directory_ / "state");
  EXPECT_EQ(state->meta(), meta);
  EXPECT_TRUE(state->VerifyRows().ok());
}

}  // namespace
}  // namespace quorate::storage
