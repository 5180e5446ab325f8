#include "src/requests/batch.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace quorate {
namespace {

TEST(Batch, HoldsRequestsAsTheyCameAndInlineOnesAsRequests) {
  resp::Limits limits;
  resp::RequestParser parser(&limits);
  BatchBuilder builder;
  const std::string request = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
  ASSERT_EQ(parser.Parse(request), resp::RequestParser::Status::kRequest);
  builder.Add(parser.request());
  ASSERT_EQ(parser.Parse("DEL a\r\n"), resp::RequestParser::Status::kRequest);
  builder.Add(parser.request());
  EXPECT_EQ(builder.command_count(), 2u);

  const std::string payload = builder.Finish(-5, 0xfedcba9876543210);
  const auto batch = DecodeBatch(payload);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->header, (BatchHeader{-5, 0xfedcba9876543210, 2}));
  EXPECT_EQ(batch->commands, request + "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n");
  EXPECT_EQ(builder.command_count(), 0u) << "the builder begins anew";
  EXPECT_EQ(builder.commands(), "");
}

TEST(Batch, IsTakenApartIntoItsCommands) {
  BatchCommands commands;
  commands.Parse("*2\r\n$3\r\nDEL\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$1\r\n1\r\n", 2);
  using Expected = std::vector<std::string_view>;
  ASSERT_EQ(commands.size(), 2U);
  EXPECT_EQ(Expected(commands[0].begin(), commands[0].end()), (Expected{"DEL", "a"}));
  EXPECT_EQ(Expected(commands[1].begin(), commands[1].end()), (Expected{"SET", "", "1"}));
  commands.Parse("*1\r\n$7\r\nFLUSHDB\r\n", 1);
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_EQ(Expected(commands[0].begin(), commands[0].end()), (Expected{"FLUSHDB"}));
}

TEST(Batch, RefusesWhatIsNoBatch) {
  EXPECT_FALSE(DecodeBatch(""));
  EXPECT_FALSE(DecodeBatch(std::string(20, '\1')));
  std::string payload = BatchBuilder().Finish(1, 2);
  EXPECT_TRUE(DecodeBatch(payload));
  payload[0] = 2;  // a version of the future
  EXPECT_FALSE(DecodeBatch(payload));
}

TEST(Batch, CommandsOfABatchGetDifferentSeeds) {
  std::set<uint64_t> seeds;
  for (uint32_t position = 0; position < 1000; ++position) seeds.insert(CommandSeed(7, position));
  EXPECT_EQ(seeds.size(), 1000u);
  EXPECT_EQ(CommandSeed(7, 3), CommandSeed(7, 3));
}

}  // namespace
}  // namespace quorate
