// GET, SET, MGET, MSET, STRLEN, DEL, EXISTS and DBSIZE, on a key space alone.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "resp/command_encoder.h"
#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kNull = "$-1\r\n";

std::string Bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string Integer(int64_t value) { return ":" + std::to_string(value) + "\r\n"; }

TEST(Strings, SetThenGet) {
  KeySpaceRunner runner;
  EXPECT_EQ(runner.Run({"GET", "a"}), kNull);
  EXPECT_EQ(runner.Run({"SET", "a", "1"}), kOk);
  EXPECT_EQ(runner.Run({"get", "a"}), Bulk("1"));
  EXPECT_EQ(runner.Run({"SET", "a", ""}), kOk);
  EXPECT_EQ(runner.Run({"GET", "a"}), Bulk(""));
  EXPECT_EQ(runner.Run({"SET", "", "empty key"}), kOk);
  EXPECT_EQ(runner.Run({"GET", ""}), Bulk("empty key"));
}

TEST(Strings, AreBinarySafe) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  KeySpaceRunner runner;
  EXPECT_EQ(runner.Run({"SET", all, all}), kOk);
  EXPECT_EQ(runner.Run({"GET", all}), Bulk(all));
  EXPECT_EQ(runner.Run({"STRLEN", all}), Integer(256));
}

// Every combination of NX, XX and GET, on a key that is there and on one that is not: the reply,
// and whether the value is written. As Redis 7.0.
TEST(Strings, SetOptions) {
  struct Case {
    std::vector<std::string_view> options;
    const char* reply_missing;
    bool written_missing;
    const char* reply_present;
    bool written_present;
  };
  const char* old = "$3\r\nold\r\n";
  const char* syntax = "-ERR syntax error\r\n";
  const std::vector<Case> cases = {
      {{}, kOk, true, kOk, true},
      {{"NX"}, kOk, true, kNull, false},
      {{"XX"}, kNull, false, kOk, true},
      {{"GET"}, kNull, true, old, true},
      {{"NX", "GET"}, kNull, true, old, false},
      {{"GET", "NX"}, kNull, true, old, false},
      {{"XX", "GET"}, kNull, false, old, true},
      {{"nx", "nx"}, kOk, true, kNull, false},
      {{"NX", "XX"}, syntax, false, syntax, false},
      {{"xx", "Nx"}, syntax, false, syntax, false},
      {{"NX", "GET", "XX"}, syntax, false, syntax, false},
      {{"FOO"}, syntax, false, syntax, false},
      {{""}, syntax, false, syntax, false},
      {{"NX", "NXX"}, syntax, false, syntax, false},
  };
  for (const Case& one : cases) {
    for (const bool present : {false, true}) {
      KeySpaceRunner runner;
      if (present) runner.Run({"SET", "k", "old"});
      std::vector<std::string_view> request = {"SET", "k", "new"};
      request.insert(request.end(), one.options.begin(), one.options.end());
      SCOPED_TRACE(testing::PrintToString(request) + (present ? ", present" : ", missing"));
      EXPECT_EQ(runner.Run(request), present ? one.reply_present : one.reply_missing);
      const bool written = present ? one.written_present : one.written_missing;
      EXPECT_EQ(runner.Run({"GET", "k"}), written ? Bulk("new") : present ? Bulk("old") : kNull);
    }
  }
}

TEST(Strings, SetRefusesOptionsOfLaterVersionsByName) {
  KeySpaceRunner runner;
  for (std::string_view option : {"EX", "PX", "EXAT", "PXAT"}) {
    EXPECT_EQ(runner.Run({"SET", "k", "v", option, "10"}),
              "-ERR SET option '" + std::string(option) +
                  "' is not supported by this version of Quorate\r\n");
    EXPECT_EQ(runner.Run({"SET", "k", "v", option}), "-ERR syntax error\r\n") << "without a time";
  }
  EXPECT_EQ(runner.Run({"SET", "k", "v", "NX", "ex", "10"}),
            "-ERR SET option 'EX' is not supported by this version of Quorate\r\n");
  EXPECT_EQ(runner.Run({"SET", "k", "v", "KEEPTTL"}),
            "-ERR SET option 'KEEPTTL' is not supported by this version of Quorate\r\n");
  EXPECT_EQ(runner.Run({"GET", "k"}), kNull);
}

TEST(Strings, SeveralKeysAtOnce) {
  KeySpaceRunner runner;
  EXPECT_EQ(runner.Run({"MSET", "a", "1", "b", "2", "a", "3"}), kOk);
  EXPECT_EQ(runner.Run({"MGET", "a", "x", "b", "a"}),
            "*4\r\n" + Bulk("3") + kNull + Bulk("2") + Bulk("3"));
  EXPECT_EQ(runner.Run({"MSET", "a", "1", "b"}),
            "-ERR wrong number of arguments for 'mset' command\r\n");
  EXPECT_EQ(runner.Run({"MSET", "a"}), "-ERR wrong number of arguments for 'mset' command\r\n");
}

TEST(Strings, Strlen) {
  KeySpaceRunner runner;
  runner.Run({"SET", "a", "12345"});
  EXPECT_EQ(runner.Run({"STRLEN", "a"}), Integer(5));
  EXPECT_EQ(runner.Run({"STRLEN", "x"}), Integer(0));
}

TEST(Keys, ExistsCountsEachTimeAndDelOnce) {
  KeySpaceRunner runner;
  runner.Run({"MSET", "a", "1", "b", "2", "c", "3"});
  EXPECT_EQ(runner.Run({"DBSIZE"}), Integer(3));
  EXPECT_EQ(runner.Run({"EXISTS", "a", "a", "x", "b"}), Integer(3));
  EXPECT_EQ(runner.Run({"DEL", "a", "a", "x", "b"}), Integer(2));
  EXPECT_EQ(runner.Run({"DEL", "a"}), Integer(0));
  EXPECT_EQ(runner.Run({"DBSIZE"}), Integer(1));
  EXPECT_EQ(runner.Run({"GET", "a"}), kNull);
}

TEST(Keys, TooLongOnesAreMissingForReads) {
  KeySpaceRunner runner;
  const std::string key(510, 'k');
  EXPECT_EQ(runner.Run({"GET", key}), kNull);
  EXPECT_EQ(runner.Run({"STRLEN", key}), Integer(0));
  EXPECT_EQ(runner.Run({"EXISTS", key}), Integer(0));
  EXPECT_EQ(runner.Run({"MGET", key}), std::string("*1\r\n") + kNull);
}

TEST(Keys, ReadsCountHitsAndMissesByKey) {
  KeySpaceRunner runner;
  runner.Run({"SET", "a", "1"});
  runner.Run({"SET", "a", "2", "GET"});
  EXPECT_EQ(runner.statistics().keyspace_hits + runner.statistics().keyspace_misses, 0U);
  runner.Run({"GET", "a"});
  runner.Run({"GET", "x"});
  runner.Run({"MGET", "a", "x", "a"});
  runner.Run({"EXISTS", "a", "x"});
  runner.Run({"STRLEN", "a"});
  EXPECT_EQ(runner.statistics().keyspace_hits, 5U);
  EXPECT_EQ(runner.statistics().keyspace_misses, 3U);
}

// What a command answers does not depend on whether the key lies in memory or in a checkpoint.
TEST(Keys, AnswerTheSameAfterACheckpoint) {
  KeySpaceRunner runner;
  runner.Run({"MSET", "a", "1", "b", "2"});
  runner.Checkpoint();
  EXPECT_EQ(runner.Run({"SET", "a", "x", "NX", "GET"}), Bulk("1"));
  EXPECT_EQ(runner.Run({"SET", "a", "x", "GET"}), Bulk("1"));
  EXPECT_EQ(runner.Run({"DEL", "b"}), Integer(1));
  EXPECT_EQ(runner.Run({"SET", "b", "y", "XX"}), kNull);
  EXPECT_EQ(runner.Run({"EXISTS", "a", "b"}), Integer(1));
}

// A map with the rules of Redis, as simple as can be.
class Model {
 public:
  std::string Run(const std::vector<std::string>& request) {
    const std::string& name = request[0];
    if (name == "GET") return Get(request[1]);
    if (name == "STRLEN") return Integer(Has(request[1]) ? values_[request[1]].size() : 0);
    if (name == "DBSIZE") return Integer(static_cast<int64_t>(values_.size()));
    if (name == "MSET") {
      for (size_t i = 1; i < request.size(); i += 2) values_[request[i]] = request[i + 1];
      return kOk;
    }
    if (name == "SET") return Set(request);
    int64_t count = 0;
    std::string replies = "*" + std::to_string(request.size() - 1) + "\r\n";
    for (size_t i = 1; i < request.size(); ++i) {
      replies += Get(request[i]);
      if (Has(request[i])) ++count;
      if (name == "DEL") values_.erase(request[i]);
    }
    return name == "MGET" ? replies : Integer(count);
  }

 private:
  bool Has(const std::string& key) const { return values_.count(key) > 0; }
  std::string Get(const std::string& key) { return Has(key) ? Bulk(values_[key]) : kNull; }
  std::string Set(const std::vector<std::string>& request) {
    bool nx = false;
    bool xx = false;
    bool get = false;
    for (size_t i = 3; i < request.size(); ++i) {
      nx = nx || request[i] == "NX";
      xx = xx || request[i] == "XX";
      get = get || request[i] == "GET";
    }
    if (nx && xx) return "-ERR syntax error\r\n";
    const std::string old = Get(request[1]);
    const bool write = !(nx && Has(request[1])) && !(xx && !Has(request[1]));
    if (write) values_[request[1]] = request[2];
    if (get) return old;
    return write ? kOk : kNull;
  }

  std::map<std::string, std::string> values_;
};

std::vector<std::string> RandomRequest(std::mt19937_64& random) {
  static const std::vector<std::string> kNames = {"GET",  "SET",  "DEL",    "EXISTS",
                                                  "MGET", "MSET", "STRLEN", "DBSIZE"};
  const auto key = [&] { return "k" + std::to_string(random() % 20); };
  const auto value = [&] { return std::string(random() % 12, static_cast<char>(random() % 256)); };
  std::vector<std::string> request = {kNames[random() % kNames.size()]};
  const std::string name = request[0];
  if (name == "DBSIZE") return request;
  const size_t keys =
      name == "DEL" || name == "EXISTS" || name == "MGET" || name == "MSET" ? 1 + random() % 4 : 1;
  for (size_t i = 0; i < keys; ++i) {
    request.push_back(key());
    if (name == "SET" || name == "MSET") request.push_back(value());
  }
  while (name == "SET" && random() % 2 == 0) {
    request.push_back(std::vector<std::string>{"NX", "XX", "GET"}[random() % 3]);
  }
  return request;
}

// The same requests, on a key space, on one that takes checkpoints at other moments, and on the
// model: the same replies, and in the end the same digest.
TEST(Keys, RandomRequestsAreAnsweredAsByAMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    KeySpaceRunner plain;
    KeySpaceRunner checkpointed;
    Model model;
    for (int round = 0; round < 500; ++round) {
      const std::vector<std::string> request = RandomRequest(random);
      const std::vector<std::string_view> views(request.begin(), request.end());
      const std::string expected = model.Run(request);
      ASSERT_EQ(plain.Run(views), expected)
          << "seed " << seed << ", round " << round << ": " << testing::PrintToString(request);
      ASSERT_EQ(checkpointed.Run(views), expected)
          << "seed " << seed << ", round " << round << ": " << testing::PrintToString(request);
      if (random() % 16 == 0) checkpointed.Checkpoint();
    }
    EXPECT_EQ(plain.keys().digest(), checkpointed.keys().digest()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace quorate
