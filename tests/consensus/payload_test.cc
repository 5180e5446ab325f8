#include <gtest/gtest.h>

#include <string>

#include "consensus/crc32c.h"
#include "consensus/types.h"

namespace quorate::consensus {
namespace {

TEST(Payload, ChecksumBelongsToTheBytes) {
  const Payload payload(std::string("one batch"));
  EXPECT_EQ(payload.bytes(), "one batch");
  EXPECT_EQ(payload.size(), 9U);
  EXPECT_EQ(payload.crc32c(), Crc32c("one batch"));
  EXPECT_TRUE(payload.Intact());
}

// A copy is another reference to the same bytes: what is sent to every follower is never
// duplicated.
TEST(Payload, CopiesShareTheBytes) {
  const Payload payload(std::string(100, 'x'));
  const Payload copy = payload;
  EXPECT_EQ(copy.bytes().data(), payload.bytes().data());
}

TEST(Payload, DamagedBytesAreNotIntact) {
  EXPECT_TRUE(Payload("abc", Crc32c("abc")).Intact());
  EXPECT_FALSE(Payload("abd", Crc32c("abc")).Intact());
  EXPECT_FALSE(Payload("abc", Crc32c("abc") ^ 1).Intact());
}

// The checksum of nothing is 0, so a payload that lost all its bytes is recognised too.
TEST(Payload, EmptyPayloads) {
  EXPECT_TRUE(Payload().Intact());
  EXPECT_TRUE(Payload(std::string()).Intact());
  EXPECT_TRUE(Payload("", 0).Intact());
  EXPECT_FALSE(Payload("", Crc32c("abc")).Intact());
  EXPECT_EQ(Payload(), Payload(std::string()));
  EXPECT_EQ(Payload(std::string()).bytes(), "");
}

TEST(Payload, EqualityIsThatOfTheBytes) {
  EXPECT_EQ(Payload(std::string("a")), Payload(std::string("a")));
  EXPECT_FALSE(Payload(std::string("a")) == Payload(std::string("b")));
  EXPECT_FALSE(Payload(std::string("a")) == Payload());
}

}  // namespace
}  // namespace quorate::consensus
