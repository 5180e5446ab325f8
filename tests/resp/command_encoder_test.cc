#include "resp/command_encoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/resp/received.h"

namespace quorate::resp {
namespace {

using std::string_view_literals::operator""sv;

std::string Encode(const std::vector<std::string_view>& arguments) {
  std::string output;
  AppendCommand(arguments, &output);
  EXPECT_EQ(EncodedCommandBytes(arguments), output.size());
  return output;
}

TEST(AppendCommand, WritesAnArrayOfBulkStrings) {
  EXPECT_EQ(Encode({"PING"}), "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(Encode({"SET", "", "\r\n\0\xff"sv}),
            "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n\0\xff\r\n"sv);
}

TEST(AppendCommand, AppendsToWhatIsThere) {
  std::string output = "before";
  const std::vector<std::string_view> arguments = {"PING"};
  AppendCommand(arguments, &output);
  EXPECT_EQ(output, "before*1\r\n$4\r\nPING\r\n");
}

TEST(EncodedCommandBytes, CountsDigitsAtEveryPowerOfTen) {
  for (const size_t length : {0, 1, 9, 10, 11, 99, 100, 999, 1000, 9999, 10000, 99999, 100000}) {
    Encode({"SET", "key", std::string(length, 'x')});
    Encode(std::vector<std::string_view>(length + 1, "x"));
  }
}

// What is encoded is what the parser finds, in the same bytes.
TEST(AppendCommand, IsReadBackByTheParser) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Received expected;
    std::string log;
    for (size_t i = 0; i < 20; ++i) {
      std::vector<std::string> arguments(1 + random() % 8);
      for (std::string& argument : arguments) {
        argument.resize(random() % 4 == 0 ? random() % 3000 : random() % 12);
        for (char& byte : argument) {
          byte = static_cast<char>(random());
        }
      }
      expected.raws.push_back(Encode({arguments.begin(), arguments.end()}));
      expected.inlines.push_back(false);
      log += expected.raws.back();
      expected.requests.push_back(std::move(arguments));
    }
    EXPECT_EQ(ReceiveWhole(log), expected);
    EXPECT_EQ(ReceiveInPieces(log, seed), expected);
  }
}

}  // namespace
}  // namespace quorate::resp
