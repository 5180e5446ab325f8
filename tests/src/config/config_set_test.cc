// CONFIG SET: the error texts are those of redis-server 7.0.15.
#include <gtest/gtest.h>

#include "src/config/config.h"
#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

using Settings = std::vector<std::pair<std::string_view, std::string_view>>;

TEST(ConfigSet, ChangesWhatMayChange) {
  Config config = ParseGood({});
  const Settings settings = {{"timeout", "30"},
                             {"MAXCLIENTS", "5"},
                             {"loglevel", "debug"},
                             {"request-timeout", "100"},
                             {"tcp-keepalive", "0"},
                             {"protected-mode", "no"},
                             {"client-output-buffer-limit", "normal 1mb 2 3"}};
  EXPECT_EQ(ConfigSet(config, settings), std::nullopt);
  EXPECT_EQ(config.timeout_seconds, 30u);
  EXPECT_EQ(config.maxclients, 5u);
  EXPECT_EQ(config.loglevel, LogLevel::kDebug);
  EXPECT_EQ(config.request_timeout_ms, 100u);
  EXPECT_EQ(config.tcp_keepalive_seconds, 0u);
  EXPECT_FALSE(config.protected_mode);
  EXPECT_EQ(config.client_output_buffer_limit, (OutputBufferLimit{1 << 20, 2, 3}));
}

// A server that was started before may have its members from its data folder.
TEST(ConfigSet, LeavesTheMembersAlone) {
  Config config = ParseGood({});
  config.members = {{1, "a", 7001, 17001}, {2, "b", 7002, 17002}};
  const std::vector<Member> members = config.members;
  EXPECT_EQ(ConfigSet(config, Settings{{"timeout", "30"}}), std::nullopt);
  EXPECT_EQ(config.members, members);
}

// Tools set these to what they are in Quorate anyway.
TEST(ConfigSet, AcceptsTheOneValueOfAFixedDirective) {
  Config config = ParseGood({});
  EXPECT_EQ(ConfigSet(config, Settings{{"save", ""}, {"appendonly", "yes"}}), std::nullopt);
  EXPECT_EQ(ConfigSet(config, Settings{{"appendonly", "no"}}),
            "ERR CONFIG SET failed (possibly related to argument 'appendonly') - only 'yes' is "
            "possible: every write is on disk before it is acknowledged");
  EXPECT_EQ(ConfigSet(config, Settings{{"requirepass", "secret"}}),
            "ERR CONFIG SET failed (possibly related to argument 'requirepass') - a password is "
            "not supported by this version");
}

struct Refusal {
  Settings settings;
  std::string error;
};

TEST(ConfigSet, RefusalsChangeNothing) {
  const std::vector<Refusal> refusals = {
      {{{"foo", "1"}}, "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
      {{{"timeout", "5"}, {"nope", "3"}},
       "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"},
      {{{"maxclients", "0"}, {"nope", "3"}},
       "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"},
      {{{"Databases", "3"}},
       "ERR CONFIG SET failed (possibly related to argument 'Databases') - can't set "
       "immutable config"},
      {{{"timeout", "7"}, {"port", "7001"}},
       "ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable "
       "config"},
      {{{"timeout", "7"}, {"MAXCLIENTS", "0"}},
       "ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument must "
       "be between 1 and 4294967295 inclusive"},
      {{{"timeout", "1"}, {"timeout", "2"}},
       "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate "
       "parameter"},
      {{{"loglevel", "foo"}},
       "ERR CONFIG SET failed (possibly related to argument 'loglevel') - argument(s) must "
       "be one of the following: debug, verbose, notice, warning"},
      {{{"client-output-buffer-limit", "normal 1 2"}},
       "ERR CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') "
       "- Wrong number of arguments in buffer limit configuration."}};
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.error);
    Config config = ParseGood({});
    EXPECT_EQ(ConfigSet(config, refusal.settings), refusal.error);
    EXPECT_EQ(config, ParseGood({}));
  }
}

}  // namespace
}  // namespace quorate
