// Patterns as in KEYS and CONFIG GET. The cases agree with what KEYS of redis-server 7.0.15
// answers.
#include "src/base/glob.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quorate {
namespace {

struct GlobCase {
  std::string pattern;
  std::string text;
  bool matches;
};

TEST(Glob, MatchesAsInRedis) {
  const std::vector<GlobCase> cases = {{"", "", true},
                                       {"", "a", false},
                                       {"a", "", false},
                                       {"*", "", true},
                                       {"*", "anything", true},
                                       {"**", "x", true},
                                       {"?", "", false},
                                       {"?", "a", true},
                                       {"?", "ab", false},
                                       {"abc", "abc", true},
                                       {"abc", "abd", false},
                                       {"abc", "ab", false},
                                       {"abc", "ABC", false},
                                       {"h?llo", "hello", true},
                                       {"h*llo", "hllo", true},
                                       {"h*llo", "heeeello", true},
                                       {"h*llo", "hellox", false},
                                       {"*a*", "bab", true},
                                       {"*a*", "bbb", false},
                                       {"a*", "a", true},
                                       {"a**", "a", true},
                                       {"*ab", "aab", true},
                                       {"*ab*cd", "xabcabcd", true},
                                       {"*?", "", false},
                                       {"*?", "a", true},
                                       {"a*?c", "ac", false},
                                       {"h[ae]llo", "hello", true},
                                       {"h[ae]llo", "hillo", false},
                                       {"h[^e]llo", "hallo", true},
                                       {"h[^e]llo", "hello", false},
                                       {"h[a-c]llo", "hbllo", true},
                                       {"h[c-a]llo", "hbllo", true},
                                       {"h[a-c]llo", "hdllo", false},
                                       {"[a-c-]", "-", true},
                                       {"[]a]", "a", false},
                                       {"[]", "a", false},
                                       {"[^]", "a", true},
                                       {"[\\]]", "]", true},
                                       {"[\\^a]", "^", true},
                                       {"[a", "a", true},
                                       {"[a", "b", false},
                                       {"[", "[", false},
                                       {"[a\\", "\\", true},
                                       {"[a-", "-", true},
                                       {"\\*", "*", true},
                                       {"\\*", "a", false},
                                       {"a\\?", "a?", true},
                                       {"\\", "\\", true},
                                       {"\\a", "a", true},
                                       {"a\\", "a\\", true},
                                       {"*[0-9]", "key7", true},
                                       {"*[0-9]", "key", false},
                                       {"{a,b}", "a", false}};
  for (const GlobCase& glob : cases) {
    EXPECT_EQ(GlobMatch(glob.pattern, glob.text), glob.matches)
        << glob.pattern << " on " << glob.text;
  }
}

TEST(Glob, CanIgnoreCase) {
  EXPECT_TRUE(GlobMatch("MaxClients", "maxclients", LetterCase::kInsensitive));
  EXPECT_TRUE(GlobMatch("MAX*", "maxclients", LetterCase::kInsensitive));
  EXPECT_TRUE(GlobMatch("[A-C]x", "bX", LetterCase::kInsensitive));
  EXPECT_TRUE(GlobMatch("[AB]", "b", LetterCase::kInsensitive));
  EXPECT_FALSE(GlobMatch("[^B]", "b", LetterCase::kInsensitive));
  EXPECT_TRUE(GlobMatch("\\A", "a", LetterCase::kInsensitive));
}

TEST(Glob, IsBinarySafe) {
  const std::string text("a\0b\xff", 4);
  EXPECT_TRUE(GlobMatch(text, text));
  EXPECT_TRUE(GlobMatch("a?b?", text));
  EXPECT_TRUE(GlobMatch("*[\x80-\xff]", text));
  EXPECT_FALSE(GlobMatch("a", text));
}

// Tried one star within the other, this would take longer than the universe is old.
TEST(Glob, ManyStarsDoNotTakeForever) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) {
    pattern += "a*";
  }
  EXPECT_FALSE(GlobMatch(pattern + "b", std::string(10000, 'a')));
  EXPECT_TRUE(GlobMatch(pattern + "b", std::string(10000, 'a') + "b"));
}

}  // namespace
}  // namespace quorate
