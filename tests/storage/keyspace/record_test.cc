#include "storage/keyspace/record.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "storage/keyspace/row_key.h"

namespace quorate::storage {
namespace {

RecordView Record(std::string_view value, uint64_t revision = 7, int64_t expire_at_ms = 0) {
  return {{ValueType::kString, revision, expire_at_ms}, value};
}

constexpr HashSecret kSecret = {1, 2, 3};

// A key that its row key holds, and one that it only stands for.
const std::string kKeys[] = {"key", std::string(kKeyInRowKeyMax + 1, 'k')};

TEST(Row, GivesBackWhatWentIn) {
  const std::string binary("\0\r\n\xff", 4);
  for (const std::string& key : {kKeys[0], kKeys[1], std::string(), std::string(70'000, 'k')}) {
    const RowKey row_key(kSecret, DatabaseId{}, key);
    for (const std::string& value : {std::string(), binary, std::string(100'000, 'v')}) {
      const Row content{key, Record(value, 1ULL << 63, -5)};
      const std::string row = EncodeRow(row_key.bytes(), content);
      EXPECT_EQ(row.size(), RowBytes(content));
      const Decoded<Row> decoded = DecodeRow(row_key.bytes(), row);
      ASSERT_TRUE(decoded);
      EXPECT_EQ(decoded->key, key);
      EXPECT_EQ(decoded->record.value, value);
      EXPECT_EQ(decoded->record.header, (RecordHeader{ValueType::kString, 1ULL << 63, -5}));
      const Decoded<RowHead> head = DecodeRowHead(row_key.bytes(), row);
      ASSERT_TRUE(head);
      EXPECT_EQ(head->key, key);
      EXPECT_EQ(head->header, decoded->record.header);
    }
  }
}

TEST(Row, NoBitCanChangeUnnoticed) {
  for (const std::string& key : kKeys) {
    const RowKey row_key(kSecret, DatabaseId{}, key);
    const std::string row = EncodeRow(row_key.bytes(), {key, Record("value")});
    for (size_t bit = 0; bit < row.size() * 8; ++bit) {
      std::string damaged = row;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      const Decoded<Row> decoded = DecodeRow(row_key.bytes(), damaged);
      ASSERT_FALSE(decoded) << "bit " << bit;
      EXPECT_EQ(decoded.why(), Unreadable::kDamaged) << "bit " << bit;
    }
  }
}

TEST(Row, CannotBeCutOrExtendedUnnoticed) {
  for (const std::string& key : kKeys) {
    const RowKey row_key(kSecret, DatabaseId{}, key);
    const std::string row = EncodeRow(row_key.bytes(), {key, Record("value")});
    for (size_t size = 0; size < row.size(); ++size) {
      EXPECT_FALSE(DecodeRow(row_key.bytes(), std::string_view(row).substr(0, size))) << size;
    }
    EXPECT_FALSE(DecodeRow(row_key.bytes(), row + '\0'));
  }
}

// An intact row that turns up under another key, as after damage to an inner page.
TEST(Row, BelongsToItsKey) {
  const std::string row =
      EncodeRow(RowKey(kSecret, DatabaseId{}, "key").bytes(), {"key", Record("value")});
  EXPECT_FALSE(DecodeRow(RowKey(kSecret, DatabaseId{}, "kez").bytes(), row));
  EXPECT_FALSE(DecodeRow(RowKey(kSecret, DatabaseId{1}, "key").bytes(), row));
}

// An operator is to start the newer version, and not to give the disk up.
TEST(Row, OfAnUnknownTypeIsANewerVersions) {
  const RowKey row_key(kSecret, DatabaseId{}, "key");
  for (const uint8_t type : {0, 3, 7, 200}) {
    RecordView record = Record("value");
    record.header.type = static_cast<ValueType>(type);
    std::string row = EncodeRow(row_key.bytes(), {"key", record});
    EXPECT_EQ(DecodeRow(row_key.bytes(), row).why(), Unreadable::kNewer);
    EXPECT_EQ(DecodeRowHead(row_key.bytes(), row).why(), Unreadable::kNewer);
    row.back() ^= 1;
    EXPECT_EQ(DecodeRow(row_key.bytes(), row).why(), Unreadable::kDamaged);
    EXPECT_EQ(DecodeRowHead(row_key.bytes(), row).why(), Unreadable::kDamaged);
  }
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
