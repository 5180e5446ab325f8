#include "resp/request_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/resp/received.h"

namespace quorate::resp {
namespace {

using std::string_view_literals::operator""sv;
using Arguments = std::vector<std::string>;
using Status = RequestParser::Status;

Arguments ArgumentsOf(const RequestParser& parser) {
  return Arguments(parser.request().arguments.begin(), parser.request().arguments.end());
}

// All of `input` at once, with these limits: the error, or "" if there is none.
std::string ErrorWith(const Limits& limits, std::string_view input, bool unauthenticated = false) {
  std::string errors[2];
  for (const size_t piece_bytes : {input.size(), size_t{1}}) {
    RequestParser parser(&limits);
    parser.set_unauthenticated(unauthenticated);
    errors[piece_bytes == 1 ? 1 : 0] = Receive(&parser, input, {piece_bytes}).error;
  }
  EXPECT_EQ(errors[0], errors[1]) << "whole, and byte by byte";
  return errors[0];
}

TEST(RequestParser, ReadsAnArrayOfBulkStrings) {
  const Received received = ReceiveWhole("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$6\r\n\0\r\n*\xff.\r\n"sv);
  EXPECT_EQ(received.requests,
            std::vector<Arguments>({{"SET", "", std::string("\0\r\n*\xff.", 6)}}));
  EXPECT_EQ(received.error, "");
  EXPECT_EQ(received.left, "");
}

TEST(RequestParser, ReadsAnInlineCommand) {
  const Received received = ReceiveWhole(" SET key 'a value'\r\nPING\n");
  EXPECT_EQ(received.requests, std::vector<Arguments>({{"SET", "key", "a value"}, {"PING"}}));
  EXPECT_EQ(received.error, "");
}

TEST(RequestParser, SaysWhichBytesARequestCameIn) {
  const Received received = ReceiveWhole("\r\n*1\r\n$4\r\nPING\r\n*0\r\nGET a\r\n\nGET b\n*");
  EXPECT_EQ(received.raws,
            std::vector<std::string>({"*1\r\n$4\r\nPING\r\n", "GET a\r\n", "GET b\n"}));
  EXPECT_EQ(received.inlines, std::vector<bool>({false, true, true}));
  EXPECT_EQ(received.left, "*");
}

TEST(RequestParser, PointsIntoTheBuffer) {
  Limits limits;
  RequestParser parser(&limits);
  const std::string input = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\nGET k\r\n";
  ASSERT_EQ(parser.Parse(input), Status::kRequest);
  EXPECT_EQ(parser.request().arguments[0].data(), input.data() + 8);
  EXPECT_EQ(parser.request().arguments[1].data(), input.data() + 17);
  EXPECT_EQ(parser.request().raw.data(), input.data());
  EXPECT_EQ(parser.consumed(), 20U);
  ASSERT_EQ(parser.Parse(std::string_view(input).substr(20)), Status::kRequest);
  EXPECT_EQ(parser.request().arguments[0].data(), input.data() + 20);
  EXPECT_EQ(parser.request().arguments[1].data(), input.data() + 24);
}

TEST(RequestParser, CountsWhatItSkipsAsConsumedBeforeTheRequestIsThere) {
  Limits limits;
  RequestParser parser(&limits);
  EXPECT_EQ(parser.Parse("\r\n\n  \r\n*0\r\n*-1\r\n*1\r\n$4\r\nPI"), Status::kNeedMore);
  EXPECT_EQ(parser.consumed(), 16U);
  EXPECT_EQ(parser.Parse("*1\r\n$4\r\nPING\r"), Status::kNeedMore);
  EXPECT_EQ(parser.consumed(), 0U);
  EXPECT_EQ(parser.Parse("*1\r\n$4\r\nPING\r\n"), Status::kRequest);
  EXPECT_EQ(ArgumentsOf(parser), Arguments({"PING"}));
  EXPECT_EQ(parser.consumed(), 14U);
  EXPECT_EQ(parser.Parse(""), Status::kNeedMore);
  EXPECT_EQ(parser.consumed(), 0U);
}

TEST(RequestParser, WantsTheWholeArgumentOnceItsLengthIsKnown) {
  Limits limits;
  RequestParser parser(&limits);
  EXPECT_EQ(parser.Parse(""), Status::kNeedMore);
  EXPECT_EQ(parser.bytes_wanted(), 1U);
  std::string input = "*2\r\n$4\r\nECHO\r\n$1000";
  EXPECT_EQ(parser.Parse(input), Status::kNeedMore);
  EXPECT_EQ(parser.bytes_wanted(), input.size() + 1);
  input += "\r\n";
  const size_t total = input.size() + 1000 + 2;
  EXPECT_EQ(parser.Parse(input), Status::kNeedMore);
  EXPECT_EQ(parser.bytes_wanted(), total);
  input.append(1001, 'x');
  EXPECT_EQ(parser.Parse(input), Status::kNeedMore);
  EXPECT_EQ(parser.bytes_wanted(), total);
  input += "\n";
  EXPECT_EQ(parser.Parse(input), Status::kRequest);
  // What was skipped does not count: the caller has dropped it.
  EXPECT_EQ(parser.Parse("\r\n\r\n*1\r\n$10\r\nabc"), Status::kNeedMore);
  EXPECT_EQ(parser.bytes_wanted(), 9U + 12U);
}

TEST(RequestParser, ReadsRequestsOfEverySizeOneAfterTheOther) {
  std::string input;
  std::vector<Arguments> expected;
  for (const size_t count : {1, 300, 2, 1000, 0, 3, 257, 256, 255, 1, 2000, 1}) {
    input += "*" + std::to_string(count) + "\r\n";
    Arguments arguments;
    for (size_t i = 0; i < count; ++i) {
      arguments.push_back("argument" + std::to_string(i));
      input += "$" + std::to_string(arguments.back().size()) + "\r\n" + arguments.back() + "\r\n";
    }
    if (count > 0) {
      expected.push_back(arguments);
    }
    input += "ECHO \"" + std::string(count, 'q') + "\"\r\n";
    expected.push_back({"ECHO", std::string(count, 'q')});
  }
  EXPECT_EQ(ReceiveWhole(input).requests, expected);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(ReceiveInPieces(input, seed).requests, expected) << "seed " << seed;
  }
}

TEST(RequestParser, DoesNotLookAtTheTwoBytesAfterAnArgument) {
  const Received received = ReceiveWhole("*2\r\n$4\r\nECHO..$1\r\nxyz*1\r\n$4\r\nPING*1");
  EXPECT_EQ(received.requests, std::vector<Arguments>({{"ECHO", "x"}, {"PING"}}));
  EXPECT_EQ(received.raws[0], "*2\r\n$4\r\nECHO..$1\r\nxyz");
}

TEST(RequestParser, StaysInErrorAndGivesTheRequestsBeforeIt) {
  const Received received = ReceiveWhole("PING\r\n*x\r\nPING\r\n");
  EXPECT_EQ(received.requests, std::vector<Arguments>({{"PING"}}));
  EXPECT_EQ(received.error, "ERR Protocol error: invalid multibulk length");
}

TEST(RequestParser, TakesItsLimitsFromLimits) {
  Limits limits;
  limits.bulk_bytes_max = 5;
  limits.multibulk_count_max = 3;
  limits.inline_bytes_max = 32;
  EXPECT_EQ(ErrorWith(limits, "*3\r\n"), "");
  EXPECT_EQ(ErrorWith(limits, "*4\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(ErrorWith(limits, "*1\r\n$5\r\nhello\r\n"), "");
  EXPECT_EQ(ErrorWith(limits, "*1\r\n$6\r\n"), "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(ErrorWith(limits, std::string(32, 'x') + "\n"), "");
  EXPECT_EQ(ErrorWith(limits, std::string(33, 'x')), "ERR Protocol error: too big inline request");
  EXPECT_EQ(ErrorWith(limits, std::string(33, 'x') + "\n"),
            "ERR Protocol error: too big inline request");
  EXPECT_EQ(ErrorWith(limits, "*" + std::string(31, '1')), "");
  EXPECT_EQ(ErrorWith(limits, "*" + std::string(31, '1') + "\r\n"),
            "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(ErrorWith(limits, "*" + std::string(32, '1') + "\r\n"),
            "ERR Protocol error: too big mbulk count string");
  EXPECT_EQ(ErrorWith(limits, "*1\r\n$" + std::string(32, '1') + "\r\n"),
            "ERR Protocol error: too big bulk count string");
}

TEST(RequestParser, FollowsAChangeOfItsLimits) {
  Limits limits;
  RequestParser parser(&limits);
  ASSERT_EQ(parser.Parse("*1\r\n$5\r\nhello\r\n"), Status::kRequest);
  limits.bulk_bytes_max = 4;
  EXPECT_EQ(parser.Parse("*1\r\n$5\r\nhello\r\n"), Status::kError);
}

// Replies of Redis 7.0.15 with a password set, to a client that has not given it.
TEST(RequestParser, IsStricterBeforeAuthentication) {
  const Limits limits;
  const auto error = [&](std::string_view input) { return ErrorWith(limits, input, true); };
  EXPECT_EQ(error("*10\r\n"), "");
  EXPECT_EQ(error("*11\r\n"), "ERR Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(error("*011\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error("*2147483647\r\n"), "ERR Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(error("*2147483648\r\n"), "ERR Protocol error: invalid multibulk length");
  EXPECT_EQ(error("*-11\r\n*0\r\n"), "");
  EXPECT_EQ(error("*1\r\n$16384\r\n"), "");
  EXPECT_EQ(error("*1\r\n$16385\r\n"), "ERR Protocol error: unauthenticated bulk length");
  EXPECT_EQ(error("*1\r\n$16777217\r\n"), "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(error("*1\r\n$-1\r\n"), "ERR Protocol error: invalid bulk length");
  EXPECT_EQ(error("ECHO 1 2 3 4 5 6 7 8 9 10 11 " + std::string(20000, 'x') + "\r\n"), "");
}

TEST(RequestParser, TakesLargeRequestsAfterAuthentication) {
  Limits limits;
  RequestParser parser(&limits);
  parser.set_unauthenticated(true);
  ASSERT_EQ(parser.Parse("AUTH secret\r\n*11\r\n"), Status::kRequest);
  parser.set_unauthenticated(false);
  EXPECT_EQ(parser.Parse("*11\r\n"), Status::kNeedMore);
}

}  // namespace
}  // namespace quorate::resp
