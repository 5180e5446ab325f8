// Key specifications, on rows of Redis's commands that use all that they can say. What is expected
// is what redis-server 7.0.15 answers to COMMAND GETKEYSANDFLAGS and COMMAND INFO.
#include "src/requests/command_keys.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "src/requests/command.h"

namespace quorate {
namespace {

using enum KeyFlag;

constexpr KeyFlags kRead = {kReadOnly, kAccess};
constexpr KeyFlags kWrite = {kOverwrite, kUpdate};

constexpr Command kZunionstore = {.name = "zunionstore",
                                  .arity = -4,
                                  .function = {},
                                  .keys = {KeyAt(1, kWrite), CountedKeysAt(2, kRead)}};
constexpr Command kXread = {.name = "xread",
                            .arity = -4,
                            .function = {},
                            .keys = {{.flags = kRead,
                                      .begin = KeySpecification::Begin::kKeyword,
                                      .index = 1,
                                      .last = -1,
                                      .limit = 2,
                                      .keyword = "STREAMS"}}};
constexpr Command kGeoradius = {.name = "georadius",
                                .arity = -6,
                                .function = {},
                                .keys = {KeyAt(1, kRead),
                                         {.flags = kWrite,
                                          .begin = KeySpecification::Begin::kKeyword,
                                          .index = 6,
                                          .keyword = "STORE"},
                                         {.flags = kWrite,
                                          .begin = KeySpecification::Begin::kKeyword,
                                          .index = 6,
                                          .keyword = "STOREDIST"}}};
constexpr Command kMigrate = {.name = "migrate",
                              .arity = -6,
                              .function = {},
                              .keys = {KeyAt(3, kRead),
                                       {.flags = kRead,
                                        .begin = KeySpecification::Begin::kKeyword,
                                        .index = -2,
                                        .last = -1,
                                        .keyword = "KEYS"}}};

// "a RO access, b OW update"; "invalid" where the request does not say.
std::string KeysIn(const Command& command, const std::string& request) {
  std::istringstream stream(request);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  const std::vector<std::string_view> arguments(words.begin(), words.end());
  const auto keys = KeysOf(command, arguments);
  if (!keys) return "invalid";
  std::string text;
  for (const KeyUse& use : *keys) {
    if (!text.empty()) text += ", ";
    text += use.key;
    for (const std::string_view name : NamesOf<KeyFlag>(use.flags, kKeyFlagNames)) {
      text.append(" ").append(name);
    }
  }
  // Both ways of finding them agree.
  std::vector<std::string_view> found;
  EXPECT_TRUE(
      ForEachKey(command.keys, arguments, [&](std::string_view key) { found.push_back(key); }));
  EXPECT_EQ(found.size(), keys->size());
  const std::string_view* first = FirstKey(command.keys, arguments);
  EXPECT_EQ(first != nullptr, !keys->empty());
  if (first) {
    EXPECT_EQ(*first, keys->front().key);
  }
  return text;
}

TEST(CommandKeys, ACountSaysHowManyFollow) {
  EXPECT_EQ(KeysIn(kZunionstore, "zunionstore a 2 b c"), "a OW update, b RO access, c RO access");
  EXPECT_EQ(KeysIn(kZunionstore, "zunionstore a 1 b WEIGHTS 2"), "a OW update, b RO access");
}

TEST(CommandKeys, ACountThatDoesNotFitTheRequestIsInvalid) {
  for (const char* count : {"0", "-1", "x", "5", "2147483647", "99999999999999999999"}) {
    EXPECT_EQ(KeysIn(kZunionstore, "zunionstore a " + std::string(count) + " b c"), "invalid")
        << count;
  }
  EXPECT_EQ(KeysIn(kZunionstore, "zunionstore a"), "invalid");
}

TEST(CommandKeys, AKeywordSaysWhereTheyBegin) {
  EXPECT_EQ(KeysIn(kXread, "xread streams a b 0 0"), "a RO access, b RO access");
  EXPECT_EQ(KeysIn(kXread, "xread COUNT 1 Streams a 0"), "a RO access");
  EXPECT_EQ(KeysIn(kXread, "xread COUNT 1 STREAMS a b c"), "a RO access") << "half of three";
  EXPECT_EQ(KeysIn(kXread, "xread COUNT 1 a b c"), "");
  EXPECT_EQ(KeysIn(kGeoradius, "georadius k 1 1 1 m store d"), "k RO access, d OW update");
  EXPECT_EQ(KeysIn(kGeoradius, "georadius k 1 1 1 m storedist e"), "k RO access, e OW update");
}

TEST(CommandKeys, AKeywordAtTheEndIsNone) {
  EXPECT_EQ(KeysIn(kGeoradius, "georadius k 1 1 1 m store"), "k RO access");
}

TEST(CommandKeys, AKeywordIsLookedForBackwardsFromTheEnd) {
  EXPECT_EQ(KeysIn(kMigrate, "migrate h 1 x 0 100 keys a b"),
            "x RO access, a RO access, b RO access");
  EXPECT_EQ(KeysIn(kMigrate, "migrate h 1 x 0 100 copy"), "x RO access");
}

TEST(CommandKeys, NothingIsReadBeyondAShortRequest) {
  const Command renaming = {
      .name = "rename", .arity = 3, .function = {}, .keys = {KeyAt(1, kRead), KeyAt(2, kWrite)}};
  EXPECT_EQ(KeysIn(renaming, "rename a b"), "a RO access, b OW update");
  EXPECT_EQ(KeysIn(renaming, "rename a"), "invalid");
  EXPECT_EQ(KeysIn(renaming, "rename"), "invalid");
}

std::string LegacyRange(const KeySpecifications& keys) {
  const LegacyKeyRange range = LegacyRangeOf(keys);
  return std::to_string(range.first) + " " + std::to_string(range.last) + " " +
         std::to_string(range.step) + (range.movable ? " movable" : "");
}

TEST(CommandKeys, TheLegacyRangeJoinsWhatFollowsEachOther) {
  EXPECT_EQ(LegacyRange({}), "0 0 0");
  EXPECT_EQ(LegacyRange({KeyAt(1, kRead)}), "1 1 1");
  EXPECT_EQ(LegacyRange({KeysFrom(1, kRead)}), "1 -1 1");
  EXPECT_EQ(LegacyRange({KeysFrom(1, kWrite, 2)}), "1 -1 2");
  EXPECT_EQ(LegacyRange({KeyAt(1, kRead), KeyAt(2, kWrite)}), "1 2 1") << "RENAME";
  EXPECT_EQ(LegacyRange({KeyAt(2, kWrite), KeysFrom(3, kRead)}), "2 -1 1") << "BITOP";
}

TEST(CommandKeys, TheLegacyRangeSaysThatItIsNotAll) {
  EXPECT_EQ(LegacyRange(kZunionstore.keys), "1 1 1 movable");
  EXPECT_EQ(LegacyRange(kXread.keys), "0 0 0 movable");
  EXPECT_EQ(LegacyRange(kGeoradius.keys), "1 1 1 movable");
  EXPECT_EQ(LegacyRange({{.flags = kRead, .begin = KeySpecification::Begin::kUnknown}}),
            "0 0 0 movable");
}

}  // namespace
}  // namespace quorate
