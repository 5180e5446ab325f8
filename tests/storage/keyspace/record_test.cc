#include "storage/keyspace/record.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "storage/keyspace/key_slot.h"

namespace quorate::storage {
namespace {

RecordView Record(std::string_view value, uint64_t revision = 7, int64_t expire_at_ms = 0) {
  return {{ValueType::kString, revision, expire_at_ms}, value};
}

TEST(RowKey, IsTheSlotBigEndianAndTheKey) {
  const std::string row_key = EncodeRowKey("foo");
  EXPECT_EQ(row_key, std::string("\x2f\x96", 2) + "foo");  // 12182
  EXPECT_EQ(SlotOfRow(row_key), KeySlot("foo"));
  EXPECT_EQ(KeyOfRow(row_key), "foo");
}

TEST(RowKey, HoldsAnEmptyKeyAndTheLongest) {
  EXPECT_EQ(EncodeRowKey("").size(), 2U);
  EXPECT_EQ(KeyOfRow(EncodeRowKey("")), "");
  const std::string longest(kKeyBytesMax, 'k');
  EXPECT_EQ(EncodeRowKey(longest).size(), 511U);  // LMDB's bound
  EXPECT_EQ(KeyOfRow(EncodeRowKey(longest)), longest);
}

TEST(Row, GivesBackWhatWentIn) {
  const std::string row_key = EncodeRowKey("key");
  const std::string binary("\0\r\n\xff", 4);
  for (const std::string& value : {std::string(), binary, std::string(100'000, 'v')}) {
    const std::string row = EncodeRow(row_key, Record(value, 1ULL << 63, -5));
    EXPECT_EQ(row.size(), RowBytes(Record(value)));
    const std::optional<RecordView> decoded = DecodeRow(row_key, row);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->value, value);
    EXPECT_EQ(decoded->header, (RecordHeader{ValueType::kString, 1ULL << 63, -5}));
  }
}

TEST(Row, NoBitCanChangeUnnoticed) {
  const std::string row_key = EncodeRowKey("key");
  const std::string row = EncodeRow(row_key, Record("value"));
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    std::string damaged = row;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(DecodeRow(row_key, damaged)) << "bit " << bit;
  }
}

TEST(Row, CannotBeCutOrExtendedUnnoticed) {
  const std::string row_key = EncodeRowKey("key");
  const std::string row = EncodeRow(row_key, Record("value"));
  for (size_t size = 0; size < row.size(); ++size) {
    EXPECT_FALSE(DecodeRow(row_key, std::string_view(row).substr(0, size))) << size;
  }
  EXPECT_FALSE(DecodeRow(row_key, row + '\0'));
}

// An intact row that turns up under another key, as after damage to an inner page.
TEST(Row, BelongsToItsKey) {
  const std::string row = EncodeRow(EncodeRowKey("key"), Record("value"));
  EXPECT_FALSE(DecodeRow(EncodeRowKey("kez"), row));
}

TEST(Row, OfAnUnknownTypeIsRefused) {
  const std::string row_key = EncodeRowKey("key");
  RecordView record = Record("value");
  record.header.type = static_cast<ValueType>(200);
  EXPECT_FALSE(DecodeRow(row_key, EncodeRow(row_key, record)));
}

TEST(RecordDigest, DependsOnEveryField) {
  const std::set<uint64_t> digests = {
      RecordDigest("key", Record("value", 1, 1)), RecordDigest("kez", Record("value", 1, 1)),
      RecordDigest("key", Record("valuf", 1, 1)), RecordDigest("key", Record("value", 2, 1)),
      RecordDigest("key", Record("value", 1, 2)), RecordDigest("keyv", Record("alue", 1, 1)),
      RecordDigest("", Record("keyvalue", 1, 1)), RecordDigest("key", Record("", 1, 1))};
  EXPECT_EQ(digests.size(), 8U);
}

// Nodes compare it, and a restarted node goes on with it: it must not depend on the process.
TEST(RecordDigest, IsTheSameEverywhere) {
  EXPECT_EQ(RecordDigest("key", Record("value", 1, 2)), 1582501811851758888U);
}

}  // namespace
}  // namespace quorate::storage
