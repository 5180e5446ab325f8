#include "resp/reply_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

namespace quorate::resp {
namespace {

using std::string_view_literals::operator""sv;

// What `write` appends, in one protocol.
std::string Written(Protocol protocol, const std::function<void(ReplyWriter*)>& write) {
  std::string output = "before";
  ReplyWriter writer(protocol, &output);
  EXPECT_EQ(writer.protocol(), protocol);
  write(&writer);
  EXPECT_TRUE(output.starts_with("before"));
  return output.substr(6);
}

void ExpectReplies(const std::function<void(ReplyWriter*)>& write, std::string_view resp2,
                   std::string_view resp3) {
  EXPECT_EQ(Written(Protocol::kResp2, write), resp2);
  EXPECT_EQ(Written(Protocol::kResp3, write), resp3);
}

void ExpectInBoth(const std::function<void(ReplyWriter*)>& write, std::string_view reply) {
  ExpectReplies(write, reply, reply);
}

TEST(ReplyWriter, SimpleString) {
  ExpectInBoth([](ReplyWriter* writer) { writer->SimpleString("OK"); }, kReplyOk);
  ExpectInBoth([](ReplyWriter* writer) { writer->SimpleString("PONG"); }, kReplyPong);
  ExpectInBoth([](ReplyWriter* writer) { writer->SimpleString("QUEUED"); }, kReplyQueued);
  ExpectInBoth([](ReplyWriter* writer) { writer->SimpleString(""); }, "+\r\n");
}

TEST(ReplyWriter, ErrorIsOneLineWhateverItsText) {
  ExpectInBoth([](ReplyWriter* writer) { writer->Error("ERR syntax error"); },
               "-ERR syntax error\r\n");
  ExpectInBoth([](ReplyWriter* writer) { writer->Error("MOVED 12182 127.0.0.1:7001"); },
               "-MOVED 12182 127.0.0.1:7001\r\n");
  ExpectInBoth([](ReplyWriter* writer) { writer->Error("ERR a\r\nb\nc\rd\r\n+OK\r\n"); },
               "-ERR a  b c d  +OK  \r\n");
  ExpectInBoth([](ReplyWriter* writer) { writer->Error("ERR \0\xff"sv); }, "-ERR \0\xff\r\n"sv);
}

TEST(ReplyWriter, Integer) {
  ExpectInBoth([](ReplyWriter* writer) { writer->Integer(0); }, kReplyZero);
  ExpectInBoth([](ReplyWriter* writer) { writer->Integer(1); }, kReplyOne);
  ExpectInBoth([](ReplyWriter* writer) { writer->Integer(-12345); }, ":-12345\r\n");
  ExpectInBoth([](ReplyWriter* writer) { writer->Integer(std::numeric_limits<int64_t>::max()); },
               ":9223372036854775807\r\n");
  ExpectInBoth([](ReplyWriter* writer) { writer->Integer(std::numeric_limits<int64_t>::min()); },
               ":-9223372036854775808\r\n");
}

TEST(ReplyWriter, BulkStringOfAnyBytesAndEveryLengthAroundTheShortOnes) {
  ExpectInBoth([](ReplyWriter* writer) { writer->BulkString(""); }, kReplyEmptyBulk);
  ExpectInBoth([](ReplyWriter* writer) { writer->BulkString(std::string_view()); },
               kReplyEmptyBulk);
  ExpectInBoth([](ReplyWriter* writer) { writer->BulkString("\0\r\n\xff"sv); },
               "$4\r\n\0\r\n\xff\r\n"sv);
  for (size_t length = 0; length < 1100; ++length) {
    const std::string bytes(length, 'x');
    ExpectInBoth([&](ReplyWriter* writer) { writer->BulkString(bytes); },
                 "$" + std::to_string(length) + "\r\n" + bytes + "\r\n");
  }
}

TEST(ReplyWriter, Nulls) {
  ExpectReplies([](ReplyWriter* writer) { writer->Null(); }, "$-1\r\n", "_\r\n");
  ExpectReplies([](ReplyWriter* writer) { writer->NullArray(); }, "*-1\r\n", "_\r\n");
}

// The digits are those that Redis 7.0.15 replies to ZSCORE and DEBUG PROTOCOL DOUBLE.
TEST(ReplyWriter, DoubleHasSeventeenDigits) {
  const auto write = [](double value) {
    return [value](ReplyWriter* writer) { writer->Double(value); };
  };
  ExpectReplies(write(3.141), "$5\r\n3.141\r\n", ",3.141\r\n");
  ExpectReplies(write(0.1), "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n");
  ExpectReplies(write(3), "$1\r\n3\r\n", ",3\r\n");
  ExpectReplies(write(1e300), "$23\r\n1.0000000000000001e+300\r\n", ",1.0000000000000001e+300\r\n");
  ExpectReplies(write(123456789.125), "$13\r\n123456789.125\r\n", ",123456789.125\r\n");
  ExpectReplies(write(1e16), "$17\r\n10000000000000000\r\n", ",10000000000000000\r\n");
  ExpectReplies(write(1e17), "$5\r\n1e+17\r\n", ",1e+17\r\n");
  ExpectReplies(write(0.0001), "$6\r\n0.0001\r\n", ",0.0001\r\n");
  ExpectReplies(write(0.00001), "$22\r\n1.0000000000000001e-05\r\n", ",1.0000000000000001e-05\r\n");
}

TEST(ReplyWriter, DoubleAtItsLimits) {
  using Limits = std::numeric_limits<double>;
  const auto write = [](double value) {
    return [value](ReplyWriter* writer) { writer->Double(value); };
  };
  ExpectReplies(write(Limits::infinity()), "$3\r\ninf\r\n", ",inf\r\n");
  ExpectReplies(write(-Limits::infinity()), "$4\r\n-inf\r\n", ",-inf\r\n");
  ExpectReplies(write(Limits::quiet_NaN()), "$3\r\nnan\r\n", ",nan\r\n");
  ExpectReplies(write(-Limits::quiet_NaN()), "$3\r\nnan\r\n", ",nan\r\n");
  ExpectReplies(write(-Limits::max()), "$24\r\n-1.7976931348623157e+308\r\n",
                ",-1.7976931348623157e+308\r\n");
  ExpectReplies(write(-Limits::denorm_min()), "$24\r\n-4.9406564584124654e-324\r\n",
                ",-4.9406564584124654e-324\r\n");
}

TEST(ReplyWriter, Boolean) {
  ExpectReplies([](ReplyWriter* writer) { writer->Boolean(true); }, ":1\r\n", "#t\r\n");
  ExpectReplies([](ReplyWriter* writer) { writer->Boolean(false); }, ":0\r\n", "#f\r\n");
}

TEST(ReplyWriter, VerbatimString) {
  ExpectReplies(
      [](ReplyWriter* writer) { writer->VerbatimString("txt", "This is a verbatim\nstring"); },
      "$25\r\nThis is a verbatim\nstring\r\n", "=29\r\ntxt:This is a verbatim\nstring\r\n");
  ExpectReplies([](ReplyWriter* writer) { writer->VerbatimString("mkd", ""); }, "$0\r\n\r\n",
                "=4\r\nmkd:\r\n");
}

TEST(ReplyWriter, Aggregates) {
  ExpectInBoth([](ReplyWriter* writer) { writer->Array(0); }, kReplyEmptyArray);
  ExpectInBoth([](ReplyWriter* writer) { writer->Array(3); }, "*3\r\n");
  ExpectReplies([](ReplyWriter* writer) { writer->Map(7); }, "*14\r\n", "%7\r\n");
  ExpectReplies([](ReplyWriter* writer) { writer->Set(3); }, "*3\r\n", "~3\r\n");
  ExpectReplies([](ReplyWriter* writer) { writer->Push(2); }, "*2\r\n", ">2\r\n");
}

TEST(ReplyWriter, AppendsOneReplyAfterTheOther) {
  ExpectReplies(
      [](ReplyWriter* writer) {
        writer->Map(1);
        writer->BulkString("proto");
        writer->Integer(3);
        writer->Raw(kReplyOk);
        writer->Null();
      },
      "*2\r\n$5\r\nproto\r\n:3\r\n+OK\r\n$-1\r\n", "%1\r\n$5\r\nproto\r\n:3\r\n+OK\r\n_\r\n");
}

}  // namespace
}  // namespace quorate::resp
