// That a parser's result does not depend on how the bytes are cut, for any bytes; and that its cost
// is linear.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"
#include "tests/resp/received.h"

namespace quorate::resp {
namespace {

using std::string_view_literals::operator""sv;
using Status = RequestParser::Status;

// Text near the protocol: pieces of requests, whole and damaged, and the bytes that matter to the
// parser.
std::string RandomInput(std::mt19937_64* random) {
  static const std::vector<std::string_view> kFragments = {
      "\r\n",
      "\n",
      "\r",
      "*1\r\n",
      "*2\r\n",
      "*3\r\n",
      "*0\r\n",
      "*-1\r\n",
      "$4\r\nPING\r\n",
      "$3\r\nSET\r\n",
      "$0\r\n\r\n",
      "$-1\r\n",
      "$40\r\n",
      "PING\r\n",
      "GET key\n",
      "ECHO ",
      "\"",
      "'",
      "\\",
      "\\x41",
      " ",
      "\t",
      "a",
      "*",
      "$",
      "1",
      "9",
      "0",
      "-",
      "+",
      "\0"sv,
      "\xff",
      "*1\r\n$4\r\nPING\r\n",
      "*2\r\n$3\r\nGET\r\n$11\r\n\r\n*1\r\n$1\r\nx\r\n"};
  std::string input;
  const size_t fragments = 1 + (*random)() % 20;
  for (size_t i = 0; i < fragments; ++i) {
    // Mostly whole requests, or hardly any input would get beyond its first error.
    const size_t weight = (*random)() % 3;
    const size_t first = weight == 0 ? 0 : kFragments.size() - 2;
    input += kFragments[first + (*random)() % (kFragments.size() - first)];
    if ((*random)() % 16 == 0) {
      input[(*random)() % input.size()] = static_cast<char>((*random)());
    }
  }
  return input;
}

TEST(RequestPieces, DoNotMatterForRandomInputNearTheProtocol) {
  size_t requests = 0;
  size_t errors = 0;
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    std::mt19937_64 random(seed);
    const std::string input = RandomInput(&random);
    const Received whole = ReceiveWhole(input);
    requests += whole.requests.size();
    errors += whole.error.empty() ? 0 : 1;
    ASSERT_EQ(ReceiveByteByByte(input), whole) << "seed " << seed;
    ASSERT_EQ(ReceiveInPieces(input, seed), whole) << "seed " << seed;
    ASSERT_EQ(ReceiveInPieces(input, seed + 1), whole) << "seed " << seed;
  }
  // Both happen often enough for the comparison to mean something.
  EXPECT_GT(requests, 10000U);
  EXPECT_GT(errors, 1000U);
}

TEST(RequestPieces, DoNotMatterForRandomBytes) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    std::string input(1 + random() % 200, '\0');
    for (char& byte : input) {
      byte = static_cast<char>(random());
    }
    if (random() % 2 == 0) {
      input[0] = '*';
    }
    const Received whole = ReceiveWhole(input);
    ASSERT_EQ(ReceiveByteByByte(input), whole) << "seed " << seed;
    ASSERT_EQ(ReceiveInPieces(input, seed), whole) << "seed " << seed;
  }
}

TEST(RequestPieces, DoNotMatterForMegabytesOfPipelinedRequests) {
  std::string input;
  size_t requests = 0;
  while (input.size() < 2000000) {
    const std::string key = "key:" + std::to_string(requests * 7919);
    input += "*3\r\n$3\r\nSET\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n$64\r\n" +
             std::string(64, 'v') + "\r\nGET " + key + "\r\n";
    requests += 2;
  }
  for (const std::vector<size_t>& piece_sizes :
       {std::vector<size_t>{input.size()}, {65536}, {1, 1000, 17, 4096}, {16384, 1}}) {
    Limits limits;
    RequestParser parser(&limits);
    std::string buffer;
    size_t offset = 0;
    size_t found = 0;
    for (size_t i = 0; offset < input.size(); ++i) {
      const size_t bytes = std::min(piece_sizes[i % piece_sizes.size()], input.size() - offset);
      buffer.append(input, offset, bytes);
      offset += bytes;
      std::string_view rest = buffer;
      while (parser.Parse(rest) == Status::kRequest) {
        const std::string key = "key:" + std::to_string(found / 2 * 2 * 7919);
        ASSERT_EQ(parser.request().arguments.size(), found % 2 == 0 ? 3U : 2U);
        ASSERT_EQ(parser.request().arguments[1], key);
        ++found;
        rest.remove_prefix(parser.consumed());
      }
      rest.remove_prefix(parser.consumed());
      buffer.erase(0, buffer.size() - rest.size());
    }
    EXPECT_EQ(found, requests);
    EXPECT_EQ(buffer, "");
  }
}

// The linearity tests give a prefix that grows by one byte a call. Work in each call that is
// proportional to the prefix would make them take hours.
Status ParseGrowingPrefixes(RequestParser* parser, std::string_view input, size_t step) {
  Status status = Status::kNeedMore;
  for (size_t bytes = step; bytes < input.size(); bytes += step) {
    status = parser->Parse(input.substr(0, bytes));
    if (status != Status::kNeedMore) {
      return status;
    }
    EXPECT_EQ(parser->consumed(), 0U);
  }
  return parser->Parse(input);
}

TEST(Linearity, ALargeArgumentByteByByte) {
  Limits limits;
  const size_t length = limits.bulk_bytes_max;
  const std::string input = "*2\r\n$4\r\nECHO\r\n$" + std::to_string(length) + "\r\n" +
                            std::string(length, '\r') + "\r\n";
  for (const size_t step : {size_t{1}, size_t{65536}}) {
    RequestParser parser(&limits);
    ASSERT_EQ(ParseGrowingPrefixes(&parser, input, step), Status::kRequest);
    EXPECT_EQ(parser.request().arguments[1].size(), length);
    EXPECT_EQ(parser.consumed(), input.size());
  }
}

TEST(Linearity, AMillionArgumentsByteByByte) {
  const size_t count = 1000000;
  std::string input = "*" + std::to_string(count) + "\r\n";
  for (size_t i = 0; i < count; ++i) {
    input += "$1\r\nx\r\n";
  }
  Limits limits;
  RequestParser parser(&limits);
  ASSERT_EQ(ParseGrowingPrefixes(&parser, input, 1), Status::kRequest);
  EXPECT_EQ(parser.request().arguments.size(), count);
}

TEST(Linearity, ALongInlineRequestByteByByte) {
  Limits limits;
  limits.inline_bytes_max = 8000000;
  const std::string input = std::string(limits.inline_bytes_max, 'x') + "\n";
  RequestParser parser(&limits);
  EXPECT_EQ(ParseGrowingPrefixes(&parser, input, 1), Status::kRequest);
}

// A zero byte makes a line endless, as in Redis, and must not make it costly.
TEST(Linearity, ALineThatNeverEndsByteByByte) {
  Limits limits;
  limits.inline_bytes_max = 8000000;
  for (const std::string_view start : {"\0"sv, "*\0"sv, "*1\r\n$\0"sv}) {
    const std::string input = std::string(start) + std::string(limits.inline_bytes_max, '\n');
    RequestParser parser(&limits);
    EXPECT_EQ(ParseGrowingPrefixes(&parser, input, 1), Status::kError);
  }
}

TEST(Linearity, AMillionSkippedRequestsAtOnce) {
  std::string input;
  for (size_t i = 0; i < 1000000; ++i) {
    input += "\r\n*0\r\n*-1\r\n";
  }
  Limits limits;
  RequestParser parser(&limits);
  EXPECT_EQ(parser.Parse(input), Status::kNeedMore);
  EXPECT_EQ(parser.consumed(), input.size());
}

}  // namespace
}  // namespace quorate::resp
