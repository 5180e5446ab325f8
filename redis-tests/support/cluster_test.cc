#include "redis-tests/support/cluster_test.h"

#include <iostream>
#include <optional>
#include <utility>

namespace quorate::redis_tests {

std::unique_ptr<Cluster> ClusterTest::cluster_;
bool ClusterTest::started_ = false;

void ClusterTest::SetUpTestSuite() {
  StartCluster({3, {"--election-timeout", "3000", "--request-timeout", "30000"}});
}

void ClusterTest::SetUpTestSuiteWith(std::vector<std::string> flags) {
  StartCluster({3, std::move(flags)});
}

void ClusterTest::StartCluster(Cluster::Options options) {
  cluster_ = std::make_unique<Cluster>(std::move(options));
  started_ = cluster_->Start();
  if (!started_) {
    cluster_->PrintLogs(std::cerr);
  }
}

void ClusterTest::TearDownTestSuite() {
  bool clean = true;
  for (int id = 1; id <= cluster().size(); ++id) {
    if (cluster().running(id)) {
      const std::optional<ProcessEnd> end = cluster().Terminate(id);
      EXPECT_EQ(end, (ProcessEnd{0, 0})) << "node " << id << " after SIGTERM";
      clean = clean && end == ProcessEnd{0, 0};
    }
  }
  if (!clean) {
    cluster().PrintLogs(std::cerr);
  }
  cluster_.reset();
}

void ClusterTest::SetUp() {
  ASSERT_TRUE(started_) << "the cluster did not start";
  ASSERT_TRUE(cluster().Heal());
  leader_ = cluster().WaitForLeader();
  ASSERT_NE(leader_, Cluster::kNoNode);
}

void ClusterTest::TearDown() {
  if (HasFailure() && started_) {
    cluster().PrintLogs(std::cerr);
  }
}

std::string ClusterTest::Key(const std::string& name) const {
  return std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + ":" + name;
}

}  // namespace quorate::redis_tests
