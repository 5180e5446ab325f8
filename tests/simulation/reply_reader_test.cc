// Proves the reader of replies with which the simulation's clients learn what they are told.
#include "tests/simulation/reply_reader.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace quorate::simulation {
namespace {

constexpr std::string_view kReplies =
    "+OK\r\n-MOVED 1 a:2\r\n:-12\r\n$5\r\na\r\nbc\r\n$-1\r\n*2\r\n$1\r\nx\r\n$-1\r\n*0\r\n";

std::vector<Reply> All(ReplyReader* reader) {
  std::vector<Reply> replies;
  while (std::optional<Reply> reply = reader->Next()) replies.push_back(*reply);
  return replies;
}

TEST(ReplyReader, ReadsEveryType) {
  ReplyReader reader;
  reader.Feed(kReplies);
  const std::vector<Reply> replies = All(&reader);
  ASSERT_EQ(replies.size(), 7u);
  EXPECT_EQ(replies[0].text, "OK");
  EXPECT_EQ(replies[1].type, Reply::Type::kError);
  EXPECT_EQ(replies[1].text, "MOVED 1 a:2");
  EXPECT_EQ(replies[2].integer, -12);
  EXPECT_EQ(replies[3].text, "a\r\nbc");
  EXPECT_EQ(replies[4].type, Reply::Type::kNull);
  ASSERT_EQ(replies[5].elements.size(), 2u);
  EXPECT_EQ(replies[5].elements[0].text, "x");
  EXPECT_EQ(replies[5].elements[1].type, Reply::Type::kNull);
  EXPECT_EQ(replies[6].type, Reply::Type::kArray);
  EXPECT_TRUE(reader.empty());
}

TEST(ReplyReader, ReadsTheSameByteByByte) {
  ReplyReader whole;
  whole.Feed(kReplies);
  ReplyReader reader;
  std::vector<Reply> replies;
  for (const char byte : kReplies) {
    reader.Feed({&byte, 1});
    for (Reply& reply : All(&reader)) replies.push_back(std::move(reply));
  }
  EXPECT_EQ(replies, All(&whole));
}

TEST(ReplyReader, FailsOnWhatIsNoReply) {
  ReplyReader reader;
  reader.Feed("hello\r\n");
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.failed());
}

}  // namespace
}  // namespace quorate::simulation
