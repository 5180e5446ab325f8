#include "storage/keyspace/key_space.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "storage/keyspace/database_view.h"
#include "storage/keyspace/key_slot.h"
#include "storage/keyspace/row_key.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/keyspace/empty_state.h"
#include "tests/storage/support/random.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::Term;

class KeySpaceTest : public testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value) {
    Apply(keys_, [&] { WriteView(keys_, 0).PutString(key, value); });
  }
  bool Delete(const std::string& key) {
    bool deleted = false;
    Apply(keys_, [&] { deleted = keys_.Delete(0, key).has_value(); });
    return deleted;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<LmdbStateStore> state_ = MakeState(directory_ / "state");
  KeySpace keys_{*state_, {.memtable_keys_max = 100}};
};

TEST_F(KeySpaceTest, StartsEmpty) {
  EXPECT_FALSE(ReadView(keys_, 0, 0).Contains("key"));
  EXPECT_EQ(keys_.key_count(), 0U);
  EXPECT_EQ(keys_.digest(), 0U);
  EXPECT_EQ(keys_.last_applied(), Index(0));
  EXPECT_FALSE(keys_.has_changes());
}

TEST_F(KeySpaceTest, PutsReplacesAndDeletes) {
  Put("key", "one");
  EXPECT_EQ(Found(keys_, "key"), "one");
  Put("key", "two");
  EXPECT_EQ(Found(keys_, "key"), "two");
  EXPECT_EQ(keys_.key_count(), 1U);
  EXPECT_TRUE(Delete("key"));
  EXPECT_FALSE(Delete("key"));
  EXPECT_EQ(Found(keys_, "key"), "(none)");
  EXPECT_EQ(keys_.key_count(), 0U);
  EXPECT_EQ(keys_.digest(), 0U);
}

TEST_F(KeySpaceTest, TakesAnEmptyKeyAndAnyValue) {
  Put("", "of the empty key");
  Put("zero", std::string("\0", 1));
  Put("empty", "");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Found(keys_, ""), "of the empty key");
    EXPECT_EQ(Found(keys_, "zero"), std::string("\0", 1));
    EXPECT_EQ(Found(keys_, "empty"), "");
    Checkpointed(keys_, *state_);
  }
}

// Keys around all bounds, that begin alike: each stands for itself, in memory and in LMDB, and goes
// without the others.
TEST_F(KeySpaceTest, TakesKeysOfAnyLength) {
  std::vector<std::string> names;
  for (const size_t size : {498, 499, 500, 501, 511, 512, 2000, 4096, 4097, 300'000, 2 << 20}) {
    for (const char last : {'a', 'b'}) names.push_back(std::string(size - 1, 'k') + last);
  }
  // As long as the row key of a long key, and written alike.
  const RowKey row_key({}, DatabaseId{}, names.back());
  names.emplace_back(row_key.bytes().substr(kRowKeyHeadBytes));
  for (const std::string& name : names) {
    EXPECT_FALSE(ReadView(keys_, 0, 0).Contains(name));
    Put(name, "of " + std::to_string(name.size()) + name.back());
  }
  for (int round = 0; round < 3; ++round) {
    for (const std::string& name : names) {
      ASSERT_EQ(Found(keys_, name), "of " + std::to_string(name.size()) + name.back());
    }
    EXPECT_FALSE(ReadView(keys_, 0, 0).Contains(std::string(2000, 'k')));
    Checkpointed(keys_, *state_);
    if (round == 1) Put("another", "");  // what was changed before lies in LMDB alone
  }
  EXPECT_TRUE(state_->VerifyRows().ok());
  for (size_t i = 0; i < names.size(); i += 2) EXPECT_TRUE(Delete(names[i]));
  Checkpointed(keys_, *state_);
  Put("another", "");
  Checkpointed(keys_, *state_);
  for (size_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(ReadView(keys_, 0, 0).Contains(names[i]), i % 2 == 1) << i;
  EXPECT_TRUE(state_->VerifyRows().ok());
}

TEST_F(KeySpaceTest, ACommandsWritesCarryItsRevision) {
  keys_.BeginEntry(Index(1), Term(1), {}, 1000);
  keys_.BeginCommand();
  WriteView(keys_, 0).PutString("a", "1");
  WriteView(keys_, 0).PutString("b", "1");
  keys_.BeginCommand();
  WriteView(keys_, 0).PutString("a", "2");
  keys_.EndEntry();
  EXPECT_EQ(keys_.revision(), 2U);
  EXPECT_EQ(keys_.Find(0, "a")->header.revision, 2U);
  EXPECT_EQ(keys_.Find(0, "b")->header.revision, 1U);
}

TEST_F(KeySpaceTest, TheClockNeverGoesBack) {
  keys_.BeginEntry(Index(1), Term(1), {}, 1000);
  EXPECT_EQ(keys_.clock_ms(), 1000);
  keys_.EndEntry();
  keys_.BeginEntry(Index(2), Term(2), {}, 400);
  EXPECT_EQ(keys_.clock_ms(), 1000);
  keys_.EndEntry();
  EXPECT_EQ(keys_.last_applied(), Index(2));
  EXPECT_EQ(keys_.last_applied_term(), Term(2));
}

TEST_F(KeySpaceTest, TheMembersAreThoseOfTheLastEntryThatSetThem) {
  const auto set = [&](std::string_view configuration) {
    keys_.BeginEntry(keys_.last_applied() + 1, Term(1), {}, 0);
    keys_.SetConfiguration(configuration);
    keys_.EndEntry();
  };
  set("one");
  set("two");
  Put("key", "value");
  EXPECT_EQ(keys_.configuration(), "two");
  EXPECT_EQ(keys_.configuration_index(), Index(2));
  Checkpointed(keys_, *state_);
  set("three");
  state_.reset();
  state_ = OpenState(directory_ / "state");
  const KeySpace restarted(*state_, {});
  EXPECT_EQ(restarted.configuration(), "two");
  EXPECT_EQ(restarted.configuration_index(), Index(2));
  EXPECT_EQ(restarted.last_applied(), Index(3));
}

TEST_F(KeySpaceTest, ReadsSeeEachLayerThroughTheOnesAbove) {
  Put("checkpointed", "1");
  Put("overwritten", "1");
  Put("deleted", "1");
  Put("deleted while frozen", "1");
  Checkpointed(keys_, *state_);
  Put("overwritten", "2");
  Delete("deleted");
  Put("frozen", "2");
  Put("overwritten while frozen", "2");
  const Checkpoint checkpoint = keys_.BeginCheckpoint();
  Put("overwritten while frozen", "3");
  Delete("deleted while frozen");
  Put("deleted", "3");
  const auto check = [&] {
    EXPECT_EQ(Found(keys_, "checkpointed"), "1");
    EXPECT_EQ(Found(keys_, "overwritten"), "2");
    EXPECT_EQ(Found(keys_, "deleted"), "3");
    EXPECT_EQ(Found(keys_, "deleted while frozen"), "(none)");
    EXPECT_EQ(Found(keys_, "frozen"), "2");
    EXPECT_EQ(Found(keys_, "overwritten while frozen"), "3");
    EXPECT_EQ(keys_.key_count(), 5U);
  };
  check();
  ASSERT_TRUE(state_->Write(checkpoint).ok());
  check();  // durable, but the reader has not moved on
  keys_.CheckpointFinished();
  check();
  Checkpointed(keys_, *state_);
  check();
  EXPECT_TRUE(state_->VerifyRows().ok());
}

TEST_F(KeySpaceTest, KnowsWhatIsInNoCheckpoint) {
  Put("a", "1");
  EXPECT_TRUE(keys_.has_changes());
  const Checkpoint checkpoint = keys_.BeginCheckpoint();
  EXPECT_FALSE(keys_.has_changes());
  EXPECT_TRUE(keys_.checkpoint_under_way());
  Put("b", "1");
  EXPECT_TRUE(keys_.has_changes());
  EXPECT_EQ(checkpoint.meta.last_applied, Index(1));
  EXPECT_EQ(keys_.checkpoint_index(), Index(0));
  ASSERT_TRUE(state_->Write(checkpoint).ok());
  keys_.CheckpointFinished();
  EXPECT_FALSE(keys_.checkpoint_under_way());
  EXPECT_EQ(keys_.checkpoint_index(), Index(1));
  EXPECT_TRUE(keys_.has_changes());
  EXPECT_EQ(keys_.unsaved_keys(), 1U);
}

TEST_F(KeySpaceTest, IsFullByKeysBytesOrPages) {
  for (int i = 0; i < 99; ++i) Put(std::to_string(i), "v");
  EXPECT_FALSE(keys_.full());
  Put("99", "v");
  EXPECT_TRUE(keys_.full());
  Checkpointed(keys_, *state_);
  EXPECT_FALSE(keys_.full());

  KeySpace by_bytes(*state_, {.memtable_bytes_max = 10'000});
  Apply(by_bytes, [&] { WriteView(by_bytes, 0).PutString("key", std::string(9'000, 'v')); });
  EXPECT_FALSE(by_bytes.full());
  Apply(by_bytes, [&] { WriteView(by_bytes, 0).PutString("other", std::string(1'000, 'v')); });
  EXPECT_TRUE(by_bytes.full());

  KeySpace by_pages(*state_, {.checkpoint_pages_max = 5});
  Apply(by_pages, [&] { WriteView(by_pages, 0).PutString("key", std::string(9'000, 'v')); });
  EXPECT_FALSE(by_pages.full());
  Apply(by_pages, [&] { WriteView(by_pages, 0).PutString("other", std::string(9'000, 'v')); });
  EXPECT_TRUE(by_pages.full());
}

// Two servers that apply the same entries agree, whenever each of them makes its checkpoints.
TEST_F(KeySpaceTest, DigestDependsOnTheEntriesAlone) {
  std::unique_ptr<LmdbStateStore> other_state = MakeState(directory_ / "other");
  KeySpace other(*other_state, {});
  Random random(TestSeed(1));
  for (int i = 0; i < 2000; ++i) {
    const std::string key = std::to_string(random.Below(50));
    const std::string value = random.Bytes(random.Below(20));
    const bool is_delete = random.OneIn(3);
    for (KeySpace* keys : {&keys_, &other}) {
      Apply(*keys, [&] {
        if (is_delete) {
          keys->Delete(0, key);
        } else {
          WriteView(*keys, 0).PutString(key, value);
        }
      });
    }
    ASSERT_EQ(keys_.digest(), other.digest());
    if (random.OneIn(100)) Checkpointed(keys_, *state_);
    if (random.OneIn(300)) Checkpointed(other, *other_state);
  }
  EXPECT_NE(keys_.digest(), 0U);
}

TEST_F(KeySpaceTest, DatabasesHaveKeysOfTheirOwn) {
  const auto put = [&](uint32_t database, const std::string& value) {
    Apply(keys_, [&] { WriteView(keys_, database).PutString("key", value); });
  };
  put(3, "three");
  EXPECT_EQ(Found(keys_, "key"), "(none)");
  put(0, "zero");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Found(keys_, "key"), "zero");
    EXPECT_EQ(Found(keys_, "key", 3), "three");
    EXPECT_EQ(Found(keys_, "key", 1), "(none)");
    Checkpointed(keys_, *state_);
  }
  EXPECT_EQ(keys_.key_count(0), 1U);
  EXPECT_EQ(keys_.key_count(1), 0U);
  EXPECT_EQ(keys_.key_count(3), 1U);
  EXPECT_EQ(keys_.key_count(), 2U);
  EXPECT_EQ(keys_.CountKeysInSlot(KeySlot("key")), 2U);
  EXPECT_TRUE(Delete("key"));
  EXPECT_EQ(Found(keys_, "key", 3), "three");
}

TEST_F(KeySpaceTest, AFlushedDatabaseIsAnotherOne) {
  Put("key", "old");
  Apply(keys_, [&] { WriteView(keys_, 1).PutString("key", "other"); });
  Checkpointed(keys_, *state_);
  Put("late", "in memory alone");
  const DatabaseId before = keys_.databases().at(0).id;
  Apply(keys_, [&] { keys_.Flush(0); });
  EXPECT_NE(keys_.databases().at(0).id, before);
  EXPECT_EQ(keys_.key_count(0), 0U);
  EXPECT_EQ(Found(keys_, "key"), "(none)");
  EXPECT_EQ(Found(keys_, "late"), "(none)");
  EXPECT_EQ(Found(keys_, "key", 1), "other");
  EXPECT_EQ(keys_.CountKeysInSlot(KeySlot("key")), 1U);
  Put("key", "new");
  Checkpointed(keys_, *state_);
  EXPECT_EQ(Found(keys_, "key"), "new");
  EXPECT_EQ(Found(keys_, "late"), "(none)");
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// Whoever flushes again and again uses up no ids, and leaves nothing to do.
TEST_F(KeySpaceTest, ToFlushAnEmptyDatabaseDoesNothing) {
  Put("key", "value");
  Delete("key");
  const Databases before = keys_.databases();
  Apply(keys_, [&] { keys_.Flush(0); });
  Apply(keys_, [&] { keys_.Flush(7); });
  EXPECT_EQ(keys_.databases(), before);
}

// Ids are never used again, and there are only so many. Who has flushed that often keeps what is
// there, and numbers without keys still get one.
TEST_F(KeySpaceTest, AFlushWithoutAnIdIsNone) {
  StateMeta meta;
  meta.next_database = DatabaseId{static_cast<uint32_t>(kDatabaseIdsForFlushes) - 2};
  EmptyState state(meta);
  KeySpace keys(state, {});
  const auto put = [&](uint32_t database) {
    Apply(keys, [&] { WriteView(keys, database).PutString("key", "value"); });
  };
  put(0);
  Apply(keys, [&] { EXPECT_TRUE(keys.Flush(0)); });
  put(0);
  put(1);
  Apply(keys, [&] { EXPECT_FALSE(keys.Flush(0)); });
  Apply(keys, [&] { EXPECT_FALSE(keys.FlushAll()); });
  EXPECT_EQ(Found(keys, "key"), "value");
  EXPECT_EQ(Found(keys, "key", 1), "value");
}

TEST_F(KeySpaceTest, SwappedDatabasesHaveEachOthersKeys) {
  Put("key", "zero");
  Apply(keys_, [&] { WriteView(keys_, 1).PutString("key", "one"); });
  Checkpointed(keys_, *state_);
  Put("late", "zero");
  const uint64_t digest = keys_.digest();
  Apply(keys_, [&] { keys_.Swap(0, 1); });
  EXPECT_NE(keys_.digest(), digest) << "which number a key is under is part of the state";
  EXPECT_EQ(Found(keys_, "key"), "one");
  EXPECT_EQ(Found(keys_, "key", 1), "zero");
  EXPECT_EQ(Found(keys_, "late", 1), "zero");
  Apply(keys_, [&] { keys_.Swap(0, 5); });
  EXPECT_EQ(Found(keys_, "key"), "(none)");
  EXPECT_EQ(Found(keys_, "key", 5), "one");
  Apply(keys_, [&] { keys_.Swap(5, 5); });
  Checkpointed(keys_, *state_);
  EXPECT_EQ(Found(keys_, "key", 5), "one");
  Apply(keys_, [&] { keys_.Swap(5, 0); });
  Apply(keys_, [&] { keys_.Swap(0, 1); });
  EXPECT_EQ(Found(keys_, "key"), "zero");
  Apply(keys_, [&] { keys_.Delete(1, "missing"); });
  Apply(keys_, [&] { ASSERT_TRUE(keys_.Delete(0, "late")); });
  EXPECT_NE(keys_.digest(), digest);
  EXPECT_TRUE(state_->VerifyRows().ok());
}

// Against plain maps, with checkpoints and restarts at random moments.
TEST_F(KeySpaceTest, IsAMapWhateverItsCheckpointsDo) {
  const uint64_t seed = TestSeed(20240501);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  state_.reset();
  const std::string path = directory_ / "state";
  auto state = OpenState(path);
  auto keys = std::make_unique<KeySpace>(*state, KeySpace::Limits{.memtable_keys_max = 100});
  using Model = std::array<std::map<std::string, std::string>, 3>;  // by database
  Model model;
  Model model_at_checkpoint;
  Model model_under_way;
  std::optional<Checkpoint> checkpoint;  // begun and not yet finished
  bool written = false;

  for (int step = 0; step < 20'000; ++step) {
    const std::string key = random.Bytes(random.Below(2)) + std::to_string(random.Below(300));
    const auto database = static_cast<uint32_t>(random.Below(model.size()));
    switch (random.Below(13)) {
      case 0:
        if (random.OneIn(50)) {  // a crash: what is in no checkpoint is gone
          keys.reset();
          state.reset();
          state = OpenState(path);
          keys = std::make_unique<KeySpace>(*state, KeySpace::Limits{.memtable_keys_max = 100});
          model = model_at_checkpoint;
          checkpoint.reset();
          ASSERT_TRUE(state->VerifyRows().ok());
        }
        break;
      case 1:
        if (!checkpoint && random.OneIn(10)) {
          checkpoint = keys->BeginCheckpoint();
          model_under_way = model;
          written = false;
        }
        break;
      case 2:
        if (checkpoint && !written && random.OneIn(10)) {
          ASSERT_TRUE(state->Write(*checkpoint).ok());
          model_at_checkpoint = model_under_way;
          written = true;
        } else if (checkpoint && written && random.OneIn(5)) {
          keys->CheckpointFinished();
          checkpoint.reset();
        }
        break;
      case 3:
      case 4:
        Apply(*keys, [&] {
          ASSERT_EQ(keys->Delete(database, key).has_value(), model[database].erase(key) == 1);
        });
        break;
      case 5:
        if (random.OneIn(30)) {
          Apply(*keys, [&] { keys->Flush(database); });
          model[database].clear();
        } else if (random.OneIn(10)) {
          const auto other = static_cast<uint32_t>(random.Below(model.size()));
          Apply(*keys, [&] { keys->Swap(database, other); });
          std::swap(model[database], model[other]);
        }
        break;
      default: {
        const size_t size = random.OneIn(20) ? random.Below(10'000) : random.Below(30);
        const std::string value = random.Bytes(size);
        Apply(*keys, [&] { WriteView(*keys, database).PutString(key, value); });
        model[database][key] = value;
      }
    }
    const std::map<std::string, std::string>& expected = model[database];
    ASSERT_EQ(keys->key_count(database), expected.size());
    const auto found = expected.find(key);
    ASSERT_EQ(Found(*keys, key, database), found == expected.end() ? "(none)" : found->second);
  }
  std::map<uint16_t, uint64_t> slots;
  for (uint32_t database = 0; database < model.size(); ++database) {
    for (const auto& [key, value] : model[database]) {
      ASSERT_EQ(Found(*keys, key, database), value);
      ++slots[KeySlot(key)];
    }
  }
  for (const auto& [slot, count] : slots) EXPECT_EQ(keys->CountKeysInSlot(slot), count);
}

TEST_F(KeySpaceTest, CountsASlotsKeysInAllLayers) {
  const uint16_t slot = KeySlot("tag");
  EXPECT_EQ(keys_.CountKeysInSlot(slot), 0U);
  Put("{tag}1", "v");
  Put("{tag}2", "v");
  Put("{tag}3", "v");
  Put("other", "v");
  EXPECT_EQ(keys_.CountKeysInSlot(slot), 3U);
  Checkpointed(keys_, *state_);
  EXPECT_EQ(keys_.CountKeysInSlot(slot), 3U);
  Delete("{tag}1");
  Put("{tag}2", "again");
  Put("{tag}4", "v");
  EXPECT_EQ(keys_.CountKeysInSlot(slot), 3U);
  const Checkpoint checkpoint = keys_.BeginCheckpoint();
  Delete("{tag}4");
  Put("{tag}1", "again");
  Delete("{tag}3");
  EXPECT_EQ(keys_.CountKeysInSlot(slot), 2U);
  ASSERT_TRUE(state_->Write(checkpoint).ok());
  keys_.CheckpointFinished();
  EXPECT_EQ(keys_.CountKeysInSlot(slot), 2U);
}

using KeySpaceDeathTest = KeySpaceTest;

TEST_F(KeySpaceDeathTest, EntriesComeInOrder) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Put("key", "value");
  EXPECT_DEATH(keys_.BeginEntry(Index(3), Term(1), {}, 0), "index == ");
  EXPECT_DEATH(keys_.BeginEntry(Index(2), Term(0), {}, 0), "term >= ");
  EXPECT_DEATH(WriteView(keys_, 0).PutString("outside", "of an entry"), "open_entry_");
  keys_.BeginEntry(Index(2), Term(1), {}, 0);
  EXPECT_DEATH((void)keys_.BeginCheckpoint(), "open_entry_");
}

}  // namespace
}  // namespace quorate::storage
