// The short notation of a command's arguments becomes what COMMAND DOCS describes.
#include "src/commands/syntax.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quorate {
namespace {

// The parts as a text again, with everything that was understood.
std::string Describe(const std::vector<SyntaxPart>& parts) {
  std::string text;
  for (const SyntaxPart& part : parts) {
    if (!text.empty()) text += ' ';
    text += part.name + "/" + std::string(part.type);
    if (!part.token.empty()) text += "/" + std::string(part.token);
    if (part.optional) text += "?";
    if (part.multiple) text += "*";
    if (!part.parts.empty()) text += "{" + Describe(part.parts) + "}";
  }
  return text;
}

std::string Parsed(std::string_view syntax) { return Describe(ParseSyntax(syntax)); }

TEST(Syntax, WordsAndTypes) {
  EXPECT_EQ(Parsed(""), "");
  EXPECT_EQ(Parsed("message"), "message/string");
  EXPECT_EQ(Parsed("key:key value"), "key/key value/string");
  EXPECT_EQ(Parsed("client-id:integer"), "client-id/integer");
}

TEST(Syntax, OptionalAndMultiple) {
  EXPECT_EQ(Parsed("[message]"), "message/string?");
  EXPECT_EQ(Parsed("key:key..."), "key/key*");
  EXPECT_EQ(Parsed("[section...]"), "section/string?*");
}

TEST(Syntax, Choices) {
  EXPECT_EQ(Parsed("(ON|OFF)"), "on_off/oneof{on/pure-token/ON off/pure-token/OFF}");
  EXPECT_EQ(Parsed("[NX|XX] [GET]"),
            "nx_xx/oneof?{nx/pure-token/NX xx/pure-token/XX} get/pure-token/GET?");
}

TEST(Syntax, Blocks) {
  EXPECT_EQ(Parsed("(key:key value)..."), "key_value/block*{key/key value/string}");
  EXPECT_EQ(Parsed("[AUTH=(username password)]"),
            "username_password/block/AUTH?{username/string password/string}");
  EXPECT_EQ(Parsed("[TYPE=(A|B)|ID=client-id:integer...]"),
            "a_b_client-id/oneof?{a_b/oneof/TYPE{a/pure-token/A b/pure-token/B} "
            "client-id/integer/ID*}");
}

// As redis-server 7.0.15 answers COMMAND DOCS for the same arguments, but for the name of the
// group.
TEST(Syntax, IsWrittenAsRedisWritesIt) {
  std::string reply;
  resp::ReplyWriter writer(resp::Protocol::kResp2, &reply);
  WriteSyntax(ParseSyntax("key:key [NX|XX] [id:integer...]"), writer);
  EXPECT_EQ(reply,
            "*3\r\n"
            "*6\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n"
            "$14\r\nkey_spec_index\r\n:0\r\n"
            "*8\r\n$4\r\nname\r\n$5\r\nnx_xx\r\n$4\r\ntype\r\n$5\r\noneof\r\n"
            "$5\r\nflags\r\n*1\r\n+optional\r\n$9\r\narguments\r\n*2\r\n"
            "*6\r\n$4\r\nname\r\n$2\r\nnx\r\n$4\r\ntype\r\n$10\r\npure-token\r\n"
            "$5\r\ntoken\r\n$2\r\nNX\r\n"
            "*6\r\n$4\r\nname\r\n$2\r\nxx\r\n$4\r\ntype\r\n$10\r\npure-token\r\n"
            "$5\r\ntoken\r\n$2\r\nXX\r\n"
            "*6\r\n$4\r\nname\r\n$2\r\nid\r\n$4\r\ntype\r\n$7\r\ninteger\r\n"
            "$5\r\nflags\r\n*2\r\n+optional\r\n+multiple\r\n");
}

}  // namespace
}  // namespace quorate
