// Directives one by one, and lines of a configuration file. The error texts are those of
// redis-server 7.0.15, but for what Quorate alone has.
#include "src/config/config.h"

#include <gtest/gtest.h>

#include <set>

#include "src/config/config_directives.h"
#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

constexpr char kBadDirective[] = "Bad directive or wrong number of arguments";
constexpr char kWrongNumber[] = "wrong number of arguments";
constexpr char kNoInteger[] = "argument couldn't be parsed into an integer";
constexpr char kNoMemory[] = "argument must be a memory value";
constexpr char kNoYesNo[] = "argument must be 'yes' or 'no'";

// What CONFIG GET says of one directive.
std::string Get(const Config& config, std::string_view name) {
  const auto values = ConfigGet(config, std::span(&name, 1));
  EXPECT_EQ(values.size(), 1u) << name;
  return values.empty() ? "" : values.front().second;
}

struct GoodLine {
  std::string line;
  std::string directive;
  std::string value;  // as CONFIG GET shows it
};

TEST(ConfigFile, GoodLinesSetTheirDirective) {
  const std::vector<GoodLine> lines = {
      {"port 7001", "port", "7001"},
      {"PORT 7001", "port", "7001"},
      {"  port\t7001 \r", "port", "7001"},
      {"port 55535", "port", "55535"},
      {"port \"7001\"", "port", "7001"},
      {"port '7001'", "port", "7001"},
      {"port \"\\x37\\x30\\x30\\x31\"", "port", "7001"},
      {"\"port\" 7001", "port", "7001"},
      {"bind 10.0.0.1", "bind", "10.0.0.1"},
      {"bind * -::*", "bind", "* -::*"},
      {"bind \"10.0.0.1 -::1\"", "bind", "10.0.0.1 -::1"},
      {"protected-mode no", "protected-mode", "no"},
      {"protected-mode YES", "protected-mode", "yes"},
      {"tcp-backlog 0", "tcp-backlog", "0"},
      {"tcp-keepalive 2147483647", "tcp-keepalive", "2147483647"},
      {"timeout 30", "timeout", "30"},
      {"maxclients 1", "maxclients", "1"},
      {"maxclients 4294967295", "maxclients", "4294967295"},
      {"proto-max-bulk-len 1048576", "proto-max-bulk-len", "1048576"},
      {"proto-max-bulk-len 1048576b", "proto-max-bulk-len", "1048576"},
      {"proto-max-bulk-len 1049k", "proto-max-bulk-len", "1049000"},
      {"proto-max-bulk-len 1024kb", "proto-max-bulk-len", "1048576"},
      {"proto-max-bulk-len 2m", "proto-max-bulk-len", "2000000"},
      {"proto-max-bulk-len 64MB", "proto-max-bulk-len", "67108864"},
      {"client-query-buffer-limit 1g", "client-query-buffer-limit", "1000000000"},
      {"client-query-buffer-limit 1Gb", "client-query-buffer-limit", "1073741824"},
      {"client-output-buffer-limit normal 0 0 0", "client-output-buffer-limit", "normal 0 0 0"},
      {"client-output-buffer-limit NORMAL 1mb 1k 9", "client-output-buffer-limit",
       "normal 1048576 1000 9"},
      {"client-output-buffer-limit \"normal 1 2 3\"", "client-output-buffer-limit", "normal 1 2 3"},
      {"request-timeout 100", "request-timeout", "100"},
      {"dir /var/lib/quorate/", "dir", "/var/lib/quorate/"},
      {"dir \"/var/my data\"", "dir", "/var/my data"},
      {"dir /var/./lib/../data", "dir", "/var/data"},
      {"loglevel debug", "loglevel", "debug"},
      {"loglevel Warning", "loglevel", "warning"},
      {"logfile /tmp/q.log", "logfile", "/tmp/q.log"},
      {"logfile \"\"", "logfile", ""},
      {"pidfile q.pid", "pidfile", "q.pid"},
      {"node-id 4294967295", "node-id", "4294967295"},
      {"initial-cluster-state new", "initial-cluster-state", "new"},
      {"initial-cluster-state EXISTING", "initial-cluster-state", "existing"},
      {"initial-cluster-token west", "initial-cluster-token", "west"},
      {"require-data yes", "require-data", "yes"},
      {"heartbeat-interval 100", "heartbeat-interval", "100"},
      {"election-timeout 150", "election-timeout", "150"},
      {"checkpoint-interval 10", "checkpoint-interval", "10"},
      {"appendonly yes", "appendonly", "yes"},
      {"save \"\"", "save", ""},
      {"databases 16", "databases", "16"},
      {"maxmemory 0", "maxmemory", "0"},
      {"maxmemory-policy noeviction", "maxmemory-policy", "noeviction"},
      {"dbfilename state-of-today", "dbfilename", "state-of-today"},
      {"cluster-enabled YES", "cluster-enabled", "yes"},
      {"requirepass \"\"", "requirepass", ""},
      {"daemonize no", "daemonize", "no"},
      {"supervised no", "supervised", "no"},
      {"replica-read-only yes", "replica-read-only", "yes"}};
  for (const GoodLine& line : lines) {
    SCOPED_TRACE(line.line);
    EXPECT_EQ(Get(ParseGood({"-"}, line.line), line.directive), line.value);
  }
}

struct BadLine {
  std::string line;
  std::string reason;
};

void ExpectRefused(const std::vector<BadLine>& lines) {
  for (const BadLine& line : lines) {
    SCOPED_TRACE(line.line);
    const ConfigError error = ParseBad({"-"}, "# comment\n" + line.line + "\nlogfile q.log\n");
    EXPECT_EQ(error.where, "Reading the configuration file, at line 2");
    EXPECT_EQ(error.quoted, line.line);
    EXPECT_EQ(error.reason, line.reason);
  }
}

TEST(ConfigFile, BadLinesAreRefusedWithTheReason) {
  ExpectRefused(
      {{"nonsense 1", kBadDirective},
       {"nonsense", kBadDirective},
       {"include", kBadDirective},
       {"include a b", kBadDirective},
       {"\"\" 1", kBadDirective},
       {"port", kWrongNumber},
       {"port 1 2", kWrongNumber},
       {"port 7001 # mine", kWrongNumber},
       {"save", kWrongNumber},
       {"bind", kWrongNumber},
       {"port \"7001", "Unbalanced quotes in configuration line"},
       {"port '7001", "Unbalanced quotes in configuration line"},
       {"port \"7001\"x", "Unbalanced quotes in configuration line"},
       {"port abc", kNoInteger},
       {"port \"\"", kNoInteger},
       {"port 0x10", kNoInteger},
       {"port +1", kNoInteger},
       {"port 07001", kNoInteger},
       {"port \" 7001\"", kNoInteger},
       {"port 7001.0", kNoInteger},
       {"maxclients 18446744073709551617", kNoInteger},
       {"port 99999", "argument must be between 0 and 65535 inclusive"},
       {"port -1", "argument must be between 0 and 65535 inclusive"},
       {"port 0", "port 0, a server without a port for clients, is not supported"},
       {"port 60000",
        "the port for peers would be the port plus 10000, above 65535: give one with cluster-port"},
       {"dbfilename a/b", "dbfilename can't be a path, just a filename"},
       {"dbfilename ..", "dbfilename can't be a path, just a filename"},
       {"dbfilename state.new", "'state.new' in the data folder is a name of the data itself"},
       {"dbfilename lock", "'lock' in the data folder is a name of the data itself"},
       {"maxclients 0", "argument must be between 1 and 4294967295 inclusive"},
       {"timeout -1", "argument must be between 0 and 2147483647 inclusive"},
       {"tcp-keepalive 2147483648", "argument must be between 0 and 2147483647 inclusive"},
       {"node-id -1", "argument must be between 0 and 4294967295 inclusive"},
       {"request-timeout 0", "argument must be between 1 and 3600000 inclusive"},
       {"heartbeat-interval 9", "argument must be between 10 and 60000 inclusive"},
       {"election-timeout 29", "argument must be between 30 and 3600000 inclusive"},
       {"checkpoint-interval 9", "argument must be between 10 and 3600000 inclusive"},
       {"proto-max-bulk-len 1zz", kNoMemory},
       {"proto-max-bulk-len -1", kNoMemory},
       {"proto-max-bulk-len mb", kNoMemory},
       {"proto-max-bulk-len \"\"", kNoMemory},
       {"proto-max-bulk-len \"1 mb\"", kNoMemory},
       {"proto-max-bulk-len 1.5mb", kNoMemory},
       {"proto-max-bulk-len 99999999999999999999", kNoMemory},
       {"proto-max-bulk-len 18446744073709551615gb", kNoMemory},
       {"proto-max-bulk-len 1k", "argument must be between 1048576 and 67108864 inclusive"},
       {"proto-max-bulk-len 65mb", "argument must be between 1048576 and 67108864 inclusive"},
       {"client-query-buffer-limit 16mb",
        "client-query-buffer-limit (16777216) must be at least proto-max-bulk-len "
        "(16777216) plus 65536"},
       {"protected-mode maybe", kNoYesNo},
       {"protected-mode 1", kNoYesNo},
       {"loglevel foo",
        "argument(s) must be one of the following: debug, verbose, notice, warning"},
       {"bind \"\"", "at least one address to listen on is needed"},
       {"bind 1.2.3.4 -", "'' is not an address to listen on"},
       {"bind 1.2.3.4 \"a b\"", "'a b' is not an address to listen on"},
       {"bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."},
       {"client-output-buffer-limit normal 1 2",
        "Wrong number of arguments in buffer limit configuration."},
       {"client-output-buffer-limit \"\"",
        "Wrong number of arguments in buffer limit configuration."},
       {"client-output-buffer-limit pubsub 1 2 3",
        "Invalid client class specified in buffer limit configuration. The only class is "
        "'normal'."},
       {"client-output-buffer-limit normal 1 x 3",
        "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
       {"client-output-buffer-limit normal 1 2 -3",
        "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
       {"dir \"\"", "argument must not be empty"},
       {"initial-cluster-token \"\"", "argument must not be empty"},
       {"initial-cluster-state old", "argument(s) must be one of the following: new, existing"},
       {"require-data maybe", "argument must be 'yes' or 'no'"},
       {"dir \"a\\x00b\"", "argument must not contain a NUL byte"},
       {"cluster-announce-ip \"a b\"",
        "'a b' is not a host name or an address that can be told to clients"},
       {"cluster-announce-ip 0.0.0.0",
        "'0.0.0.0' is not a host name or an address that can be told to clients"},
       {"bind a$b", "'a$b' is not a host name or an address that can be told to clients"},
       {"election-timeout 100",
        "election-timeout (100) must be at least 3 times heartbeat-interval (50)"},
       {"heartbeat-interval 167",
        "election-timeout (500) must be at least 3 times heartbeat-interval (167)"},
       {"include /nonexistent/x.conf",
        "can't open config file '/nonexistent/x.conf': No such file or directory"}});
}

// A directive of Redis that a user relies on is never accepted and ignored.
TEST(ConfigFile, WhatQuorateDoesNotHaveIsRefusedWithTheReason) {
  ExpectRefused(
      {{"appendonly no",
        "only 'yes' is possible: every write is on disk before it is acknowledged"},
       {"save 900 1",
        "only \"\" is possible: every write is on disk before it is acknowledged, and "
        "there are no scheduled dumps"},
       {"databases 1", "only '16' is possible: all nodes must have the same databases"},
       {"maxmemory 100mb", "a memory limit is not supported by this version"},
       {"maxmemory-policy allkeys-lru", "only 'noeviction' is possible: no key is ever evicted"},
       {"cluster-enabled no",
        "only 'yes' is possible: clients are always answered as by a cluster"},
       {"requirepass secret", "a password is not supported by this version"},
       {"daemonize yes", "daemonizing is not supported: use a service manager, or '&'"},
       {"supervised systemd", "only 'no' is supported: in a systemd unit, use Type=exec"},
       {"replica-read-only no", "only 'yes' is possible: writes go to the leader"}});
}

TEST(ConfigFile, CommentsAndEmptyLinesAreSkippedAndCounted) {
  const std::string text = "# port 1\n\n   \t\r\n  # port 2\nport 7001\nport x";
  EXPECT_EQ(ParseBad({"-"}, text).where, "Reading the configuration file, at line 6");
}

TEST(ConfigFile, LaterLinesReplaceEarlierOnes) {
  EXPECT_EQ(ParseGood({"-"}, "port 7001\nport 7002").port, 7002);
  EXPECT_EQ(ParseGood({"-"}, "bind 1.1.1.1 2.2.2.2\nbind 3.3.3.3").bind,
            (std::vector<BindAddress>{{"3.3.3.3", false}}));
}

// The line to look at is the one that was written, not a default that it does not agree with.
TEST(ConfigFile, AConflictNamesALineThatTookPart) {
  const ConfigError error = ParseBad({"-", "--election-timeout", "1000"}, "heartbeat-interval 900");
  EXPECT_EQ(error.where, "Reading the command line, at the flag --election-timeout");
  EXPECT_EQ(ParseBad({"-"}, "\nheartbeat-interval 900").quoted, "heartbeat-interval 900");
}

TEST(ConfigFile, IncludeReadsAnotherFileInPlace) {
  const TemporaryFolder folder;
  const std::string inner = folder.Write("inner.conf", "port 7001\ntimeout 5\n");
  const std::string before = folder.Write("before.conf", "port 7002\ninclude " + inner + "\n");
  const std::string after = folder.Write("after.conf", "include " + inner + "\nport 7002\n");
  EXPECT_EQ(ParseGood({before}).port, 7001);
  EXPECT_EQ(ParseGood({after}).port, 7002);
  EXPECT_EQ(ParseGood({after}).timeout_seconds, 5u);
  EXPECT_EQ(ParseGood({after}).config_file, after);
  EXPECT_EQ(ParseGood({"--include", inner}).port, 7001);
}

TEST(ConfigFile, IncludeTakesPatternsInAlphabeticalOrder) {
  const TemporaryFolder folder;
  folder.Write("2.conf", "port 7002\n");
  folder.Write("1.conf", "port 7001\ntimeout 5\n");
  const Config config = ParseGood({"-"}, "include " + folder.PathOf("*.conf"));
  EXPECT_EQ(config.port, 7002);
  EXPECT_EQ(config.timeout_seconds, 5u);
  EXPECT_EQ(ParseGood({"-"}, "include " + folder.PathOf("*.none")).port, 6379);
}

TEST(ConfigFile, AnErrorInAnIncludedFileNamesIt) {
  const TemporaryFolder folder;
  const std::string inner = folder.Write("inner.conf", "\nport x\n");
  const ConfigError error = ParseBad({"-"}, "include " + inner);
  EXPECT_EQ(error.where, "Reading the configuration file '" + inner + "', at line 2");
  EXPECT_EQ(error.quoted, "port x");
}

TEST(ConfigFile, FilesThatIncludeEachOtherAreRefused) {
  const TemporaryFolder folder;
  const std::string file = folder.PathOf("circle.conf");
  folder.Write("circle.conf", "include " + file + "\n");
  EXPECT_EQ(ParseBad({file}).reason, "too many files that include each other");
}

TEST(BindAddress, WildcardsHaveTheAddressThatSocketsKnow) {
  EXPECT_EQ((BindAddress{"*", false}).numeric_host(), "0.0.0.0");
  EXPECT_EQ((BindAddress{"::*", true}).numeric_host(), "::");
  EXPECT_EQ((BindAddress{"10.0.0.1", false}).numeric_host(), "10.0.0.1");
  EXPECT_TRUE((BindAddress{"::", false}).is_wildcard());
  EXPECT_FALSE((BindAddress{"::1", false}).is_wildcard());
}

TEST(ConfigGet, MatchesGlobsWithoutRegardToCase) {
  const Config config = ParseGood({});
  const std::vector<std::string_view> patterns = {"TIME*", "tcp-keepal?ve", "timeout", "nothing"};
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(ConfigGet(config, patterns), (Pairs{{"tcp-keepalive", "300"}, {"timeout", "0"}}));
  EXPECT_EQ(ConfigGet(config, {}), Pairs());
}

// redis-benchmark asks for these two when it starts.
TEST(ConfigGet, AnswersRedisBenchmark) {
  const Config config = ParseGood({});
  EXPECT_EQ(Get(config, "save"), "");
  EXPECT_EQ(Get(config, "appendonly"), "yes");
}

TEST(ConfigGet, StarGivesTheWholeTable) {
  const std::string_view star = "*";
  const auto all = ConfigGet(ParseGood({}), std::span(&star, 1));
  EXPECT_EQ(all.size(), Directives().size());
}

// What CONFIG GET shows can be put into a file again.
TEST(ConfigGet, ValuesRoundTrip) {
  const Config config =
      ParseGood({"--port", "7002", "--bind", "10.0.0.1", "-::1", "--node-id", "2",
                 "--client-output-buffer-limit", "normal", "1mb", "2kb", "3", "--loglevel", "debug",
                 "--initial-cluster", "1=a:7001,2=b:7002", "--dir", "/data"});
  const std::string_view star = "*";
  std::string file;
  for (const auto& [name, value] : ConfigGet(config, std::span(&star, 1))) {
    file.append(name).append(" \"").append(value).append("\"\n");
  }
  EXPECT_EQ(ParseGood({"-"}, file), config) << file;
}

TEST(Directives, HaveNamesThatDifferAndHelp) {
  std::set<std::string_view> names;
  for (const Directive& directive : Directives()) {
    EXPECT_TRUE(names.insert(directive.name).second) << directive.name;
    EXPECT_FALSE(directive.help.empty()) << directive.name;
    EXPECT_EQ(FindDirective(directive.name), &directive);
  }
}

}  // namespace
}  // namespace quorate
