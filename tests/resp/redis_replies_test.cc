// What Redis 7.0.15 replies to the bytes on the left, recorded from a server with
// proto-max-bulk-len 16mb. It closed the connection after each reply that is a protocol error, and
// after no other. The parser and the reply writer must do the same, however the bytes are cut.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_writer.h"
#include "tests/resp/received.h"

namespace quorate::resp {
namespace {

using std::string_literals::operator""s;

struct Row {
  std::string input;
  std::string replies;
};

std::string Many(char byte, size_t length) { return std::string(length, byte); }

// The part of Redis that makes arguments visible: PING, ECHO, and the error for unknown commands,
// which lists them.
void Execute(const std::vector<std::string>& arguments, ReplyWriter* writer) {
  const std::string& name = arguments[0];
  const bool is_ping = name == "PING" || name == "ping";
  if (is_ping && arguments.size() == 1) {
    writer->SimpleString("PONG");
  } else if ((is_ping || name == "ECHO") && arguments.size() == 2) {
    writer->BulkString(arguments[1]);
  } else if (is_ping || name == "ECHO") {
    writer->Error("ERR wrong number of arguments for '"s + (is_ping ? "ping" : "echo") +
                  "' command");
  } else {
    std::string text =
        "ERR unknown command '" + name.substr(0, 128) + "', with args beginning with: ";
    for (size_t i = 1; i < arguments.size(); ++i) {
      text += "'" + arguments[i] + "' ";
    }
    writer->Error(text);
  }
}

std::string Replies(const Received& received) {
  std::string replies;
  ReplyWriter writer(Protocol::kResp2, &replies);
  for (const std::vector<std::string>& request : received.requests) {
    Execute(request, &writer);
  }
  if (!received.error.empty()) {
    writer.Error(received.error);
  }
  return replies;
}

void Expect(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE("input: " + ::testing::PrintToString(row.input.substr(0, 100)));
    const Received whole = ReceiveWhole(row.input);
    EXPECT_EQ(Replies(whole), row.replies);
    EXPECT_TRUE(ReceiveByteByByte(row.input) == whole);
    EXPECT_TRUE(ReceiveInPieces(row.input, 1) == whole);
  }
}

TEST(RedisReplies, InlineRequests) {
  Expect({
      {""s, ""s},
      {"\r\n"s, ""s},
      {"\n"s, ""s},
      {"\n\nPING\n"s, "+PONG\r\n"s},
      {"\r\n\r\nPING\r\n"s, "+PONG\r\n"s},
      {"PING\n"s, "+PONG\r\n"s},
      {"PING\r\n"s, "+PONG\r\n"s},
      {"  PING  \r\n"s, "+PONG\r\n"s},
      {"\tPING\t\r\n"s, "+PONG\r\n"s},
      {"\013PING\r\n"s, "+PONG\r\n"s},
      {"PING\013\r\n"s, "-ERR unknown command 'PING\013', with args beginning with: \r\n"s},
      {"PING\013x y\r\n"s, "-ERR unknown command 'PING\013x', with args beginning with: 'y' \r\n"s},
      {"ECHO a\014b\r\n"s, "$3\r\na\014b\r\n"s},
      {"\r\r\n"s, ""s},
      {"\rPING\r\r\n"s, "+PONG\r\n"s},
      {"PING\rx\r\n"s, "$1\r\nx\r\n"s},
      {" \r\nPING\r\n"s, "+PONG\r\n"s},
      {"ECHO \"a b\"\r\n"s, "$3\r\na b\r\n"s},
      {"ECHO \"a\\x41\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n"s, "$10\r\naA\n\r\t\010\007\\\"q\r\n"s},
      {"ECHO 'a\\'b\\n'\r\n"s, "$5\r\na'b\\n\r\n"s},
      {"ECHO 'it\"s'\r\n"s, "$4\r\nit\"s\r\n"s},
      {"ECHO \"it's\"\r\n"s, "$4\r\nit's\r\n"s},
      {"ECHO foo\"bar\"\r\n"s, "$6\r\nfoobar\r\n"s},
      {"ECHO foo\"bar\" x\r\n"s, "-ERR wrong number of arguments for 'echo' command\r\n"s},
      {"ECHO \"foo\"bar\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO \"foo\"\013\r\n"s, "$3\r\nfoo\r\n"s},
      {"ECHO \"foo\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO 'foo\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO 'foo'bar\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO \"foo\"\"bar\"\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO \"\"\r\n"s, "$0\r\n\r\n"s},
      {"\"\"\r\n"s, "-ERR unknown command '', with args beginning with: \r\n"s},
      {"ECHO ''\r\n"s, "$0\r\n\r\n"s},
      {"ECHO \"\\x4\"\r\n"s, "$2\r\nx4\r\n"s},
      {"ECHO \"\\xzz\"\r\n"s, "$3\r\nxzz\r\n"s},
      {"ECHO \"\\x00\\xff\"\r\n"s, "$2\r\n\0\377\r\n"s},
      {"ECHO \"\\\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO \"a\\\"\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO a\\nb\r\n"s, "$4\r\na\\nb\r\n"s},
      {"ECHO \\\"a b\\\"\r\n"s, "-ERR Protocol error: unbalanced quotes in request\r\n"s},
      {"ECHO \377\376\r\n"s, "$2\r\n\377\376\r\n"s},
      {"\"PI\"\r\n"s, "-ERR unknown command 'PI', with args beginning with: \r\n"s},
      {"\"PING\"\r\n"s, "+PONG\r\n"s},
      {"PING\0\r\n"s, ""s},
      {"PING\0\r\n"s + Many('x', 65536), "-ERR Protocol error: too big inline request\r\n"s},
      {"\0"s + Many('x', 65536), "-ERR Protocol error: too big inline request\r\n"s},
      {"PING\r\n\0PING\r\n"s, "+PONG\r\n"s},
      {Many('A', 65536), ""s},
      {Many('A', 65537), "-ERR Protocol error: too big inline request\r\n"s},
      {Many('A', 65536) + "\n"s,
       "-ERR unknown command '"s + Many('A', 128) + "', with args beginning with: \r\n"s},
      {"PING "s + Many('A', 65531) + "\n"s, "$65531\r\n"s + Many('A', 65531) + "\r\n"s},
      {"PING\r\nfoo"s, "+PONG\r\n"s},
      {"$4\r\nPING\r\n"s, "-ERR unknown command '$4', with args beginning with: \r\n+PONG\r\n"s},
      {"+OK\r\n"s, "-ERR unknown command '+OK', with args beginning with: \r\n"s},
      {":1\r\n"s, "-ERR unknown command ':1', with args beginning with: \r\n"s},
      {"-ERR x\r\n"s, "-ERR unknown command '-ERR', with args beginning with: 'x' \r\n"s},
  });
}

TEST(RedisReplies, CountLines) {
  Expect({
      {"*0\r\nPING\r\n"s, "+PONG\r\n"s},
      {"*-1\r\nPING\r\n"s, "+PONG\r\n"s},
      {"*-10\r\nPING\r\n"s, "+PONG\r\n"s},
      {"*-2147483649\r\nPING\r\n"s, "+PONG\r\n"s},
      {"*-9223372036854775808\r\nPING\r\n"s, "+PONG\r\n"s},
      {"*-9223372036854775809\r\nPING\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*"s, ""s},
      {"*1"s, ""s},
      {"*1\r"s, ""s},
      {"*1\r\n"s, ""s},
      {"*+1\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*01\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*00\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*-0\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*-\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"* 1\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*1 \r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*1x\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*a\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*-a\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*1\n$4\nPING\n"s, ""s},
      {"*1\n$4\r\nPING\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*2147483647\r\n"s, ""s},
      {"*2147483648\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*4294967296\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*4294967297\r\n$4\r\nPING\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*9223372036854775807\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*9223372036854775808\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*18446744073709551617\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*999999999999999999\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*20000000000000000000000\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*"s + Many('1', 65535), ""s},
      {"*"s + Many('1', 65536), "-ERR Protocol error: too big mbulk count string\r\n"s},
      {"*"s + Many('1', 100) + "\r\n"s, "-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*1\0\r\n$4\r\nPING\r\n"s, ""s},
      {"*\0\r\n"s, ""s},
      {"*\0"s + Many('x', 65536), "-ERR Protocol error: too big mbulk count string\r\n"s},
      {"*1\0"s + Many('x', 65536), "-ERR Protocol error: too big mbulk count string\r\n"s},
  });
}

TEST(RedisReplies, BetweenArguments) {
  Expect({
      {"*1\rX$4\r\nPING\r\n"s, "+PONG\r\n"s},
      {"*1\r\r$4\r\nPING\r\n"s, "+PONG\r\n"s},
      {"*1\r\n$4\rXPING\r\n"s, "+PONG\r\n"s},
      {"*1\r\n$4\r\nPINGXYPING\r\n"s, "+PONG\r\n+PONG\r\n"s},
      {"*1\r\n$4\r\nPING\nPING\r\n"s,
       "+PONG\r\n-ERR unknown command 'ING', with args beginning with: \r\n"s},
      {"*2\r\n$4\r\nECHO..$3\r\nfoo--PING\r\n"s, "$3\r\nfoo\r\n+PONG\r\n"s},
      {"*1\r\n$4\r\nPING"s, ""s},
      {"*1\r\n$4\r\nPING\r"s, ""s},
      {"*1\r\nPING\r\n"s, "-ERR Protocol error: expected '$', got 'P'\r\n"s},
      {"*1\r\n:4\r\nPING\r\n"s, "-ERR Protocol error: expected '$', got ':'\r\n"s},
      {"*1\r\n*1\r\n$4\r\nPING\r\n"s, "-ERR Protocol error: expected '$', got '*'\r\n"s},
      {"*1\r\n\r\n"s, "-ERR Protocol error: expected '$', got ' '\r\n"s},
      {"*1\r\n\n\r\n"s, "-ERR Protocol error: expected '$', got ' '\r\n"s},
      {"*1\r\n\377\r\n"s, "-ERR Protocol error: expected '$', got '\377'\r\n"s},
      {"*1\r\n\0\r\n"s, ""s},
      {"*1\r\n'\r\n"s, "-ERR Protocol error: expected '$', got '''\r\n"s},
      {"*1\r\nx"s, ""s},
      {"*1\r\nx\r"s, ""s},
      {"*2\r\n$4\r\nECHO\r\nfoo\r\n"s, "-ERR Protocol error: expected '$', got 'f'\r\n"s},
      {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n"s,
       "-ERR Protocol error: expected '$', got 'f'\r\n"s},
      {"*1\r\n$4\r\n\r\n\r\n\r\n"s, "-ERR unknown command '    ', with args beginning with: \r\n"s},
  });
}

TEST(RedisReplies, LengthLines) {
  Expect({
      {"*1\r\n$\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$-1\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$-0\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$+4\r\nPING\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$04\r\nPING\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$ 4\r\nPING\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$4 \r\nPING\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$4x\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$blabla\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$0\r\n\r\n"s, "-ERR unknown command '', with args beginning with: \r\n"s},
      {"*1\r\n$00\r\n\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"s, "$0\r\n\r\n"s},
      {"*1\r\n$16777216\r\n"s, ""s},
      {"*1\r\n$16777217\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n"s,
       "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$9223372036854775807\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$9223372036854775808\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$-9223372036854775808\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$99999999999999999999999\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$999999999999999999\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
      {"*1\r\n$"s + Many('1', 65535), ""s},
      {"*1\r\n$"s + Many('1', 65536), "-ERR Protocol error: too big bulk count string\r\n"s},
      {"*1\r\n"s + Many('x', 65537), "-ERR Protocol error: too big bulk count string\r\n"s},
      {"*1\r\n$4\0\r\nPING\r\n"s, ""s},
      {"*1\r\n$\0"s + Many('x', 65536), "-ERR Protocol error: too big bulk count string\r\n"s},
      {"*1\r\n\0"s + Many('x', 65536), "-ERR Protocol error: too big bulk count string\r\n"s},
      {"*1\r\n$4\nPING\r\n"s, "-ERR Protocol error: invalid bulk length\r\n"s},
  });
}

TEST(RedisReplies, Pipelines) {
  Expect({
      {"*2\r\n$4\r\nECHO\r\n$6\r\n\0\r\n*1\377\r\nPING\r\n"s, "$6\r\n\0\r\n*1\377\r\n+PONG\r\n"s},
      {"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n"s,
       "+PONG\r\n+PONG\r\n+PONG\r\n"s},
      {"PING\r\n*1\r\n$4\r\nPING\r\nPING\n*0\r\n\r\n*1\r\n$4\r\nping\r\n*x\r\nPING\r\n"s,
       "+PONG\r\n+PONG\r\n+PONG\r\n+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"s},
      {"*1\r\n$4\r\nPING\r\n\r\n\r\n*-1\r\n*0\r\nECHO hi\r\n"s, "+PONG\r\n$2\r\nhi\r\n"s},
      {"*1\r\n$4\r\nPING\r\n$4\r\nPING\r\n"s,
       "+PONG\r\n-ERR unknown command '$4', with args beginning with: \r\n+PONG\r\n"s},
      {"*4\r\n$4\r\nPING\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"s,
       "-ERR wrong number of arguments for 'ping' command\r\n"s},
      {"*2\r\n$3\r\nfoo\r\n$3\r\nb\r\n\r\n"s,
       "-ERR unknown command 'foo', with args beginning with: 'b  ' \r\n"s},
  });
}

}  // namespace
}  // namespace quorate::resp
