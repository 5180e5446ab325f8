#include "storage/keyspace/siphash.h"

#include <gtest/gtest.h>

#include <string>

namespace quorate::storage {
namespace {

// The key and the inputs of the reference implementation's vectors: 0, 1, 2 ... The outputs of
// SipHash-1-3 are OpenSSL's ("openssl mac -macopt c-rounds:1 -macopt d-rounds:3 ... SIPHASH").
constexpr HashSecret kSecret = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

std::string Input(size_t size) {
  std::string input;
  while (input.size() < size) input += static_cast<char>(input.size());
  return input;
}

std::string Hexadecimal(const char* bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[static_cast<uint8_t>(bytes[i]) >> 4];
    text += kDigits[static_cast<uint8_t>(bytes[i]) & 15];
  }
  return text;
}

TEST(SipHash13, IsAsThePaperSays) {
  const std::pair<size_t, std::string> vectors[] = {
      {0, "dcc40f055801acab"}, {1, "93ca577df39bf4c9"},  {7, "4011b19b987d92d3"},
      {8, "8e9a298d11959036"}, {15, "5699512a6dd820d3"}, {63, "a8b3bbb76290199d"}};
  for (const auto& [size, expected] : vectors) {
    const uint64_t hash = SipHash13(kSecret, Input(size));
    EXPECT_EQ(Hexadecimal(reinterpret_cast<const char*>(&hash), sizeof(hash)), expected) << size;
  }
}

TEST(SipHash13, Has128BitsAsTheReferenceHas) {
  const std::pair<size_t, std::string> vectors[] = {
      {0, "e77ebcb22788a5befd62db6add303001"},  {1, "fc6f370460d3eda85e0573cc2b2ff063"},
      {7, "1084b923f2aae0c3a62f2ec80848ab77"},  {8, "aa12fee1d5e3dab4724f16ab35f9c799"},
      {15, "c17e5505b2bd526c2921cdec1e7e0109"}, {63, "4c5800e34efe426f079f6b0aa75260ad"}};
  for (const auto& [size, expected] : vectors) {
    const std::array<char, 16> hash = SipHash13Of128Bits(kSecret, Input(size));
    EXPECT_EQ(Hexadecimal(hash.data(), hash.size()), expected) << size;
  }
}

}  // namespace
}  // namespace quorate::storage
