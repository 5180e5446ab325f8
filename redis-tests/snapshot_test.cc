// A follower comes back after the entries that it lacks are gone everywhere: it gets a snapshot,
// whatever is killed on the way.

#include <gtest/gtest.h>

#include <string>

#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/load.h"

namespace quorate::redis_tests {

namespace {

class Snapshot : public ClusterTest {
 protected:
  // A log that is cut at once.
  static void SetUpTestSuite() {
    SetUpTestSuiteWith({"--repl-backlog-size", "64kb", "--repl-backlog-entries", "50",
                        "--checkpoint-interval", "20"});
  }

  static std::string InfoField(int id, const std::string& name) {
    return Field(Client(cluster().port(id)).Command({"INFO"}).text, name);
  }
  static uint64_t Number(int id, const std::string& name) {
    const std::string text = InfoField(id, name);
    return text.empty() ? 0 : std::stoull(text);
  }
  // Writes until the leader's log begins behind `index`.
  void WriteUntilGone(uint64_t index) {
    Client writer(cluster().port(leader()));
    const std::string value(20'000, 'v');
    for (int i = 0; Number(leader(), "raft_first_log_index") <= index + 1; ++i) {
      ASSERT_EQ(writer.Command({"SET", Key("filler" + std::to_string(i % 400)), value}),
                Status("OK"));
    }
  }
  // Equal digests at equal last_applied.
  static bool WaitForEqualStates() {
    return Eventually(kDeadlineMs, [] {
      std::string first;
      for (int id = 1; id <= cluster().size(); ++id) {
        const std::string info = Client(cluster().port(id)).Command({"INFO", "raft"}).text;
        const std::string state =
            Field(info, "raft_last_applied") + " " + Field(info, "raft_state_digest");
        if (id == 1) first = state;
        if (state != first) return false;
      }
      return true;
    });
  }
};

TEST_F(Snapshot, AFollowerThatWasAwayForLongGetsOne) {
  Load load(cluster().ports(), Key(""));
  ASSERT_TRUE(load.WaitForAcknowledged(20));
  const int away = follower();
  const uint64_t had = Number(away, "raft_last_log_index");
  cluster().Kill9(away);
  ASSERT_NO_FATAL_FAILURE(WriteUntilGone(had));
  cluster().Restart(away);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_GT(Number(away, "raft_first_log_index"), had + 1);
  ASSERT_TRUE(load.WaitForAcknowledged(20));
  load.Stop();
  EXPECT_EQ(load.Check(), "");
  ASSERT_TRUE(WaitForEqualStates());

  // It comes back from its own folder, and counts for a majority.
  cluster().Kill9(away);
  cluster().Restart(away);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  for (int id = 1; id <= cluster().size(); ++id) {
    if (id != away && id != leader()) cluster().Kill9(id);
  }
  ASSERT_NE(cluster().WaitForLeader(), Cluster::kNoNode);
  Client client(cluster().port(cluster().WaitForLeader()));
  EXPECT_EQ(client.Command({"SET", Key("after"), "1"}), Status("OK"));
}

// Wherever it just happens to be: asking, receiving, verifying, switching over.
TEST_F(Snapshot, AReceiverThatIsKilledAgainAndAgainGetsThere) {
  const int victim = follower();
  const uint64_t had = Number(victim, "raft_last_log_index");
  cluster().Kill9(victim);
  ASSERT_NO_FATAL_FAILURE(WriteUntilGone(had));
  for (int milliseconds = 10; milliseconds <= 400; milliseconds += 30) {
    cluster().Restart(victim);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    cluster().Kill9(victim);
  }
  ASSERT_TRUE(cluster().Heal());
  ASSERT_TRUE(WaitForEqualStates());
}

TEST_F(Snapshot, ASenderThatIsKilledIsReplacedByTheNextLeader) {
  Load load(cluster().ports(), Key(""));
  const int victim = follower();
  const uint64_t had = Number(victim, "raft_last_log_index");
  cluster().Kill9(victim);
  ASSERT_NO_FATAL_FAILURE(WriteUntilGone(had));
  for (int round = 0; round < 3; ++round) {
    cluster().Restart(victim);
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 40 * round));
    const int sender = cluster().WaitForLeader();
    ASSERT_NE(sender, Cluster::kNoNode);
    cluster().Kill9(sender);
    cluster().Restart(sender);
    ASSERT_TRUE(load.WaitForAcknowledged(10));
    cluster().Kill9(victim);
  }
  ASSERT_TRUE(cluster().Heal());
  load.Stop();
  EXPECT_EQ(load.Check(), "");
  ASSERT_TRUE(WaitForEqualStates());
}

TEST_F(Snapshot, TwoLearnersGetOneAtTheSameTimeAndArePromoted) {
  ASSERT_NO_FATAL_FAILURE(WriteUntilGone(1));
  for (int added = 0; added < 2; ++added) {
    const int id = cluster().Add();
    cluster().AddFlags(id, {"--join", "127.0.0.1:" + std::to_string(cluster().port(leader()))});
    cluster().Restart(id);
  }
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return InfoField(leader(), "raft_voters") == std::to_string(cluster().size());
  }));
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  ASSERT_TRUE(WaitForEqualStates());
}

}  // namespace

}  // namespace quorate::redis_tests
