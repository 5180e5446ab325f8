#include "consensus/crc32c.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/crc32c_implementations.h"

namespace quorate::consensus {
namespace {

// The smallest thing that can be right: the definition, bit by bit.
uint32_t ByDefinition(std::string_view bytes, uint32_t seed) {
  uint32_t state = ~seed;
  for (const char byte : bytes) {
    state ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      state = (state & 1) != 0 ? (state >> 1) ^ 0x82F63B78 : state >> 1;
    }
  }
  return ~state;
}

std::string RandomBytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random());
  }
  return bytes;
}

void ExpectChecksum(std::string_view bytes, uint32_t expected) {
  EXPECT_EQ(Crc32c(bytes), expected);
  EXPECT_EQ(Crc32cByTables(bytes, 0), expected);
  if (HasCrc32cInstruction()) {
    EXPECT_EQ(Crc32cByInstruction(bytes, 0), expected);
  }
}

// RFC 3720, appendix B.4.
TEST(Crc32c, Rfc3720Vectors) {
  ExpectChecksum(std::string(32, '\0'), 0x8A9136AA);
  ExpectChecksum(std::string(32, '\xFF'), 0x62A8AB43);
  std::string rising;
  std::string falling;
  for (int value = 0; value < 32; ++value) {
    rising.push_back(static_cast<char>(value));
    falling.push_back(static_cast<char>(31 - value));
  }
  ExpectChecksum(rising, 0x46DD794E);
  ExpectChecksum(falling, 0x113FDB5C);
  // The RFC's iSCSI read command.
  std::string command(48, '\0');
  command[0] = '\x01';
  command[1] = '\xC0';
  command[16] = '\x14';
  command[22] = '\x04';
  command[27] = '\x14';
  command[31] = '\x18';
  command[32] = '\x28';
  command[40] = '\x02';
  ExpectChecksum(command, 0xD9963A56);
}

TEST(Crc32c, CheckValueAndNothing) {
  ExpectChecksum("123456789", 0xE3069283);
  ExpectChecksum("", 0);
}

// Each size up to past the shorter stretches, and sizes around the multiples of the longer ones, at
// each alignment within a word, with seeds: all ways give the definition's value.
TEST(Crc32c, AllWaysAgreeOnEverySizeAndAlignment) {
  const uint64_t seed = 20240117;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::string bytes = RandomBytes(random, 16 << 10);
  std::vector<size_t> sizes;
  for (size_t size = 0; size <= 800; ++size) {
    sizes.push_back(size);
  }
  for (size_t whole = 3072; whole <= 9216; whole += 3072) {
    for (size_t size = whole - 10; size <= whole + 400; size += 7) {
      sizes.push_back(size);
    }
  }
  for (const size_t size : sizes) {
    const size_t alignment = random() % 16;
    const auto initial = static_cast<uint32_t>(random());
    const std::string_view part = std::string_view(bytes).substr(alignment, size);
    const uint32_t expected = ByDefinition(part, initial);
    ASSERT_EQ(Crc32cByTables(part, initial), expected) << size << " bytes at " << alignment;
    ASSERT_EQ(Crc32c(part, initial), expected) << size << " bytes at " << alignment;
    if (HasCrc32cInstruction()) {
      ASSERT_EQ(Crc32cByInstruction(part, initial), expected) << size << " bytes at " << alignment;
    }
  }
}

TEST(Crc32c, WaysAgreeOnALargeBuffer) {
  const uint64_t seed = 7;
  std::mt19937_64 random(seed);
  const std::string bytes = RandomBytes(random, (1 << 20) + 13);
  EXPECT_EQ(Crc32c(bytes), Crc32cByTables(bytes, 0)) << "seed " << seed;
}

// What the header promises: Crc32c(b, Crc32c(a)) == Crc32c(a + b), wherever the cut is.
TEST(Crc32c, SeedContinuesAChecksum) {
  const uint64_t seed = 42;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 500; ++round) {
    const std::string bytes = RandomBytes(random, random() % 5000);
    const size_t cut = random() % (bytes.size() + 1);
    const std::string_view whole = bytes;
    ASSERT_EQ(Crc32c(whole.substr(cut), Crc32c(whole.substr(0, cut))), Crc32c(whole))
        << bytes.size() << " bytes cut at " << cut;
  }
}

}  // namespace
}  // namespace quorate::consensus
