// The second judge must be right, too: orders of the log that explain what clients saw, and ones
// that do not.
#include "tests/simulation/log_order.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "consensus/types.h"
#include "resp/request_parser.h"
#include "src/requests/batch.h"

namespace quorate::simulation {
namespace {

using Keys = std::vector<uint32_t>;
using Values = std::vector<ValueId>;

// Keys 0 and 1; each operation on a connection of its own, unless told otherwise.
class Story {
 public:
  size_t Mset(uint64_t invoked, uint64_t completed, Keys keys, Values values) {
    return Add(CommandKind::kMset, invoked, completed, std::move(keys), std::move(values));
  }
  size_t Mget(uint64_t invoked, uint64_t completed, Values found) {
    const size_t id = Add(CommandKind::kMget, invoked, completed, {0, 1}, {});
    operations_[id].found = std::move(found);
    return id;
  }
  size_t Counting(CommandKind kind, uint64_t invoked, uint64_t completed, int64_t count) {
    const size_t id = Add(kind, invoked, completed, {0, 1}, {});
    operations_[id].count = count;
    return id;
  }
  size_t Add(CommandKind kind, uint64_t invoked, uint64_t completed, Keys keys, Values values) {
    Operation operation;
    operation.id = operations_.size();
    operation.connection = operation.id;
    operation.kind = kind;
    operation.keys = std::move(keys);
    operation.values = std::move(values);
    operation.outcome = completed == 0 ? Outcome::kUnknown : Outcome::kDone;
    operation.invoked = invoked;
    operation.completed = completed;
    operations_.push_back(operation);
    return operation.id;
  }
  Operation& at(size_t id) { return operations_[id]; }
  // Empty: all is explained.
  std::string Judge(const std::vector<size_t>& log) const {
    return CheckLogOrder(operations_, log, 2);
  }

 private:
  std::vector<Operation> operations_;
};

TEST(LogOrder, ExplainsWholeReads) {
  Story story;
  const size_t first = story.Mset(1, 10, {0, 1}, {1, 2});
  const size_t second = story.Mset(2, 9, {0, 1}, {3, 4});
  story.Mget(3, 4, {0, 0});
  story.Mget(5, 6, {1, 2});
  story.Mget(7, 8, {3, 4});
  EXPECT_EQ(story.Judge({first, second}), "");
  EXPECT_NE(story.Judge({second, first}), "");
}

TEST(LogOrder, RefusesHalfAnMset) {
  Story story;
  const size_t first = story.Mset(1, 2, {0, 1}, {1, 2});
  const size_t second = story.Mset(3, 10, {0, 1}, {3, 4});
  story.Mget(4, 5, {3, 2});
  EXPECT_NE(story.Judge({first, second}), "");
}

TEST(LogOrder, RefusesReadsThatGoBack) {
  Story story;
  const size_t write = story.Mset(1, 10, {0, 1}, {1, 2});
  story.Mget(2, 3, {1, 2});
  const size_t later = story.Mget(4, 5, {0, 0});
  EXPECT_NE(story.Judge({write}), "");
  story.at(later).invoked = 2;  // before the other has returned
  EXPECT_EQ(story.Judge({write}), "");
}

TEST(LogOrder, RefusesAReadThatForgetsWhatItsConnectionSaw) {
  Story story;
  const size_t write = story.Mset(1, 10, {0, 1}, {1, 2});
  const size_t first = story.Mget(2, 4, {1, 2});
  const size_t second = story.Mget(3, 5, {0, 0});
  EXPECT_EQ(story.Judge({write}), "");
  story.at(second).connection = story.at(first).connection;
  EXPECT_NE(story.Judge({write}), "");
}

TEST(LogOrder, RefusesWritesThatAreLostDoubledOrRefused) {
  Story story;
  const size_t write = story.Mset(1, 2, {0}, {1});
  EXPECT_EQ(story.Judge({write}), "");
  EXPECT_NE(story.Judge({}), "");
  EXPECT_NE(story.Judge({write, write}), "");
  story.at(write).outcome = Outcome::kNotExecuted;
  EXPECT_EQ(story.Judge({}), "");
  EXPECT_NE(story.Judge({write}), "");
  story.at(write).outcome = Outcome::kUnknown;
  EXPECT_EQ(story.Judge({}), "");
  EXPECT_EQ(story.Judge({write}), "");
}

TEST(LogOrder, RefusesWritesInAnotherOrderThanTimes) {
  Story story;
  const size_t first = story.Mset(1, 2, {0}, {1});
  const size_t second = story.Mset(3, 0, {0}, {2});  // of unknown outcome
  EXPECT_EQ(story.Judge({first, second}), "");
  EXPECT_NE(story.Judge({second, first}), "");
}

TEST(LogOrder, HoldsCountsOfKeysToTheLog) {
  Story story;
  const size_t write = story.Mset(1, 2, {0}, {1});
  const size_t remove = story.Counting(CommandKind::kDel, 3, 4, 1);
  const size_t exists = story.Counting(CommandKind::kExists, 5, 6, 0);
  EXPECT_EQ(story.Judge({write, remove}), "");
  story.at(remove).count = 2;
  EXPECT_NE(story.Judge({write, remove}), "");
  story.at(remove).count = 1;
  story.at(exists).count = 1;
  EXPECT_NE(story.Judge({write, remove}), "");
}

TEST(LogOrder, HoldsConditionalWritesToTheLog) {
  Story story;
  const size_t write = story.Mset(1, 2, {0}, {1});
  const size_t conditional = story.Add(CommandKind::kSetNx, 3, 4, {0}, {2});
  const size_t exchange = story.Add(CommandKind::kSetXxGet, 5, 6, {0}, {3});
  story.at(exchange).found = {1};
  EXPECT_EQ(story.Judge({write, conditional, exchange}), "");
  story.at(conditional).count = 1;
  EXPECT_NE(story.Judge({write, conditional, exchange}), "");
  story.at(conditional).count = 0;
  story.at(exchange).found = {2};
  EXPECT_NE(story.Judge({write, conditional, exchange}), "");
}

TEST(LogOrder, FindsTheOperationsInTheLog) {
  Story story;
  const size_t write = story.Mset(1, 2, {0, 1}, {1, 2});
  const size_t remove = story.Counting(CommandKind::kDel, 3, 4, 2);
  const size_t set = story.Add(CommandKind::kSetNxGet, 5, 6, {1}, {3});
  std::vector<Operation> operations;
  BatchBuilder builder;
  const resp::Limits limits;
  for (const size_t id : {remove, set, write}) {
    resp::RequestParser parser(&limits);
    const std::string bytes = Encode(story.at(id), 100);
    ASSERT_EQ(parser.Parse(bytes), resp::RequestParser::Status::kRequest);
    builder.Add(parser.request());
  }
  const std::vector<consensus::Payload> batches = {consensus::Payload(builder.Finish(1, 1))};
  for (const size_t id : {write, remove, set}) operations.push_back(story.at(id));
  EXPECT_EQ(WritesIn(batches, operations), (std::vector<size_t>{remove, set, write}));
  operations.pop_back();
  EXPECT_EQ(WritesIn(batches, operations), std::nullopt);
}

}  // namespace
}  // namespace quorate::simulation
