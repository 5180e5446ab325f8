// The fixture of tests that share a cluster.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"

namespace quorate::redis_tests {

// The base of tests that share one cluster of three, started before the first test of a suite and
// ended with SIGTERM after the last. Every test begins with all nodes running, whatever the one
// before has done to them; the keys that it left are still there, so tests name theirs with Key().
class ClusterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void SetUpTestSuiteWithDefaults() { SetUpTestSuiteWith({}); }
  static void SetUpTestSuiteWith(std::vector<std::string> flags);
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;

  static Cluster& cluster() { return *cluster_; }
  // The nodes' roles as they were when the test began.
  int leader() const { return leader_; }
  int follower() const { return leader_ == 1 ? 2 : 1; }
  Client LeaderClient() const { return Client(cluster().port(leader_)); }
  Client FollowerClient() const { return Client(cluster().port(follower())); }
  // `name` made this test's own.
  std::string Key(const std::string& name) const;

 private:
  static void StartCluster(Cluster::Options options);

  static std::unique_ptr<Cluster> cluster_;
  static bool started_;
  int leader_ = Cluster::kNoNode;
};

}  // namespace quorate::redis_tests
