#include "resp/split_arguments.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::resp {
namespace {

using std::string_literals::operator""s;
using Arguments = std::vector<std::string>;

// Nothing if quotes are unbalanced. The line is split in memory of its exact size, so that reading
// beyond it is found by the address sanitizer.
std::optional<Arguments> Split(std::string_view text) {
  const std::vector<char> memory(text.begin(), text.end());
  const std::string_view line(memory.data(), memory.size());
  std::vector<std::string_view> arguments = {"what", "was", "before"};
  std::string unescaped = "what was before";
  if (!SplitArguments(line, &arguments, &unescaped)) {
    return std::nullopt;
  }
  return Arguments(arguments.begin(), arguments.end());
}

TEST(SplitArguments, SeparatesAtBlanks) {
  EXPECT_EQ(Split(""), Arguments());
  EXPECT_EQ(Split(" \t\v\f\r\n"), Arguments());
  EXPECT_EQ(Split("a"), Arguments({"a"}));
  EXPECT_EQ(Split("  set\tkey \r\n value  "), Arguments({"set", "key", "value"}));
}

TEST(SplitArguments, TakesVerticalTabAndFormFeedAsBlanksOnlyBeforeAnArgument) {
  EXPECT_EQ(Split("\v\fa\vb\f c"), Arguments({"a\vb\f", "c"}));
  EXPECT_EQ(Split("\"a\"\v\fb"), Arguments({"a", "b"}));
}

TEST(SplitArguments, UnescapesInDoubleQuotes) {
  EXPECT_EQ(Split(R"("a b")"), Arguments({"a b"}));
  EXPECT_EQ(Split(R"("\n\r\t\b\a\\\"\'\q")"), Arguments({"\n\r\t\b\a\\\"'q"}));
  EXPECT_EQ(Split(R"("\x41\x0a\xfF\x00")"), Arguments({"A\n\377\0"s}));
  EXPECT_EQ(Split(R"("\x4" "\xg1" "\x" "\x1")"), Arguments({"x4", "xg1", "x", "x1"}));
}

TEST(SplitArguments, UnescapesOnlyTheQuoteItselfInSingleQuotes) {
  EXPECT_EQ(Split(R"('a b\n\x41"\\ ')"), Arguments({R"(a b\n\x41"\\ )"}));
  EXPECT_EQ(Split(R"('it\'s')"), Arguments({"it's"}));
  // A backslash before a backslash is ordinary; the second one escapes the quote.
  EXPECT_EQ(Split(R"('a\\'')"), Arguments({R"(a\')"}));
  EXPECT_EQ(Split(R"('a\\')"), std::nullopt);
}

TEST(SplitArguments, LeavesBackslashesAloneOutsideQuotes) {
  EXPECT_EQ(Split(R"(a\nb \ \x41)"), Arguments({R"(a\nb)", R"(\)", R"(\x41)"}));
}

TEST(SplitArguments, KeepsEmptyArguments) {
  EXPECT_EQ(Split(R"("" '' a)"), Arguments({"", "", "a"}));
}

TEST(SplitArguments, LetsAQuoteBeginWithinAnArgument) {
  EXPECT_EQ(Split(R"(foo"b r" x'y z')"), Arguments({"foob r", "xy z"}));
}

TEST(SplitArguments, RefusesUnbalancedQuotes) {
  for (const std::string_view line :
       {"\"", "'", "\"a", "'a", "a\"", "a'", "\"a'", "'a\"", "\"a\\\"", "'a\\'", "\"a\\", "'a\\",
        "b \"a\\x4", "\"a\"b", "'a'b", "\"a\"\"b\"", "'a''b'", "\"a\"\\", "c \"d\" 'e"}) {
    EXPECT_EQ(Split(line), std::nullopt) << line;
  }
}

TEST(SplitArguments, KeepsEarlierQuotedArgumentsValidWhileLaterOnesAreAdded) {
  std::string line;
  Arguments expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string argument = "argument " + std::to_string(i);
    line += "'" + argument + "' plain ";
    expected.push_back(argument);
    expected.emplace_back("plain");
  }
  EXPECT_EQ(Split(line), expected);
}

TEST(SplitArguments, CopiesOnlyArgumentsWithQuotes) {
  const std::string line = "plain 'quoted' plain";
  std::vector<std::string_view> arguments;
  std::string unescaped;
  ASSERT_TRUE(SplitArguments(line, &arguments, &unescaped));
  ASSERT_EQ(arguments.size(), 3U);
  EXPECT_EQ(arguments[0].data(), line.data());
  EXPECT_EQ(arguments[1].data(), unescaped.data());
  EXPECT_EQ(arguments[2].data(), line.data() + 15);
  EXPECT_EQ(unescaped, "quoted");
}

}  // namespace
}  // namespace quorate::resp
