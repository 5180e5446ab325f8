// A configuration file may hold any bytes: the answer is a Config or an error, never a crash. To
// repeat one failure:
//   QUORATE_SEED=<seed> config_tests --gtest_filter='ConfigFuzz.*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "src/config/config_directives.h"
#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

constexpr uint64_t kRuns = 3000;
constexpr uint64_t kFirstSeed = 1;

// Of all that a line is made of, and of what it is not.
std::string RandomWord(std::mt19937_64& random) {
  static const std::vector<std::string> kWords = {
      "include",  "",           "yes",   "no",      "0",        "1",
      "-1",       "7001",       "65536", "16mb",    "1gb",      "99999999999999999999",
      "\"",       "'",          "\\x00", "\"a b\"", "#",        "normal",
      "1=h:7001", ",",          "@",     "[::1]:1", "2=h:7002", "\r",
      "\t",       "1=h:6379@1", "debug", "*"};
  switch (random() % 4) {
    case 0:
      return std::string(Directives()[random() % Directives().size()].name);
    case 1: {
      std::string bytes(random() % 12, '\0');
      std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
      return bytes;
    }
    default:
      return kWords[random() % kWords.size()];
  }
}

std::string RandomFile(std::mt19937_64& random) {
  std::string text;
  const size_t lines = 1 + random() % 4;
  for (size_t i = 0; i < lines; ++i) {
    const size_t words = 1 + random() % 5;
    for (size_t j = 0; j < words; ++j) {
      // Reading files by random names, such as a pipe's, would not end.
      std::string word = RandomWord(random);
      text += (word == "include" ? "port" : word) + (random() % 8 == 0 ? "" : " ");
    }
    text += "\n";
  }
  return text;
}

// What a server would go on with is sound, whatever it came from.
void CheckSound(const Config& config) {
  EXPECT_GE(config.port, 1);
  EXPECT_FALSE(config.bind.empty());
  EXPECT_FALSE(config.dir.empty());
  EXPECT_GE(config.election_timeout_ms,
            config.heartbeat_interval_ms * kElectionTimeoutPerHeartbeat);
  EXPECT_GT(config.client_query_buffer_limit_bytes, config.proto_max_bulk_len);
  ASSERT_FALSE(config.members.empty());
  EXPECT_EQ(config.self().id, config.node_id);
  // Only who listens on all addresses does not know which of them to announce.
  if (std::ranges::none_of(config.bind, &BindAddress::is_wildcard)) {
    EXPECT_FALSE(config.self().host.empty());
  }
  EXPECT_GE(config.self().peer_port, 1);
}

void CheckResult(const CommandLine& result) {
  if (const Config* config = std::get_if<Config>(&result)) {
    CheckSound(*config);
  } else {
    ASSERT_TRUE(std::holds_alternative<ConfigError>(result));
    EXPECT_FALSE(std::get<ConfigError>(result).reason.empty());
  }
}

void CheckFile(std::mt19937_64& random) { CheckResult(Parse({"-"}, RandomFile(random))); }

// On the command line quotes mean nothing, and every byte but NUL gets through.
void CheckFlags(std::mt19937_64& random) {
  std::vector<std::string> arguments;
  const size_t flags = 1 + random() % 3;
  for (size_t i = 0; i < flags; ++i) {
    arguments.push_back("--" + std::string(Directives()[random() % Directives().size()].name));
    arguments.push_back(RandomWord(random));
  }
  CheckResult(Parse(arguments));
}

void ForEachSeed(void (*check)(std::mt19937_64&)) {
  const char* const only = std::getenv("QUORATE_SEED");
  const uint64_t first = only == nullptr ? kFirstSeed : std::strtoull(only, nullptr, 10);
  const uint64_t count = only == nullptr ? kRuns : 1;
  for (uint64_t seed = first; seed < first + count && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("QUORATE_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    check(random);
  }
}

TEST(ConfigFuzz, AnyFileGivesASoundConfigOrAnError) { ForEachSeed(CheckFile); }

TEST(ConfigFuzz, AnyFlagsGiveASoundConfigOrAnError) { ForEachSeed(CheckFlags); }

}  // namespace
}  // namespace quorate
