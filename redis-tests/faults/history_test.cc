// That the checks of what clients saw can fail: each of these histories has one thing wrong in it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "redis-tests/faults/counter_check.h"
#include "redis-tests/faults/judge.h"
#include "redis-tests/faults/pauses.h"
#include "redis-tests/faults/workload.h"

namespace quorate::redis_tests {

namespace {

constexpr uint64_t kNever = CounterOperation::kNever;
constexpr uint32_t kPair = Workload::kFirstPair;
constexpr uint32_t kCounter = Workload::kFirstCounter;

// --- Counters ---

CounterOperation Incr(uint64_t call, uint64_t ret, int64_t result) {
  return {call, ret, call, true, result};
}
CounterOperation Get(uint64_t call, uint64_t ret, int64_t result) {
  return {call, ret, call, false, result};
}

bool Mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(CheckCounter, AcceptsAnyOrderOfConcurrentIncrements) {
  EXPECT_EQ(CheckCounter({Incr(1, 10, 2), Incr(2, 9, 1), Get(3, 8, 1), Get(4, 7, 0)}), "");
}

TEST(CheckCounter, AcceptsUnknownIncrementsThatHappenedOrDidNot) {
  EXPECT_EQ(CheckCounter({Incr(1, kNever, 0), Incr(2, 3, 1), Get(4, 5, 1)}), "");
  EXPECT_EQ(CheckCounter({Incr(1, kNever, 0), Incr(2, 3, 1), Get(4, 5, 1), Get(6, 7, 2)}), "");
}

TEST(CheckCounter, FindsTwoIncrementsWithOneResult) {
  EXPECT_PRED2(Mentions, CheckCounter({Incr(1, 2, 1), Incr(3, 4, 1)}), "two INCRs");
}

TEST(CheckCounter, FindsALostIncrement) {
  EXPECT_NE(CheckCounter({Incr(1, 2, 1), Get(3, 4, 0)}), "");
}

TEST(CheckCounter, FindsAnIncrementThatNobodySent) {
  EXPECT_NE(CheckCounter({Incr(1, 2, 2)}), "");
  EXPECT_NE(CheckCounter({Incr(1, 2, 1), Get(3, 4, 2)}), "");
}

// An INCR that was called after a value was seen cannot have made it.
TEST(CheckCounter, FindsAnEffectBeforeItsCall) {
  EXPECT_NE(CheckCounter({Get(1, 2, 1), Incr(3, 4, 1)}), "");
  EXPECT_NE(CheckCounter({Get(1, 2, 1), Incr(3, kNever, 0)}), "");
}

TEST(CheckCounter, FindsAReadThatGoesBack) {
  EXPECT_NE(CheckCounter({Incr(1, 20, 1), Get(2, 3, 1), Get(4, 5, 0)}), "");
}

TEST(CheckCounter, FindsRepliesOutOfOrderOnAConnection) {
  std::vector<CounterOperation> pipeline = {Incr(1, 10, 2), Incr(2, 11, 1)};
  EXPECT_EQ(CheckCounter(pipeline), "");
  pipeline[0].connection = pipeline[1].connection = 7;
  EXPECT_PRED2(Mentions, CheckCounter(pipeline), "same connection");
}

// --- Whole histories, from requests and replies ---

class Histories : public ::testing::Test {
 protected:
  static Request Make(CommandKind kind, uint32_t key, ValueId value = 0) {
    Request request;
    request.operation.kind = kind;
    request.operation.keys = {key};
    if (value != 0) {
      request.operation.values = {value};
    }
    return request;
  }
  static Request Increment() {
    Request request = Make(CommandKind::kGet, kCounter);
    request.increments = true;
    return request;
  }

  // Calls it and completes it at once, on a connection of its own. Returns what was wrong with the
  // reply by itself.
  std::string Add(Request request, const Reply& reply) {
    request.operation.invoked = workload_.NextMoment();
    request.operation.connection = request.operation.invoked;
    std::string wrong = workload_.Complete(reply, &request);
    requests_.push_back(std::move(request));
    return wrong;
  }
  std::vector<std::string> Violations() const { return Judge(requests_).violations; }

  Workload workload_{"r0:", true};
  std::vector<Request> requests_;
};

TEST_F(Histories, AcceptsWhatARightServerAnswers) {
  EXPECT_EQ(Add(Make(CommandKind::kSet, 0, 1), Status("OK")), "");
  EXPECT_EQ(Add(Make(CommandKind::kGet, 0), Text("v1")), "");
  EXPECT_EQ(Add(Make(CommandKind::kSetNx, 0, 2), Nil()), "");
  EXPECT_EQ(Add(Make(CommandKind::kSetGet, 0, 3), Text("v1")), "");
  EXPECT_EQ(Add(Make(CommandKind::kDel, 0), Integer(1)), "");
  EXPECT_EQ(Add(Make(CommandKind::kExists, 0), Integer(0)), "");
  EXPECT_EQ(Add(Make(CommandKind::kSet, kPair, 4), Status("OK")), "");
  EXPECT_EQ(Add(Make(CommandKind::kGet, kPair), Array({Text("v4"), Text("v4")})), "");
  EXPECT_EQ(Add(Make(CommandKind::kDel, kPair), Integer(2)), "");
  EXPECT_EQ(Add(Increment(), Integer(1)), "");
  EXPECT_EQ(Add(Make(CommandKind::kGet, kCounter), Text("1")), "");
  EXPECT_EQ(Violations(), std::vector<std::string>{});
}

TEST_F(Histories, FindsALostAcknowledgedWrite) {
  Add(Make(CommandKind::kSet, 0, 1), Status("OK"));
  Add(Make(CommandKind::kGet, 0), Nil());
  EXPECT_FALSE(Violations().empty());
}

TEST_F(Histories, FindsAStaleRead) {
  Add(Make(CommandKind::kSet, 0, 1), Status("OK"));
  Add(Make(CommandKind::kSet, 0, 2), Status("OK"));
  Add(Make(CommandKind::kGet, 0), Text("v1"));
  EXPECT_FALSE(Violations().empty());
}

TEST_F(Histories, FindsTheEffectOfWhatWasNotExecuted) {
  for (const char* error : {"MOVED 1 127.0.0.1:7000", "CLUSTERDOWN The cluster is down"}) {
    requests_.clear();
    EXPECT_EQ(Add(Make(CommandKind::kSet, 0, 1), Error(error)), "");
    Add(Make(CommandKind::kGet, 0), Text("v1"));
    EXPECT_FALSE(Violations().empty()) << error;
  }
}

TEST_F(Histories, AllowsWhatIsUnknownToHaveHappenedOrNot) {
  Add(Make(CommandKind::kSet, 0, 1), Error("UNKNOWN it may have been executed"));
  Add(Make(CommandKind::kGet, 0), Nil());
  Add(Make(CommandKind::kSet, 1, 2), NoReply("closed"));
  Add(Make(CommandKind::kGet, 1), Text("v2"));
  Add(Increment(), NoReply("closed"));
  Add(Increment(), Integer(2));
  EXPECT_EQ(Violations(), std::vector<std::string>{});
}

TEST_F(Histories, FindsAnIncrementThatHappenedTwice) {
  Add(Increment(), Integer(1));
  Add(Increment(), Integer(3));
  EXPECT_FALSE(Violations().empty());
}

TEST_F(Histories, FindsHalfAPair) {
  EXPECT_NE(Add(Make(CommandKind::kGet, kPair), Array({Text("v1"), Text("v2")})), "");
  EXPECT_NE(Add(Make(CommandKind::kGet, kPair), Array({Text("v1"), Nil()})), "");
  EXPECT_NE(Add(Make(CommandKind::kDel, kPair), Integer(1)), "");
}

TEST_F(Histories, FindsRepliesOfTheWrongKind) {
  EXPECT_NE(Add(Make(CommandKind::kGet, 0), Text("something else")), "");
  EXPECT_NE(Add(Make(CommandKind::kGet, 0), Error("ERR no")), "");
  EXPECT_NE(Add(Make(CommandKind::kSet, 0, 1), Nil()), "");
  EXPECT_NE(Add(Make(CommandKind::kDel, 0), Integer(2)), "");
  EXPECT_NE(Add(Increment(), Status("OK")), "");
}

// --- Pauses ---

Clock::time_point At(int time_ms) { return Clock::time_point(std::chrono::milliseconds(time_ms)); }

TEST(Pauses, CountTheLongestTimeWithoutAWrite) {
  const std::vector<CompletedWrite> writes = {{At(5), 1}, {At(20), 1}, {At(90), 2}, {At(95), 2}};
  EXPECT_EQ(LongestPause(writes, At(10), At(100)), std::chrono::milliseconds(70));
  EXPECT_EQ(LongestPause(writes, At(30), At(100)), std::chrono::milliseconds(60));
  EXPECT_EQ(LongestPause(writes, At(10), At(300)), std::chrono::milliseconds(205));
  EXPECT_EQ(LongestPause({}, At(10), At(30)), std::chrono::milliseconds(20));
}

TEST(Pauses, CountFromTheFaultToTheFirstWriteByAnotherNode) {
  const std::vector<CompletedWrite> writes = {{At(5), 2}, {At(20), 1}, {At(90), 2}};
  EXPECT_EQ(FirstWriteElsewhere(writes, At(10), 1), std::chrono::milliseconds(80));
  EXPECT_LT(FirstWriteElsewhere(writes, At(95), 1).count(), 0);
}

TEST(Pauses, PercentilesAreThoseOfTheValuesThemselves) {
  Distribution distribution;
  for (const int time_ms : {30, 10, 20, 40}) {
    distribution.Add(std::chrono::milliseconds(time_ms));
  }
  EXPECT_EQ(distribution.PercentileMs(50), 20);
  EXPECT_EQ(distribution.PercentileMs(90), 40);
  EXPECT_EQ(distribution.PercentileMs(100), 40);
}

}  // namespace

}  // namespace quorate::redis_tests
