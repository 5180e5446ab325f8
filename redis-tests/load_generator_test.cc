// resp-load (benchmarks/load), which scripts/benchmark trusts.

#include <string>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/cluster_test.h"

namespace quorate::redis_tests {
namespace {

class LoadGenerator : public ClusterTest {
 protected:
  std::string PortOf(int id) { return std::to_string(cluster().port(id)); }
  // `port` is where it begins.
  static ProgramResult Load(const std::string& port, std::vector<std::string> groups) {
    groups.insert(groups.begin(), {QUORATE_LOAD_GENERATOR, "--seconds", "1", "--ports", port});
    return RunProgram(groups, "", kDeadlineMs);
  }
  static constexpr int kDeadlineMs = 60'000;
};

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(LoadGenerator, ReportsSetsAndGetsApart) {
  const std::string group = "one:clients=5,keys=1,prefix=" + Key("a");
  const ProgramResult sets = Load(PortOf(leader()), {group + ",set-percent=100,pipeline=3"});
  EXPECT_EQ(sets.end, (ProcessEnd{0, 0})) << sets.error;
  EXPECT_TRUE(Contains(sets.output, R"("set": {"requests": )")) << sets.output;
  EXPECT_FALSE(Contains(sets.output, R"("get": )")) << sets.output;
  EXPECT_TRUE(Contains(sets.output, R"("retries": 0)")) << sets.output;
  EXPECT_EQ(LeaderClient().Command({"STRLEN", Key("a") + "000000000000"}), Integer(64));

  const ProgramResult both = Load(PortOf(leader()), {group + ",set-percent=50"});
  EXPECT_EQ(both.end, (ProcessEnd{0, 0})) << both.error;
  EXPECT_TRUE(Contains(both.output, R"("set": {"requests": )")) << both.output;
  EXPECT_TRUE(Contains(both.output, R"("get": {"requests": )")) << both.output;
}

TEST_F(LoadGenerator, RunsSeveralKindsOfClientsAtOnce) {
  const std::string key = Key("a");
  const ProgramResult result =
      Load(PortOf(leader()),
           {"small:clients=5,set-percent=100,prefix=" + key,
            "large:clients=2,set-percent=100,value-bytes=1048576,rate=20,prefix=" + key,
            "silent:clients=20,idle"});
  EXPECT_EQ(result.end, (ProcessEnd{0, 0})) << result.error;
  EXPECT_TRUE(Contains(result.output, R"("small": {"clients": 5, "retries": 0, "set": )"))
      << result.output;
  EXPECT_TRUE(Contains(result.output, R"("large": {"clients": 2, "retries": 0)")) << result.output;
  EXPECT_TRUE(Contains(result.output, R"("silent": {"clients": 20, "retries": 0})"))
      << result.output;
}

TEST_F(LoadGenerator, FollowsARedirectionAndCountsIt) {
  const ProgramResult result =
      Load(PortOf(follower()), {"all:clients=3,set-percent=100,prefix=" + Key("a")});
  EXPECT_EQ(result.end, (ProcessEnd{0, 0})) << result.error;
  EXPECT_TRUE(Contains(result.output, R"("retries": 3, "set": )")) << result.output;
}

// A miss would be cheaper than what is to be measured.
TEST_F(LoadGenerator, RefusesToMeasureMisses) {
  const ProgramResult result = Load(PortOf(leader()), {"all:clients=1,prefix=" + Key("missing")});
  EXPECT_EQ(result.end, (ProcessEnd{1, 0}));
  EXPECT_TRUE(Contains(result.error, "a key is missing")) << result.error;
}

TEST_F(LoadGenerator, SaysWhatItDoesNotUnderstand) {
  EXPECT_EQ(Load(PortOf(leader()), {"all:clients=none"}).end, (ProcessEnd{1, 0}));
  EXPECT_EQ(Load(PortOf(leader()), {"all:sets=5"}).end, (ProcessEnd{1, 0}));
  EXPECT_EQ(Load(PortOf(leader()), {}).end, (ProcessEnd{1, 0}));
}

}  // namespace
}  // namespace quorate::redis_tests
