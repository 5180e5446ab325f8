#include "storage/memtable.h"

#include <gtest/gtest.h>

#include <string>

namespace quorate::storage {
namespace {

RecordView Record(std::string_view value, uint64_t revision = 1) {
  return {{ValueType::kString, revision, 0}, value};
}

TEST(Memtable, KnowsTheNewestChangeOfAKey) {
  Memtable memtable;
  EXPECT_EQ(memtable.Find("key"), nullptr);
  memtable.Put("key", Record("old", 1));
  memtable.Put("key", Record("new", 2));
  ASSERT_NE(memtable.Find("key"), nullptr);
  EXPECT_EQ(memtable.Find("key")->value, "new");
  EXPECT_EQ(memtable.Find("key")->header.revision, 2U);
  EXPECT_EQ(memtable.key_count(), 1U);
}

// A deletion is a change to be checkpointed, not the absence of one.
TEST(Memtable, RemembersADeletion) {
  Memtable memtable;
  memtable.Delete("key");
  ASSERT_NE(memtable.Find("key"), nullptr);
  EXPECT_TRUE(memtable.Find("key")->deleted);
  memtable.Put("key", Record("again"));
  EXPECT_FALSE(memtable.Find("key")->deleted);
  EXPECT_EQ(memtable.key_count(), 1U);
}

TEST(Memtable, CountsWhatItHolds) {
  Memtable memtable;
  EXPECT_EQ(memtable.bytes(), 0U);
  EXPECT_EQ(memtable.pages_max(), 0U);
  memtable.Put("key", Record(std::string(1000, 'v')));
  const size_t with_value = memtable.bytes();
  EXPECT_GE(with_value, 1003U);
  EXPECT_EQ(memtable.pages_max(), 2U);
  memtable.Put("key", Record(std::string(100'000, 'v')));
  EXPECT_EQ(memtable.bytes(), with_value + 99'000);
  EXPECT_EQ(memtable.pages_max(), 3U);  // a value on pages of its own
  memtable.Put("key", Record(""));
  EXPECT_EQ(memtable.bytes(), with_value - 1000);
  memtable.Put("key2", Record("v"));
  memtable.Delete("key");
  EXPECT_EQ(memtable.pages_max(), 4U);
  EXPECT_LT(memtable.bytes(), with_value);
}

// What is counted is what is used: a buffer that once held a large value is not kept for a small
// one.
TEST(Memtable, GivesBackLargeBuffers) {
  Memtable memtable;
  memtable.Put("key", Record(std::string(1 << 20, 'v')));
  memtable.Put("key", Record("small"));
  EXPECT_LT(memtable.Find("key")->value.capacity(), 10'000U);
  memtable.Put("key", Record(std::string(1 << 20, 'v')));
  memtable.Delete("key");
  EXPECT_LT(memtable.Find("key")->value.capacity(), 100U);
}

TEST(Memtable, TakesAnyBytesAsKey) {
  Memtable memtable;
  memtable.Put("", Record("empty"));
  memtable.Put(std::string_view("\0", 1), Record("zero"));
  EXPECT_EQ(memtable.Find("")->value, "empty");
  EXPECT_EQ(memtable.Find(std::string_view("\0", 1))->value, "zero");
}

TEST(Memtable, APointerLivesThroughReads) {
  Memtable memtable;
  memtable.Put("key", Record("value"));
  const Memtable::Slot* slot = memtable.Find("key");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(memtable.Find(std::to_string(i)), nullptr);
  EXPECT_EQ(slot->value, "value");
}

}  // namespace
}  // namespace quorate::storage
