#include "resp/integer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace quorate::resp {
namespace {

TEST(ParseInteger, ReadsTheCanonicalFormOfEveryMagnitude) {
  EXPECT_EQ(ParseInteger("0"), 0);
  EXPECT_EQ(ParseInteger("7"), 7);
  EXPECT_EQ(ParseInteger("-1"), -1);
  for (int64_t value = 1; value < std::numeric_limits<int64_t>::max() / 10; value *= 10) {
    EXPECT_EQ(ParseInteger(std::to_string(value)), value);
    EXPECT_EQ(ParseInteger(std::to_string(-value)), -value);
    EXPECT_EQ(ParseInteger(std::to_string(value - 1)), value - 1);
  }
}

TEST(ParseInteger, ReachesBothEndsOfTheRangeAndNoFurther) {
  EXPECT_EQ(ParseInteger("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseInteger("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(ParseInteger("9223372036854775808"), std::nullopt);
  EXPECT_EQ(ParseInteger("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(ParseInteger("18446744073709551617"), std::nullopt);
  EXPECT_EQ(ParseInteger(std::string(1000, '9')), std::nullopt);
}

TEST(ParseInteger, RefusesEveryOtherSpelling) {
  for (const std::string_view text :
       {"",   "-",  "+",   "+4",  "-0",  "00",  "04",  "-04", " 4",  "4 ",
        "4x", "x4", "0x4", "4.0", "1e3", "--4", "-+4", "4-",  "4\n", "4\r"}) {
    EXPECT_EQ(ParseInteger(text), std::nullopt) << "'" << text << "'";
  }
  EXPECT_EQ(ParseInteger(std::string_view("4\0", 2)), std::nullopt);
  EXPECT_EQ(ParseInteger(std::string_view("\0", 1)), std::nullopt);
}

}  // namespace
}  // namespace quorate::resp
