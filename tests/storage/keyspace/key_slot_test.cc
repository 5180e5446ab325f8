#include "storage/keyspace/key_slot.h"

#include <gtest/gtest.h>

namespace quorate::storage {
namespace {

// The reference value of CRC16-XMODEM that the cluster specification gives.
TEST(KeySlot, IsCrc16OfTheKey) { EXPECT_EQ(KeySlot("123456789"), 0x31c3); }

// As `redis-cli cluster keyslot` answers.
TEST(KeySlot, AgreesWithRedis) {
  EXPECT_EQ(KeySlot("foo"), 12182);
  EXPECT_EQ(KeySlot("bar"), 5061);
  EXPECT_EQ(KeySlot(""), 0);
}

// The specification's own examples of hash tags.
TEST(KeySlot, HashesOnlyTheTag) {
  EXPECT_EQ(KeySlot("{user1000}.following"), KeySlot("{user1000}.followers"));
  EXPECT_EQ(KeySlot("{user1000}.following"), KeySlot("user1000"));
  EXPECT_EQ(KeySlot("foo{{bar}}zap"), KeySlot("{bar"));
  EXPECT_EQ(KeySlot("foo{bar}{zap}"), KeySlot("bar"));
}

TEST(KeySlot, HashesTheWholeKeyWithoutATag) {
  EXPECT_NE(KeySlot("foo{}{bar}"), KeySlot("bar"));
  EXPECT_NE(KeySlot("foo{bar"), KeySlot("bar"));
  EXPECT_NE(KeySlot("foo}bar{"), KeySlot("foo"));
}

TEST(KeySlot, TakesAnyBytes) {
  EXPECT_LT(KeySlot(std::string_view("\0\xff\x80", 3)), kSlotCount);
  EXPECT_NE(KeySlot(std::string_view("\0", 1)), KeySlot(std::string_view("\1", 1)));
}

}  // namespace
}  // namespace quorate::storage
