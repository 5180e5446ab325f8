#include "storage/keyspace/row_key.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "storage/keyspace/key_slot.h"

namespace quorate::storage {
namespace {

constexpr HashSecret kSecret = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr HashSecret kAnother = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17};

std::string Bytes(uint32_t database, std::string_view key, const HashSecret& secret = kSecret) {
  return std::string(RowKey(secret, DatabaseId{database}, key).bytes());
}

std::string Order(std::string_view row_key) { return std::string(row_key.substr(6, 5)); }

// Stored, so it may never change.
TEST(RowKey, IsDatabaseSlotOrderAndKeyBigEndian) {
  const std::string row_key = Bytes(0x01020304, "foo");
  EXPECT_EQ(row_key.substr(0, 6), std::string("\x01\x02\x03\x04\x2f\x96", 6));  // slot 12182
  const uint64_t hash = SipHash13(kSecret, "foo");
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(static_cast<uint8_t>(row_key[6 + i]), static_cast<uint8_t>(hash >> (56 - 8 * i)));
  }
  EXPECT_EQ(row_key.substr(11), "foo");
  EXPECT_TRUE(IsRowKey(row_key));
  EXPECT_EQ(DatabaseOfRow(row_key), DatabaseId{0x01020304});
  EXPECT_EQ(SlotOfRow(row_key), KeySlot("foo"));
  EXPECT_FALSE(KeyIsInRow(row_key));
  EXPECT_EQ(KeyInRowKey(row_key), "foo");
  EXPECT_TRUE(row_key.starts_with(RowKeyPrefix(DatabaseId{0x01020304}, KeySlot("foo"))));
}

// Whoever does not know the secret cannot tell where a key comes.
TEST(RowKey, OrderDependsOnTheSecret) {
  std::set<std::string> orders;
  for (int key = 0; key < 100; ++key) {
    orders.insert(Order(Bytes(0, std::to_string(key))));
    orders.insert(Order(Bytes(0, std::to_string(key), kAnother)));
  }
  EXPECT_EQ(orders.size(), 200U);
}

TEST(RowKey, HoldsAnEmptyKeyAndKeysOfAnyLength) {
  EXPECT_EQ(KeyInRowKey(Bytes(0, "")), "");
  const std::string longest(kKeyInRowKeyMax, 'k');
  EXPECT_EQ(Bytes(0, longest).size(), kRowKeyBytesMax - 1);
  EXPECT_EQ(KeyInRowKey(Bytes(0, longest)), longest);
  for (const size_t size : {kKeyInRowKeyMax + 1, size_t{511}, size_t{1} << 20}) {
    const std::string row_key = Bytes(0, std::string(size, 'k'));
    EXPECT_EQ(row_key.size(), kRowKeyBytesMax);
    EXPECT_TRUE(KeyIsInRow(row_key));
    EXPECT_EQ(RowKey::BytesFor(std::string(size, 'k')), kRowKeyBytesMax);
  }
  EXPECT_FALSE(IsRowKey(std::string(kRowKeyHeadBytes - 1, 'k')));
  EXPECT_FALSE(IsRowKey(std::string(kRowKeyBytesMax + 1, 'k')));
}

// Keys that begin with the same bytes, as the cache keys of one page do.
TEST(RowKey, TellsLongKeysApart) {
  const std::string beginning(600, 'k');
  std::set<std::string> row_keys;
  std::set<std::string> hashes;
  for (int key = 0; key < 100; ++key) {
    const std::string row_key = Bytes(0, beginning + std::to_string(key));
    EXPECT_EQ(row_key.substr(11, 484), beginning.substr(0, 484));
    row_keys.insert(row_key);
    hashes.insert(row_key.substr(495));
  }
  EXPECT_EQ(row_keys.size(), 100U);
  EXPECT_EQ(hashes.size(), 100U);
  EXPECT_NE(Bytes(0, beginning).substr(495), Bytes(0, beginning, kAnother).substr(495));
  // The key that is written as a long key's row key is: each stands for itself.
  const std::string row_key = Bytes(0, beginning);
  EXPECT_NE(Bytes(0, row_key.substr(11)).size(), row_key.size() - 1);
}

TEST(RowKey, PrefixesAscendWithSlotsAndDatabases) {
  std::string before;
  for (const uint32_t database : {0U, 1U, 255U, 256U, 0xffffffffU}) {
    for (const uint16_t slot : {0, 1, 255, 256, 16383, 16384}) {
      const std::string prefix = RowKeyPrefix(DatabaseId{database}, slot);
      EXPECT_LT(before, prefix);
      before = prefix;
    }
  }
  EXPECT_LT(Bytes(7, std::string(kKeyInRowKeyMax, '\xff')),
            RowKeyPrefix(DatabaseId{7}, kSlotCount));
}

TEST(RowKey, KeyPlaceAscendsAsRowKeysDo) {
  for (int key = 0; key < 200; ++key) {
    const std::string one = std::to_string(key);
    const std::string two = std::to_string(key + 1);
    EXPECT_EQ(KeyPlace(kSecret, one) < KeyPlace(kSecret, two), Bytes(0, one) < Bytes(0, two));
  }
}

}  // namespace
}  // namespace quorate::storage
