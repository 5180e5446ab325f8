// redis-cli and redis-benchmark of Debian, as a user runs them.

#include <string>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/cluster_test.h"

namespace quorate::redis_tests {

namespace {

class Tools : public ClusterTest {
 protected:
  std::string PortOf(int id) { return std::to_string(cluster().port(id)); }

  // What redis-cli prints, given these arguments and this on stdin. It must end well.
  std::string Cli(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "redis-cli");
    const ProgramResult result = RunProgram(arguments, input, kToolTimeoutMs);
    EXPECT_EQ(result.end, (ProcessEnd{0, 0})) << result.error;
    return result.output + result.error;
  }
  // Runs redis-benchmark against the leader; what it prints.
  std::string Benchmark(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"redis-benchmark", "-p", PortOf(leader())});
    const ProgramResult result = RunProgram(arguments, "", kToolTimeoutMs);
    EXPECT_EQ(result.end, (ProcessEnd{0, 0})) << result.output << result.error;
    EXPECT_EQ(result.error.find("rror"), std::string::npos) << result.error;
    return result.output;
  }

 private:
  static constexpr int kToolTimeoutMs = 120'000;
};

TEST_F(Tools, CliReadsAndWritesOnTheLeader) {
  const std::string port = PortOf(leader());
  EXPECT_EQ(Cli({"-p", port, "SET", Key("a"), "two words"}), "OK\n");
  EXPECT_EQ(Cli({"-p", port, "GET", Key("a")}), "two words\n");
  EXPECT_EQ(Cli({"-p", port, "--no-raw", "DEL", Key("a")}), "(integer) 1\n");
  EXPECT_EQ(Cli({"-p", port, "--no-raw", "GET", Key("a")}), "(nil)\n");
}

TEST_F(Tools, CliWithoutClusterModeShowsTheRedirection) {
  const std::string output = Cli({"-p", PortOf(follower()), "SET", Key("a"), "1"});
  EXPECT_TRUE(output.starts_with("MOVED ")) << output;
  EXPECT_NE(output.find("127.0.0.1:" + PortOf(leader())), std::string::npos) << output;
}

TEST_F(Tools, CliInClusterModeFollowsFromAnyNode) {
  for (int id = 1; id <= cluster().size(); ++id) {
    EXPECT_EQ(Cli({"-c", "-p", PortOf(id), "SET", Key("a"), std::to_string(id)}), "OK\n");
    EXPECT_EQ(Cli({"-c", "-p", PortOf(id), "GET", Key("a")}), std::to_string(id) + "\n");
  }
}

TEST_F(Tools, CliRunsAScriptOfCommandsOnOneConnection) {
  std::string script;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    script += "SET " + Key(std::to_string(i)) + " " + std::to_string(i) + "\nGET " +
              Key(std::to_string(i)) + "\n";
    expected += "OK\n" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(Cli({"-p", PortOf(leader())}, script), expected);
}

TEST_F(Tools, CliSpeaksResp3) {
  const std::string port = PortOf(leader());
  EXPECT_EQ(Cli({"-3", "-p", port, "SET", Key("a"), "1"}), "OK\n");
  EXPECT_EQ(Cli({"-3", "-p", port, "GET", Key("a")}), "1\n");
  EXPECT_EQ(Cli({"-3", "--no-raw", "-p", port, "CONFIG", "GET", "port"}),
            "1# \"port\" => \"" + port + "\"\n");
}

TEST_F(Tools, CliReadsAValueFromItsInputAndPipesCommands) {
  const std::string port = PortOf(leader());
  const std::string value(1 << 20, 'x');
  EXPECT_EQ(Cli({"-p", port, "-x", "SET", Key("a")}, value), "OK\n");
  EXPECT_EQ(Cli({"-p", port, "STRLEN", Key("a")}), std::to_string(value.size()) + "\n");
  std::string commands;
  for (int i = 0; i < 1'000; ++i) {
    commands += "SET " + Key(std::to_string(i)) + " v\r\n";
  }
  const std::string output = Cli({"-p", port, "--pipe"}, commands);
  EXPECT_NE(output.find("errors: 0, replies: 1000"), std::string::npos) << output;
}

TEST_F(Tools, CliShowsTheCluster) {
  const std::string port = PortOf(leader());
  EXPECT_NE(Cli({"-p", port, "CLUSTER", "NODES"}).find("myself,master"), std::string::npos);
  EXPECT_NE(Cli({"-p", port, "INFO", "replication"}).find("role:master"), std::string::npos);
  const std::string check = Cli({"--cluster", "check", "127.0.0.1:" + PortOf(follower())});
  EXPECT_NE(check.find("[OK] All 16384 slots covered."), std::string::npos) << check;
  EXPECT_NE(check.find("[OK] All nodes agree about slots configuration."), std::string::npos)
      << check;
}

TEST_F(Tools, BenchmarkSetsAndGetsWithFiftyClients) {
  const std::string output =
      Benchmark({"-t", "set,get", "-c", "50", "-n", "10000", "-r", "1000", "--csv"});
  EXPECT_NE(output.find("\"SET\""), std::string::npos) << output;
  EXPECT_NE(output.find("\"GET\""), std::string::npos) << output;
}

TEST_F(Tools, BenchmarkSetsAndGetsInPipelines) {
  const std::string output = Benchmark(
      {"-t", "set,get", "-c", "50", "-P", "16", "-n", "50000", "-r", "1000", "-d", "64", "--csv"});
  EXPECT_NE(output.find("\"SET\""), std::string::npos) << output;
  EXPECT_NE(output.find("\"GET\""), std::string::npos) << output;
  const std::string key = "key:000000000007";
  EXPECT_EQ(LeaderClient().Command({"STRLEN", key}), Integer(64));
}

TEST_F(Tools, BenchmarkSpeaksResp3) {
  const std::string output = Benchmark({"-3", "-t", "set,get", "-n", "2000", "--csv"});
  EXPECT_NE(output.find("\"GET\""), std::string::npos) << output;
}

TEST_F(Tools, BenchmarkOfLargeValues) {
  const std::string output =
      Benchmark({"-t", "set,get", "-c", "10", "-n", "300", "-r", "20", "-d", "1048576", "--csv"});
  EXPECT_NE(output.find("\"GET\""), std::string::npos) << output;
}

}  // namespace

}  // namespace quorate::redis_tests
