// INFO, CONFIG, TIME, MODULE and SHUTDOWN, on a real node.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";

class ServerCommand : public testing::Test {
 protected:
  ServerCommand() { cluster_.WaitForLeader(); }

  // The titles of the sections in a reply to INFO.
  static std::vector<std::string> SectionsOf(const std::string& reply) {
    const std::string text = TextOf(reply);
    std::vector<std::string> titles;
    for (size_t at = text.find("# "); at != std::string::npos; at = text.find("\n# ", at)) {
      at = text.find("# ", at) + 2;
      titles.push_back(text.substr(at, text.find("\r\n", at) - at));
    }
    return titles;
  }
  TestMember& server() { return cluster_.member(1); }

  TestCluster cluster_{1};
  TestClient client_{cluster_, 1};
};

using Titles = std::vector<std::string>;

TEST_F(ServerCommand, InfoSections) {
  const Titles usual = {"Server", "Clients",    "Memory",  "Persistence", "Stats", "Replication",
                        "CPU",    "Errorstats", "Cluster", "Keyspace",    "Raft"};
  const Titles all = {"Server",     "Clients",     "Memory",   "Persistence",
                      "Stats",      "Replication", "CPU",      "Commandstats",
                      "Errorstats", "Cluster",     "Keyspace", "Raft"};
  EXPECT_EQ(SectionsOf(client_.Call({"INFO"})), usual);
  EXPECT_EQ(SectionsOf(client_.Call({"INFO", "default"})), usual);
  EXPECT_EQ(SectionsOf(client_.Call({"INFO", "ALL"})), all);
  EXPECT_EQ(SectionsOf(client_.Call({"INFO", "everything"})), all);
  EXPECT_EQ(SectionsOf(client_.Call({"INFO", "default", "commandstats"})), all);
  EXPECT_EQ(SectionsOf(client_.Call({"INFO", "raft", "CPU", "raft", "nope"})),
            (Titles{"CPU", "Raft"}));
  EXPECT_EQ(client_.Call({"INFO", "nope"}), "$0\r\n\r\n");
}

TEST_F(ServerCommand, InfoIsVerbatimTextInResp3) {
  client_.Call({"HELLO", "3"});
  EXPECT_EQ(client_.Call({"INFO", "cluster"}), "=34\r\ntxt:# Cluster\r\ncluster_enabled:1\r\n\r\n");
}

// What tools look for first; each with its one possible value, or not empty.
TEST_F(ServerCommand, InfoHasTheFieldsThatToolsRead) {
  const std::string info = client_.Call({"INFO", "everything"});
  EXPECT_EQ(FieldOf(info, "redis_version"), "7.0.15");
  EXPECT_EQ(FieldOf(info, "redis_mode"), "cluster");
  EXPECT_EQ(FieldOf(info, "cluster_enabled"), "1");
  EXPECT_EQ(FieldOf(info, "loading"), "0");
  EXPECT_EQ(FieldOf(info, "role"), "master");
  EXPECT_EQ(FieldOf(info, "blocked_clients"), "0");
  EXPECT_EQ(FieldOf(info, "maxclients"), "10000");
  EXPECT_EQ(FieldOf(info, "maxmemory"), "0");
  EXPECT_EQ(FieldOf(info, "expired_keys"), "0");
  EXPECT_EQ(FieldOf(info, "evicted_keys"), "0");
  for (const char* name : {"quorate_version",
                           "os",
                           "arch_bits",
                           "process_id",
                           "tcp_port",
                           "uptime_in_seconds",
                           "connected_clients",
                           "used_memory",
                           "used_memory_human",
                           "used_memory_rss",
                           "used_memory_peak",
                           "mem_fragmentation_ratio",
                           "total_connections_received",
                           "total_commands_processed",
                           "instantaneous_ops_per_sec",
                           "total_net_input_bytes",
                           "total_net_output_bytes",
                           "rejected_connections",
                           "keyspace_hits",
                           "keyspace_misses",
                           "used_cpu_sys",
                           "used_cpu_user"}) {
    EXPECT_NE(FieldOf(info, name), "(none)") << name;
    EXPECT_NE(FieldOf(info, name), "") << name;
  }
  EXPECT_NE(FieldOf(info, "run_id"), "(none)");
  EXPECT_NE(FieldOf(info, "executable"), "(none)");
  EXPECT_NE(FieldOf(info, "config_file"), "(none)");
}

TEST_F(ServerCommand, InfoMemoryIsTheProcesss) {
  const std::string memory = client_.Call({"INFO", "memory"});
  const uint64_t used = std::stoull(FieldOf(memory, "used_memory"));
  const uint64_t rss = std::stoull(FieldOf(memory, "used_memory_rss"));
  EXPECT_GT(used, 100'000U);
  EXPECT_GE(rss, used);
  EXPECT_GE(std::stoull(FieldOf(memory, "used_memory_peak")), rss);
  EXPECT_GE(std::stoull(FieldOf(memory, "total_system_memory")), rss);
}

TEST_F(ServerCommand, InfoCountsWhatHappened) {
  TestClient other(cluster_, 1);
  client_.Call({"SET", "a", "1"});
  client_.Call({"GET", "a"});
  client_.Call({"GET", "b"});
  client_.Call({"SELECT", "x"});
  client_.Call({"NOPE"});
  client_.Call({"CLIENT", "ID"});
  cluster_.clock().now_ms += 100'000;
  const std::string info = client_.Call({"INFO", "everything"});
  EXPECT_EQ(FieldOf(info, "connected_clients"), "2");
  EXPECT_EQ(FieldOf(info, "keyspace_hits"), "1");
  EXPECT_EQ(FieldOf(info, "keyspace_misses"), "1");
  EXPECT_EQ(FieldOf(info, "db0"), "keys=1,expires=0,avg_ttl=0");
  EXPECT_EQ(FieldOf(info, "errorstat_ERR"), "count=2");
  EXPECT_EQ(FieldOf(info, "total_error_replies"), "2");
  EXPECT_EQ(FieldOf(info, "cmdstat_get").find("calls=2,usec="), 0U);
  EXPECT_EQ(FieldOf(info, "cmdstat_client|id").find("calls=1,"), 0U);
  const std::string select = FieldOf(info, "cmdstat_select");
  EXPECT_NE(select.find(",rejected_calls=0,failed_calls=1"), std::string::npos) << select;
  EXPECT_EQ(FieldOf(info, "cmdstat_mget"), "(none)") << "never called";
  EXPECT_GE(std::stoll(FieldOf(info, "uptime_in_seconds")), 100);
}

TEST_F(ServerCommand, InfoOfAnEmptyKeySpaceHasNoDatabase) {
  EXPECT_EQ(TextOf(client_.Call({"INFO", "keyspace"})), "# Keyspace\r\n");
}

TEST_F(ServerCommand, ResetStatSetsCountersToZero) {
  client_.Call({"GET", "a"});
  client_.Call({"SELECT", "x"});
  EXPECT_EQ(client_.Call({"CONFIG", "RESETSTAT"}), kOk);
  const std::string info = client_.Call({"INFO", "everything"});
  EXPECT_EQ(FieldOf(info, "keyspace_misses"), "0");
  EXPECT_EQ(FieldOf(info, "errorstat_ERR"), "(none)");
  EXPECT_EQ(FieldOf(info, "cmdstat_get"), "(none)");
}

TEST_F(ServerCommand, ConfigGetAndSet) {
  int changes = 0;
  server().instance->config_changed = [&changes] {
    ++changes;
    return std::nullopt;
  };
  EXPECT_EQ(client_.Call({"CONFIG", "GET", "maxclients"}),
            "*2\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n");
  EXPECT_EQ(client_.Call({"CONFIG", "SET", "timeout", "7", "maxclients", "5"}), kOk);
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(server().config.timeout_seconds, 7U);
  EXPECT_EQ(client_.Call({"CONFIG", "GET", "time*", "TIMEOUT"}),
            "*2\r\n$7\r\ntimeout\r\n$1\r\n7\r\n");
  EXPECT_EQ(client_.Call({"CONFIG", "GET", "nope"}), "*0\r\n");
  client_.Call({"HELLO", "3"});
  EXPECT_EQ(client_.Call({"CONFIG", "GET", "timeout"}), "%1\r\n$7\r\ntimeout\r\n$1\r\n7\r\n");
}

// One wrong directive, and none of them is changed.
TEST_F(ServerCommand, ConfigSetChangesAllOrNothing) {
  int changes = 0;
  server().instance->config_changed = [&changes] {
    ++changes;
    return std::nullopt;
  };
  EXPECT_EQ(client_.Call({"CONFIG", "SET", "timeout", "7", "nope", "1"}),
            "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'\r\n");
  EXPECT_EQ(client_.Call({"CONFIG", "SET", "timeout", "7", "maxclients"}),
            "-ERR wrong number of arguments for 'config|set' command\r\n");
  EXPECT_EQ(client_.Call({"CONFIG", "SET", "timeout", "x"})[0], '-');
  EXPECT_EQ(changes, 0);
  EXPECT_EQ(server().config.timeout_seconds, 0U);
}

// What the process cannot do is not in force.
TEST_F(ServerCommand, ConfigSetTakesBackWhatCannotBeApplied) {
  server().instance->config_changed = [this]() -> std::optional<std::string> {
    EXPECT_EQ(server().config.maxclients, 5U);
    return "ERR no";
  };
  EXPECT_EQ(client_.Call({"CONFIG", "SET", "timeout", "7", "maxclients", "5"}), "-ERR no\r\n");
  EXPECT_EQ(server().config.timeout_seconds, 0U);
  EXPECT_EQ(server().config.maxclients, 10'000U);
}

// Matching takes the length of all patterns times that of all names.
TEST_F(ServerCommand, ConfigGetRefusesEndlessPatterns) {
  const std::string half = "[" + std::string(8'191, 'z');
  EXPECT_EQ(client_.Call({"CONFIG", "GET", half, half}), "*0\r\n");
  const std::string refused = "-ERR pattern is too long (maximum 16384 bytes)\r\n";
  EXPECT_EQ(client_.Call({"CONFIG", "GET", half, half, "z"}), refused);
  EXPECT_EQ(client_.Call({"COMMAND", "LIST", "FILTERBY", "PATTERN", std::string(16'385, '[')}),
            refused);
}

TEST_F(ServerCommand, ConfigRewriteSaysWhyNot) {
  EXPECT_EQ(client_.Call({"CONFIG", "REWRITE"}),
            "-ERR The server is running without a config file\r\n");
  server().instance->config_file = "/etc/quorate.conf";
  EXPECT_EQ(client_.Call({"CONFIG", "REWRITE"}),
            "-ERR CONFIG REWRITE is not supported by this version of Quorate\r\n");
}

TEST_F(ServerCommand, TimeIsTheClocks) {
  cluster_.clock().now_ms = 12'345;
  EXPECT_EQ(client_.Call({"TIME"}), "*2\r\n$10\r\n1700000012\r\n$6\r\n345000\r\n");
}

TEST_F(ServerCommand, ThereAreNoModules) {
  EXPECT_EQ(client_.Call({"MODULE", "LIST"}), "*0\r\n");
  EXPECT_EQ(client_.Call({"MODULE", "LOAD", "x"}),
            "-ERR unknown subcommand 'LOAD'. Try MODULE HELP.\r\n");
}

// The end of the connection is the only answer.
TEST_F(ServerCommand, ShutdownAsksTheServerToStop) {
  EXPECT_EQ(client_.Call({"SHUTDOWN", "NOSAVE", "now", "FORCE"}), "");
  EXPECT_TRUE(server().instance->stop_requested);
  EXPECT_EQ(client_.Call({"SHUTDOWN", "ABORT"}),
            "-ERR A shutdown in progress cannot be aborted.\r\n");
}

TEST_F(ServerCommand, ShutdownRefusesWhatContradictsItself) {
  for (const std::vector<std::string_view>& options : {std::vector<std::string_view>{"nope"},
                                                       {"SAVE", "NOSAVE"},
                                                       {"ABORT", "NOW"},
                                                       {"ABORT", "SAVE"}}) {
    std::vector<std::string_view> request = {"SHUTDOWN"};
    request.insert(request.end(), options.begin(), options.end());
    EXPECT_EQ(client_.Call(request), "-ERR syntax error\r\n") << testing::PrintToString(options);
  }
  EXPECT_EQ(client_.Call({"SHUTDOWN", "ABORT"}), "-ERR No shutdown in progress.\r\n");
  EXPECT_FALSE(server().instance->stop_requested);
}

}  // namespace
}  // namespace quorate
