// redis-cli's own words for clusters, `redis-cli --cluster ...`, on nodes that nobody has used yet
// and on the cluster that comes of them.

#include <gtest/gtest.h>

#include <iostream>
#include <string>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

constexpr int kToolTimeoutMs = 120'000;

class ClusterTool : public testing::Test {
 protected:
  // As many nodes that nobody has used, each alone.
  explicit ClusterTool(int count = 3)
      : cluster_([] {
          Cluster::Options options;
          options.size = 1;
          return options;
        }()) {
    EXPECT_TRUE(cluster_.Start());
    while (cluster_.size() < count) cluster_.Restart(cluster_.Add());
    EXPECT_TRUE(cluster_.WaitUntilAllServe());
  }
  ~ClusterTool() override {
    if (HasFailure()) cluster_.PrintLogs(std::cerr);
  }

  std::string Place(int id) const { return "127.0.0.1:" + std::to_string(cluster_.port(id)); }
  // It must come to an end within the time limit: `output` and `error` are in one.
  ProgramResult Cli(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "redis-cli");
    ProgramResult result = RunProgram(arguments, "", kToolTimeoutMs);
    EXPECT_TRUE(result.end.has_value()) << "it does not end: " << result.output << result.error;
    result.output += result.error;
    return result;
  }
  ProgramResult Tool(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "--cluster");
    return Cli(std::move(arguments));
  }
  std::string Ask(int id, std::vector<std::string> command) {
    command.insert(command.begin(), {"-c", "-p", std::to_string(cluster_.port(id))});
    return Cli(std::move(command)).output;
  }
  void ExpectWell(const ProgramResult& result) {
    EXPECT_EQ(result.end, (ProcessEnd{0, 0})) << result.output;
  }
  void Create() {
    const ProgramResult created = Tool({"create", Place(1), Place(2), Place(3), "--cluster-yes"});
    ExpectWell(created);
    EXPECT_NE(created.output.find("[OK] All 16384 slots covered."), std::string::npos)
        << created.output;
  }
  // How many nodes that one knows.
  size_t KnownBy(int id) {
    const std::string nodes = Ask(id, {"CLUSTER", "NODES"});
    size_t lines = 0;
    for (const char c : nodes) lines += c == '@' ? 1 : 0;
    return lines;
  }
  std::string IdOf(int id) {
    std::string own = Ask(id, {"CLUSTER", "MYID"});
    while (!own.empty() && own.back() == '\n') own.pop_back();
    return own;
  }

  Cluster cluster_;
};

class ClusterToolWithFour : public ClusterTool {
 protected:
  ClusterToolWithFour() : ClusterTool(4) {}
};

TEST_F(ClusterTool, CreateMakesOneClusterOfTheNodesThatItIsGiven) {
  Create();
  EXPECT_EQ(Ask(1, {"SET", "a", "1"}), "OK\n");
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(KnownBy(id), 3U);
    EXPECT_EQ(Ask(id, {"GET", "a"}), "1\n");
  }
  ExpectWell(Tool({"check", Place(2)}));
  ExpectWell(Tool({"info", Place(3)}));
  ExpectWell(Tool({"fix", Place(1)}));
  const ProgramResult called = Tool({"call", Place(1), "PING"});
  ExpectWell(called);
  EXPECT_NE(called.output.find("PONG"), std::string::npos) << called.output;
  EXPECT_EQ(Ask(3, {"GET", "a"}), "1\n");
}

TEST_F(ClusterToolWithFour, AddNodeTakesAnEmptyNodeInAndDelNodeRemovesIt) {
  Create();
  EXPECT_EQ(Ask(1, {"SET", "a", "1"}), "OK\n");
  ExpectWell(Tool({"add-node", Place(4), Place(1)}));
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return KnownBy(4) == 4U; }));
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return Ask(4, {"GET", "a"}) == "1\n"; }));
  ExpectWell(Tool({"del-node", Place(1), IdOf(4)}));
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return KnownBy(1) == 3U; }));
}

TEST_F(ClusterToolWithFour, ANodeWithDataIsNotTakenIn) {
  Create();
  EXPECT_EQ(Ask(1, {"SET", "a", "1"}), "OK\n");
  EXPECT_EQ(Ask(4, {"SET", "b", "2"}), "OK\n");
  EXPECT_NE(Tool({"add-node", Place(4), Place(1)}).end, (ProcessEnd{0, 0}));
  EXPECT_EQ(KnownBy(1), 3U);
  EXPECT_EQ(Ask(4, {"GET", "b"}), "2\n");
}

TEST_F(ClusterTool, WhatMovesSlotsEndsWithAnError) {
  Create();
  const std::string id = IdOf(1);
  EXPECT_NE(Tool({"reshard", Place(1), "--cluster-from", id, "--cluster-to", id, "--cluster-slots",
                  "10", "--cluster-yes"})
                .end,
            (ProcessEnd{0, 0}));
  EXPECT_NE(Tool({"import", Place(1), "--cluster-from", Place(2)}).end, (ProcessEnd{0, 0}));
  Tool({"rebalance", Place(1)});  // of one master there is nothing to balance
  ExpectWell(Tool({"check", Place(1)}));
}

}  // namespace

}  // namespace quorate::redis_tests
