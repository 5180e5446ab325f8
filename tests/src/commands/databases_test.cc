// FLUSHDB, FLUSHALL, SWAPDB, MOVE and DBSIZE, on a key space alone. SELECT is the connection's.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kNull = "$-1\r\n";
constexpr const char* kOne = "$3\r\none\r\n";
constexpr const char* kTwo = "$3\r\ntwo\r\n";

class Databases : public testing::Test {
 protected:
  Databases() {
    In(0, {"SET", "key", "one"});
    In(2, {"SET", "key", "two"});
  }
  std::string In(uint32_t database, const std::vector<std::string_view>& arguments) {
    runner_.Select(database);
    return runner_.Run(arguments);
  }
  std::string Run(const std::vector<std::string_view>& arguments) { return In(0, arguments); }

  KeySpaceRunner runner_;
};

TEST_F(Databases, FlushdbDeletesTheKeysOfItsOwn) {
  EXPECT_EQ(In(2, {"FLUSHDB"}), kOk);
  EXPECT_EQ(In(2, {"GET", "key"}), kNull);
  EXPECT_EQ(In(2, {"DBSIZE"}), ":0\r\n");
  EXPECT_EQ(In(0, {"GET", "key"}), kOne);
  EXPECT_EQ(In(0, {"flushdb", "async"}), kOk);
  EXPECT_EQ(In(0, {"DBSIZE"}), ":0\r\n");
  EXPECT_EQ(In(0, {"FLUSHDB", "SYNC"}), kOk);
}

TEST_F(Databases, FlushallDeletesAllKeys) {
  EXPECT_EQ(In(7, {"FLUSHALL"}), kOk);
  EXPECT_EQ(runner_.keys().key_count(), 0U);
  EXPECT_EQ(In(0, {"GET", "key"}), kNull);
  EXPECT_EQ(In(2, {"GET", "key"}), kNull);
  EXPECT_EQ(Run({"FLUSHALL", "ASYNC"}), kOk);
  EXPECT_EQ(Run({"FLUSHALL", "sync"}), kOk);
}

TEST_F(Databases, FlushesKnowTwoWords) {
  for (const char* command : {"FLUSHALL", "FLUSHDB"}) {
    EXPECT_EQ(Run({command, "NOW"}), "-ERR syntax error\r\n");
    EXPECT_EQ(Run({command, "ASYNC", "SYNC"}), "-ERR syntax error\r\n");
  }
  EXPECT_EQ(runner_.keys().key_count(), 2U);
}

TEST_F(Databases, SwapdbExchangesThem) {
  EXPECT_EQ(In(9, {"SWAPDB", "0", "2"}), kOk);
  EXPECT_EQ(In(0, {"GET", "key"}), kTwo);
  EXPECT_EQ(In(2, {"GET", "key"}), kOne);
  EXPECT_EQ(Run({"SWAPDB", "2", "15"}), kOk);
  EXPECT_EQ(In(2, {"GET", "key"}), kNull);
  EXPECT_EQ(In(15, {"GET", "key"}), kOne);
  EXPECT_EQ(Run({"SWAPDB", "15", "15"}), kOk);
  EXPECT_EQ(In(15, {"GET", "key"}), kOne);
}

TEST_F(Databases, SwapdbRefusesWhatIsNoDatabase) {
  EXPECT_EQ(Run({"SWAPDB", "x", "y"}), "-ERR invalid first DB index\r\n");
  EXPECT_EQ(Run({"SWAPDB", "2147483648", "0"}), "-ERR invalid first DB index\r\n");
  EXPECT_EQ(Run({"SWAPDB", "0", "1.5"}), "-ERR invalid second DB index\r\n");
  EXPECT_EQ(Run({"SWAPDB", "0", "16"}), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(Run({"SWAPDB", "-1", "0"}), "-ERR DB index is out of range\r\n");
}

TEST_F(Databases, MoveTakesAKeyAlong) {
  EXPECT_EQ(Run({"MOVE", "key", "1"}), ":1\r\n");
  EXPECT_EQ(In(0, {"GET", "key"}), kNull);
  EXPECT_EQ(In(1, {"GET", "key"}), kOne);
  EXPECT_EQ(In(0, {"DBSIZE"}), ":0\r\n");
  EXPECT_EQ(In(1, {"DBSIZE"}), ":1\r\n");
}

TEST_F(Databases, MoveLeavesWhatIsThere) {
  EXPECT_EQ(Run({"MOVE", "missing", "1"}), ":0\r\n");
  EXPECT_EQ(Run({"MOVE", "key", "2"}), ":0\r\n");
  EXPECT_EQ(In(0, {"GET", "key"}), kOne);
  EXPECT_EQ(In(2, {"GET", "key"}), kTwo);
}

TEST_F(Databases, MoveRefusesWhatIsNoOtherDatabase) {
  EXPECT_EQ(Run({"MOVE", "key", "x"}), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(Run({"MOVE", "key", "-2147483649"}),
            "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
  EXPECT_EQ(Run({"MOVE", "key", "16"}), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(Run({"MOVE", "key", "0"}), "-ERR source and destination objects are the same\r\n");
}

}  // namespace
}  // namespace quorate
