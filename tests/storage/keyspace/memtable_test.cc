#include "storage/keyspace/memtable.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>

namespace quorate::storage {
namespace {

// Of one database.
struct Key : Memtable::Key {
  explicit Key(std::string_view bytes) : Memtable::Key(DatabaseId{1}, bytes) {}
};

RecordView Record(std::string_view value, uint64_t revision = 1) {
  return {{ValueType::kString, revision, 0}, value};
}

TEST(Memtable, KnowsTheNewestChangeOfAKey) {
  Memtable memtable;
  EXPECT_EQ(memtable.Find(Key("key")), nullptr);
  memtable.Put(Key("key"), Record("old", 1), 10);
  memtable.Put(Key("key"), {{ValueType::kString, 2, 77}, "newer"}, 20);
  const Memtable::Change* change = memtable.Find(Key("key"));
  ASSERT_NE(change, nullptr);
  EXPECT_EQ(change->key(), "key");
  EXPECT_FALSE(change->deleted());
  EXPECT_EQ(change->view().value, "newer");
  EXPECT_EQ(change->view().header, (RecordHeader{ValueType::kString, 2, 77}));
  EXPECT_EQ(change->digest(), 20U);
  EXPECT_EQ(memtable.key_count(), 1U);
}

// A deletion is a change to be checkpointed, not the absence of one.
TEST(Memtable, RemembersADeletion) {
  Memtable memtable;
  memtable.Delete(Key("key"));
  ASSERT_NE(memtable.Find(Key("key")), nullptr);
  EXPECT_TRUE(memtable.Find(Key("key"))->deleted());
  memtable.Put(Key("key"), Record("again"), 1);
  EXPECT_FALSE(memtable.Find(Key("key"))->deleted());
  EXPECT_EQ(memtable.key_count(), 1U);
}

TEST(Memtable, CountsWhatItHolds) {
  Memtable memtable;
  EXPECT_EQ(memtable.bytes(), 0U);
  EXPECT_EQ(memtable.pages_max(), 0U);
  memtable.Put(Key("key"), Record(std::string(1000, 'v')), 1);
  const size_t with_value = memtable.bytes();
  EXPECT_GE(with_value, 1003U);
  EXPECT_EQ(memtable.pages_max(), 2U);
  memtable.Put(Key("key"), Record(std::string(100'000, 'v')), 1);
  EXPECT_EQ(memtable.bytes(), with_value + 100'000);
  EXPECT_EQ(memtable.pages_max(), 3U);  // a value on pages of its own
  memtable.Put(Key("key"), Record(""), 1);
  EXPECT_EQ(memtable.bytes(), with_value);
  EXPECT_EQ(memtable.pages_max(), 2U);
  memtable.Put(Key("key2"), Record("v"), 1);
  memtable.Delete(Key("key"));
  EXPECT_EQ(memtable.pages_max(), 4U);
}

// A counter that is written a million times takes the place of one.
TEST(Memtable, WritesAValueAgainWhereItWas) {
  Memtable memtable;
  memtable.Put(Key("key"), Record(std::string(100, 'v')), 1);
  const size_t once = memtable.bytes();
  for (size_t size = 0; size <= 100; ++size) {
    memtable.Put(Key("key"), Record(std::string(size, 'w')), 1);
    EXPECT_EQ(memtable.Find(Key("key"))->view().value, std::string(size, 'w'));
  }
  memtable.Delete(Key("key"));
  memtable.Put(Key("key"), Record(std::string(100, 'x')), 1);
  EXPECT_EQ(memtable.bytes(), once);
}

// What is counted is what is used: a large value's buffer is not kept for a small one.
TEST(Memtable, GivesBackLargeBuffers) {
  Memtable memtable;
  memtable.Put(Key("key"), Record("small"), 1);
  const size_t small = memtable.bytes();
  for (const size_t size : {1 << 20, 1 << 21, 10'000, 1 << 19}) {
    memtable.Put(Key("key"), Record(std::string(size, 'v')), 1);
    EXPECT_EQ(memtable.bytes(), small + size);
    EXPECT_EQ(memtable.Find(Key("key"))->view().value.size(), size);
  }
  memtable.Delete(Key("key"));
  EXPECT_EQ(memtable.bytes(), small);
  EXPECT_EQ(memtable.Find(Key("key"))->view().value, "");
}

TEST(Memtable, TakesAnyBytesAsKey) {
  Memtable memtable;
  const std::string longest(Memtable::kArenaKeyBytesMax, '\xff');
  const std::string longer(1 << 20, '\xff');
  memtable.Put(Key(""), Record("empty"), 1);
  memtable.Put(Key(std::string_view("\0", 1)), Record("zero"), 1);
  memtable.Put(Key(longest), Record("longest"), 1);
  const size_t bytes = memtable.bytes();
  memtable.Put(Key(longer), Record("longer"), 1);
  EXPECT_GE(memtable.bytes(), bytes + longer.size());
  memtable.Put(Key(longer), Record("longer still"), 1);
  const Memtable frozen = std::move(memtable);
  EXPECT_EQ(frozen.Find(Key(""))->view().value, "empty");
  EXPECT_EQ(frozen.Find(Key(std::string_view("\0", 1)))->view().value, "zero");
  EXPECT_EQ(frozen.Find(Key(longest))->view().value, "longest");
  EXPECT_EQ(frozen.Find(Key(longer))->view().value, "longer still");
  EXPECT_EQ(frozen.Find(Key(longer))->key(), longer);
  EXPECT_EQ(frozen.Find(Key(longer + '\xff')), nullptr);
  EXPECT_EQ(frozen.key_count(), 4U);
}

// Whatever the table grows to, and whatever a key's values were.
TEST(Memtable, HoldsWhatAMapHolds) {
  std::mt19937_64 random(7);
  Memtable memtable;
  std::map<std::string, std::string> expected;  // "": deleted
  for (int i = 0; i < 100'000; ++i) {
    const std::string key = "key" + std::to_string(random() % 20'000);
    const size_t size = random() % 50 == 0 ? random() % 4000 : random() % 100;
    const std::string value(size, static_cast<char>('a' + random() % 26));
    memtable.PrefetchBucket(Key(key));
    memtable.PrefetchChange(Key(key));
    if (value.empty()) {
      memtable.Delete(Key(key));
    } else {
      memtable.Put(Key(key), Record(value, static_cast<uint64_t>(i)), static_cast<uint64_t>(i));
    }
    expected[key] = value;
  }
  EXPECT_EQ(memtable.key_count(), expected.size());
  size_t visited = 0;
  memtable.VisitAll([&](const Memtable::Change& change) {
    ++visited;
    const auto found = expected.find(std::string(change.key()));
    ASSERT_NE(found, expected.end());
    EXPECT_EQ(change.deleted(), found->second.empty());
    EXPECT_EQ(change.view().value, found->second);
    EXPECT_EQ(memtable.Find(Key(change.key())), &change);
  });
  EXPECT_EQ(visited, expected.size());
}

// A command may write what it has read.
TEST(Memtable, TakesItsOwnValues) {
  Memtable memtable;
  for (const size_t size : {100, 5000}) {
    const std::string value = std::string(size, 'a') + std::string(size, 'b');
    memtable.Put(Key("key"), Record(value), 1);
    memtable.Put(Key("key"), Record(memtable.Find(Key("key"))->view().value.substr(size / 2)), 1);
    EXPECT_EQ(memtable.Find(Key("key"))->view().value, value.substr(size / 2));
    memtable.Put(Key("other"), Record(memtable.Find(Key("key"))->view().value), 1);
    EXPECT_EQ(memtable.Find(Key("other"))->view().value, value.substr(size / 2));
  }
}

}  // namespace
}  // namespace quorate::storage
