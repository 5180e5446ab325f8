// Processes end in every way while clients write: what was acknowledged stays, what was refused
// never happened, and the clients go on.

#include <string>

#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/load.h"

namespace quorate::redis_tests {

namespace {

class Durability : public ClusterTest {
 protected:
  static void SetUpTestSuite() { SetUpTestSuiteWithDefaults(); }

  static void ExpectRight(const Load& load) {
    EXPECT_EQ(load.Check(), "");
    EXPECT_GT(load.acknowledged(), 0);
  }
};

TEST_F(Durability, ClientsGoOnAfterTheLeaderIsKilledAndNothingIsLost) {
  Load load(cluster().ports(), Key(""));
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(load.WaitForAcknowledged(100));
    const int killed = cluster().WaitForLeader();
    ASSERT_NE(killed, Cluster::kNoNode);
    cluster().Kill9(killed);
    ASSERT_TRUE(load.WaitForAcknowledged(100))
        << "no progress after node " << killed << " was killed";
    cluster().Restart(killed);
  }
  load.Stop();
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  ExpectRight(load);
}

TEST_F(Durability, AllNodesKilledUnderLoadLoseNothingAcknowledged) {
  Load load(cluster().ports(), Key(""));
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(load.WaitForAcknowledged(100));
    for (int id = 1; id <= cluster().size(); ++id) {
      cluster().Kill9(id);
    }
    for (int id = 1; id <= cluster().size(); ++id) {
      cluster().Restart(id);
    }
    ASSERT_TRUE(cluster().WaitUntilAllServe());
  }
  ASSERT_TRUE(load.WaitForAcknowledged(10));
  load.Stop();
  ExpectRight(load);
}

TEST_F(Durability, ALeaderThatStopsAndWakesAgainLosesNothing) {
  Load load(cluster().ports(), Key(""));
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(load.WaitForAcknowledged(50));
    const int paused = cluster().WaitForLeader();
    ASSERT_NE(paused, Cluster::kNoNode);
    cluster().Pause(paused);
    ASSERT_NE(cluster().WaitForLeader(), Cluster::kNoNode);
    cluster().Resume(paused);
  }
  ASSERT_TRUE(load.WaitForAcknowledged(50));
  load.Stop();
  ExpectRight(load);
}

TEST_F(Durability, SigtermOfTheLeaderHandsOverAndExitsWithZero) {
  Load load(cluster().ports(), Key(""));
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(load.WaitForAcknowledged(50));
    const int ended = cluster().WaitForLeader();
    ASSERT_NE(ended, Cluster::kNoNode);
    EXPECT_EQ(cluster().Terminate(ended), (ProcessEnd{0, 0}));
    ASSERT_TRUE(load.WaitForAcknowledged(50));
    cluster().Restart(ended);
  }
  load.Stop();
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  ExpectRight(load);
}

// Killed again and again wherever it just happens to be: opening its files, replaying, catching up.
TEST_F(Durability, AFollowerKilledWhileItStartsComesBackAllTheSame) {
  Load load(cluster().ports(), Key(""));
  const int victim = follower();
  cluster().Kill9(victim);
  for (int milliseconds = 1; milliseconds <= 256; milliseconds *= 2) {
    ASSERT_TRUE(load.WaitForAcknowledged(20));
    cluster().Restart(victim);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    cluster().Kill9(victim);
  }
  load.Stop();
  ASSERT_TRUE(cluster().Heal());
  ExpectRight(load);
}

TEST_F(Durability, AFollowerThatWasAwayCatchesUp) {
  const int away = follower();
  cluster().Kill9(away);
  Client writer = LeaderClient();
  constexpr int kKeys = 3'000;
  for (int i = 0; i < kKeys; ++i) {
    writer.Append({"SET", Key(std::to_string(i)), std::to_string(i)});
  }
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(writer.Read(), Status("OK"));
  }
  const std::string large(1 << 20, 'l');
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(writer.Command({"SET", Key("large" + std::to_string(i)), large}), Status("OK"));
  }
  ASSERT_EQ(writer.Command({"DEL", Key("0")}), Integer(1));

  cluster().Restart(away);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  Client reader(cluster().port(away));
  ASSERT_EQ(reader.Command({"READONLY"}), Status("OK"));
  EXPECT_EQ(reader.Command({"DBSIZE"}), writer.Command({"DBSIZE"}));
  EXPECT_EQ(reader.Command({"GET", Key("0")}), Nil());
  for (int i = 1; i < kKeys; ++i) {
    reader.Append({"GET", Key(std::to_string(i))});
  }
  for (int i = 1; i < kKeys; ++i) {
    ASSERT_EQ(reader.Read(), Text(std::to_string(i)));
  }
  EXPECT_TRUE(reader.Command({"GET", Key("large9")}) == Text(large));

  // And it counts for the majority again: with the other follower gone, writes still succeed.
  for (int id = 1; id <= cluster().size(); ++id) {
    if (id != away && id != leader()) {
      cluster().Kill9(id);
    }
  }
  EXPECT_EQ(Client(cluster().port(leader())).Command({"SET", Key("a"), "1"}), Status("OK"));
}

TEST_F(Durability, ACleanStopOfAllKeepsEverything) {
  Client client = LeaderClient();
  const std::string value(100'000, 'v');
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(client.Command({"SET", Key(std::to_string(i)), value + std::to_string(i)}),
              Status("OK"));
  }
  const Reply size = client.Command({"DBSIZE"});
  for (int id = 1; id <= cluster().size(); ++id) {
    EXPECT_EQ(cluster().Terminate(id), (ProcessEnd{0, 0})) << "node " << id;
  }
  ASSERT_TRUE(cluster().Heal());
  Client restarted(cluster().port(cluster().WaitForLeader()));
  EXPECT_EQ(restarted.Command({"DBSIZE"}), size);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(restarted.Command({"GET", Key(std::to_string(i))}) ==
                Text(value + std::to_string(i)));
  }
}

// 48 MB, overwritten several times: more than the parts kept in memory are meant to hold.
TEST_F(Durability, MoreDataThanMemoryKeepsSurvivesAKill) {
  Client client = LeaderClient();
  constexpr int kValues = 48;
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    const std::string value(1 << 20, static_cast<char>('a' + round));
    for (int i = 0; i < kValues; ++i) {
      ASSERT_EQ(client.Command({"SET", Key(std::to_string(i)), value}), Status("OK"));
    }
  }
  for (int id = 1; id <= cluster().size(); ++id) {
    cluster().Kill9(id);
  }
  ASSERT_TRUE(cluster().Heal());
  const std::string expected(1 << 20, 'a' + kRounds - 1);
  for (int id = 1; id <= cluster().size(); ++id) {
    Client reader(cluster().port(id));
    ASSERT_EQ(reader.Command({"READONLY"}), Status("OK"));
    for (int i = 0; i < kValues; ++i) {
      ASSERT_TRUE(reader.Command({"GET", Key(std::to_string(i))}) == Text(expected)) << i;
    }
  }
  Client cleaner(cluster().port(cluster().WaitForLeader()));
  for (int i = 0; i < kValues; ++i) {
    cleaner.Command({"DEL", Key(std::to_string(i))});
  }
}

}  // namespace

}  // namespace quorate::redis_tests
