// What a node tells its clients, and when: docs/design.md, "What a client is told is true".
#include "src/node/node.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/commands/table.h"
#include "src/requests/batch.h"
#include "tests/src/node/client_requests.h"
#include "tests/src/node/node_support.h"

namespace quorate {
namespace {

TEST(Node, AcknowledgesAWriteOnlyWhenAMajorityHasItOnDisk) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  for (uint64_t id : {1, 2, 3}) cluster.member(id).disk_works = false;
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "") << "on no disk";
  cluster.member(2).disk_works = true;
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "") << "on one follower's disk";
  cluster.member(1).disk_works = true;
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), kOk);
}

TEST(Node, AloneAcknowledgesAWriteOnlyWhenItIsOnDisk) {
  TestCluster cluster(1);
  cluster.WaitForLeader();
  cluster.member(1).disk_works = false;
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "");
  cluster.member(1).disk_works = true;
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), kOk);
}

TEST(Node, AnswersAReadOnlyWithProofOfLeadership) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*client), kOk);
  cluster.member(2).connected = false;
  cluster.member(3).connected = false;
  cluster.Send(1, *client, Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "") << "nobody has confirmed the leadership";
  cluster.member(3).connected = true;
  cluster.Tick();
  cluster.Tick();
  cluster.Tick();
  cluster.Tick();
  cluster.Tick();
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "$1\r\n1\r\n");
}

TEST(Node, AnswersNoReadOnTheSideOfAMinority) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  cluster.member(1).connected = false;
  cluster.Send(1, *client, Get("a"));
  // The leader notices that it has lost its followers, and says so.
  for (int ticks = 0; ticks < 200; ++ticks) cluster.Tick();
  EXPECT_EQ(TestCluster::Replies(*client), "-CLUSTERDOWN The cluster is down\r\n");
}

// Of the members 1 and 2, 1 leads and removes itself; 2 has that entry, but not yet the one behind
// it, and is cut off. It needs nobody's vote any more to lead. 1, which leads on until it can hand
// over, knows of one member only, but that is not itself.
TEST(Node, ARemovedLeaderAnswersNoReadWithoutTheMemberThatIsLeft) {
  NodeOptions options;
  options.batch_bytes_wait_max = 1;
  TestCluster cluster(2, options);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "old"));
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*client), kOk);
  cluster.Send(1, *client, Request({"CLUSTER", "FORGET", cluster.node(1).RedisNodeId(1)}));
  cluster.Step();
  cluster.Send(1, *client, Set("b", "1"));
  cluster.Step();
  cluster.member(2).disk_works = false;
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*client), kOk) << "to the removal, not to the write";
  ASSERT_TRUE(cluster.node(1).raft().is_leader());

  cluster.member(2).connected = false;
  cluster.node(2).PeerGone(consensus::NodeId(1));
  cluster.member(2).disk_works = true;
  cluster.Tick();
  ASSERT_TRUE(cluster.node(2).raft().leader_is_established());
  auto other = cluster.Connect(2);
  cluster.Send(2, *other, Set("a", "new"));
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*other), kOk);

  auto reader = cluster.Connect(1);
  cluster.Send(1, *reader, Get("a"));
  cluster.Steps(kSettle);
  ASSERT_TRUE(cluster.node(1).raft().is_leader());
  EXPECT_EQ(TestCluster::Replies(*reader), "");
}

TEST(Node, ReadsDoNotWaitForOtherClientsWrites) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  for (uint64_t id : {1, 2, 3}) cluster.member(id).disk_works = false;
  auto writer = cluster.Connect(1);
  auto reader = cluster.Connect(1);
  cluster.Send(1, *writer, Set("a", "1"));
  cluster.Send(1, *reader, Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*writer), "");
  EXPECT_EQ(TestCluster::Replies(*reader), "$-1\r\n");
}

TEST(Node, APipelinesReadsSeeTheWritesBeforeThemAndNoneAfter) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  // In one round, so in one entry.
  cluster.Send(1, *client,
               Get("a") + Set("a", "1") + Get("a") + Set("a", "2") + Get("a") +
                   Request({"DEL", "a"}) + Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client),
            "$-1\r\n+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n:1\r\n$-1\r\n");
}

TEST(Node, APipelineOverManyRoundsKeepsItsOrder) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  for (uint64_t id : {1, 2, 3}) cluster.member(id).disk_works = false;
  auto client = cluster.Connect(1);
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    cluster.Send(1, *client, Set("a", value));
    if (i % 3 == 0) cluster.Step();
    cluster.Send(1, *client, Get("a"));
    if (i % 2 == 0) cluster.Step();
    expected += "+OK\r\n$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "");
  for (uint64_t id : {1, 2, 3}) cluster.member(id).disk_works = true;
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), expected);
}

TEST(Node, RedirectsToTheLeaderWithTheKeysSlot) {
  TestCluster cluster(3);
  cluster.MakeLeader(2);
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("foo", "1") + Get("foo"));
  cluster.Steps(kSettle);
  // CLUSTER KEYSLOT foo is 12182, in Redis too.
  EXPECT_EQ(TestCluster::Replies(*client),
            "-MOVED 12182 127.0.0.1:7002\r\n-MOVED 12182 127.0.0.1:7002\r\n");
}

TEST(Node, SaysClusterdownWithoutALeader) {
  TestCluster cluster(3);
  auto client = cluster.Connect(1);
  for (uint64_t id : {1, 2, 3}) cluster.member(id).connected = false;
  cluster.Send(1, *client, Set("a", "1") + Get("a"));
  cluster.Step();
  EXPECT_EQ(TestCluster::Replies(*client), "") << "a leader may be found in a moment";
  for (int ticks = 0; ticks < 101; ++ticks) cluster.Tick();
  EXPECT_EQ(TestCluster::Replies(*client),
            "-CLUSTERDOWN The cluster is down\r\n-CLUSTERDOWN The cluster is down\r\n");
  cluster.Send(1, *client, Get("a"));
  EXPECT_EQ(TestCluster::Replies(*client), "-CLUSTERDOWN The cluster is down\r\n")
      << "it has been missing for long";
}

TEST(Node, ClientsWaitForALeaderThatIsBeingElected) {
  TestCluster cluster(3);
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Get("a"));
  cluster.Step();
  EXPECT_EQ(TestCluster::Replies(*client), "");
  cluster.WaitForLeader();
  cluster.Tick();
  EXPECT_TRUE(TestCluster::Replies(*client).starts_with("-MOVED 15495 127.0.0.1:700"));
}

TEST(Node, AFollowersReadonlyReadsAreCurrent) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto writer = cluster.Connect(1);
  auto reader = cluster.Connect(2);
  cluster.Send(2, *reader, Request({"READONLY"}));
  ASSERT_EQ(TestCluster::Replies(*reader), kOk);
  for (int i = 0; i < 50; ++i) {
    cluster.Send(1, *writer, Set("a", std::to_string(i)));
    cluster.Steps(kSettle);
    ASSERT_EQ(TestCluster::Replies(*writer), kOk);
    cluster.Send(2, *reader, Get("a"));
    cluster.Steps(kSettle);
    const std::string value = std::to_string(i);
    ASSERT_EQ(TestCluster::Replies(*reader),
              "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n");
  }
  cluster.Send(2, *reader, Set("a", "x"));
  EXPECT_EQ(TestCluster::Replies(*reader), "-MOVED 15495 127.0.0.1:7001\r\n");
}

TEST(Node, AFollowerThatIsBehindAnswersWhenItHasCaughtUp) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  cluster.member(2).connected = false;
  auto writer = cluster.Connect(1);
  cluster.Send(1, *writer, Set("a", "1"));
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*writer), "+OK\r\n");
  cluster.member(2).connected = true;
  auto reader = cluster.Connect(2);
  cluster.Send(2, *reader, Request({"READONLY"}) + Get("a"));
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*reader), "+OK\r\n") << "proven, and not applied here";
  std::string replies;
  for (int ticks = 0; ticks < 300 && replies.empty(); ++ticks) {
    cluster.Tick();
    replies = TestCluster::Replies(*reader);
  }
  EXPECT_EQ(replies, "$1\r\n1\r\n");
}

TEST(Node, AFollowerWithoutItsLeaderAnswersNoRead) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto reader = cluster.Connect(2);
  cluster.Send(2, *reader, Request({"READONLY"}) + Get("a"));
  cluster.member(2).connected = false;
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*reader), kOk);
  for (int ticks = 0; ticks < 300; ++ticks) cluster.Tick();
  EXPECT_EQ(TestCluster::Replies(*reader), "-MOVED 15495 127.0.0.1:7001\r\n")
      << "given up before the leader was";
  cluster.Send(2, *reader, Get("a"));
  EXPECT_EQ(TestCluster::Replies(*reader), "-CLUSTERDOWN The cluster is down\r\n");
}

TEST(Node, AWriteOfADeposedLeaderIsMovedOnceALaterEntryIsCommittedInItsPlace) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  cluster.member(1).connected = false;
  cluster.Send(1, *client, Set("a", "lost"));
  cluster.Steps(kSettle);
  uint64_t leader = 0;
  while (leader == 0 || leader == 1) leader = cluster.WaitForLeader();
  EXPECT_EQ(TestCluster::Replies(*client), "") << "it may still be committed, for all that 1 knows";
  cluster.member(1).connected = true;
  for (int ticks = 0; ticks < 20; ++ticks) cluster.Tick();
  EXPECT_EQ(TestCluster::Replies(*client),
            "-MOVED 15495 127.0.0.1:" + std::to_string(7000 + leader) + "\r\n");
  auto reader = cluster.Connect(leader);
  cluster.Send(leader, *reader, Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*reader), "$-1\r\n");
}

// Node 1 has led, and three writes of its client are in its log alone. It follows another leader
// now, whose log does not reach so far.
class LostWrites : public testing::Test {
 protected:
  LostWrites() {
    cluster_.MakeLeader(1);
    client_ = cluster_.Connect(1);
    cluster_.member(1).connected = false;
    for (int i = 0; i < 3; ++i) {
      cluster_.Send(1, *client_, Set("a", std::to_string(i)));
      cluster_.Steps(1);
    }
    const auto last = cluster_.node(1).raft().last_log_index();
    while (leader_ == 0 || leader_ == 1) leader_ = cluster_.WaitForLeader();
    cluster_.member(1).connected = true;
    for (int ticks = 0; ticks < 20; ++ticks) cluster_.Tick();
    EXPECT_LT(cluster_.node(leader_).raft().commit_index(), last);
    EXPECT_LT(cluster_.node(1).raft().commit_index(), last);
  }
  static NodeOptions Options() {
    NodeOptions options;
    options.batch_bytes_wait_max = 0;  // an entry for each write
    return options;
  }

  TestCluster cluster_{3, Options()};
  std::shared_ptr<Session> client_;
  uint64_t leader_ = 0;
};

// Terms never decrease along a log, so one entry of a later term says it of all that come behind
// it. They need not wait until something is committed at their own place, which nobody may write.
TEST_F(LostWrites, AreMovedOnceAnEntryOfALaterTermIsCommitted) {
  const std::string moved = "-MOVED 15495 127.0.0.1:" + std::to_string(7000 + leader_) + "\r\n";
  EXPECT_EQ(TestCluster::Replies(*client_), moved + moved + moved);
  EXPECT_EQ(cluster_.node(1).requests_in_flight(), 0u);
}

// Where a lost write was, nothing may ever be written.
TEST(Node, AReadWaitsForNoWriteOfItsClientThatIsLost) {
  NodeOptions options;
  options.batch_bytes_wait_max = 0;
  TestCluster cluster(3, options);
  cluster.MakeLeader(1);
  for (uint64_t id : {2, 3}) cluster.member(id).disk_works = false;
  auto client = cluster.Connect(1);
  for (int i = 0; i < 3; ++i) {
    cluster.Send(1, *client, Set("a", "lost"));
    cluster.Step();
  }
  cluster.Send(1, *client, Request({"DBSIZE"}));
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*client), "") << "proven, and behind the write";
  const auto last = cluster.node(1).raft().last_log_index();

  cluster.member(1).connected = false;
  for (uint64_t id : {2, 3}) {
    cluster.Restart(id);
    cluster.member(id).disk_works = true;
  }
  uint64_t leader = 0;
  while (leader == 0 || leader == 1) leader = cluster.WaitForLeader();
  cluster.member(1).connected = true;
  for (int ticks = 0; ticks < 20; ++ticks) cluster.Tick();
  ASSERT_LT(cluster.node(leader).raft().commit_index(), last);
  const std::string moved = "-MOVED 15495 127.0.0.1:" + std::to_string(7000 + leader) + "\r\n";
  EXPECT_EQ(TestCluster::Replies(*client), moved + moved + moved + ":0\r\n");
}

TEST_F(LostWrites, AreNotWaitedForByLaterReads) {
  TestCluster::Replies(*client_);
  cluster_.Send(1, *client_, Request({"DBSIZE"}));
  cluster_.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client_), ":0\r\n");
}

TEST(Node, AWriteOfADeposedLeaderGetsItsRealReplyIfItIsCommittedAfterAll) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  // It reaches the followers' disks, but their acknowledgements do not come back.
  for (uint64_t id : {1, 2, 3}) cluster.member(id).disk_works = false;
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Request({"SET", "a", "kept", "GET"}) + Get("a"));
  cluster.Steps(kSettle);
  cluster.member(1).connected = false;
  for (uint64_t id : {1, 2, 3}) cluster.member(id).disk_works = true;
  cluster.Steps(kSettle);
  uint64_t leader = 0;
  while (leader == 0 || leader == 1) leader = cluster.WaitForLeader();
  EXPECT_EQ(TestCluster::Replies(*client), "");
  cluster.member(1).connected = true;
  for (int ticks = 0; ticks < 20; ++ticks) cluster.Tick();
  EXPECT_FALSE(cluster.node(1).raft().is_leader());
  EXPECT_EQ(TestCluster::Replies(*client), "$-1\r\n$4\r\nkept\r\n");
}

// What is committed at an index need not be of the latest term in which this node proposed there
// (figure 8). 2 leads and fills its own disk only. 1 is elected by 3, without those entries, in a
// later term, and proposes at the same indexes, on its own disk only, too. Then 2 is elected by 3:
// its entries, of the older term, are committed where 1 had proposed.
TEST(Node, AnEntryOfAnOlderTermIsCommittedWhereThisNodeHadProposed) {
  NodeOptions options;
  options.batch_bytes_wait_max = 0;
  TestCluster cluster(3, options);
  cluster.MakeLeader(2);
  auto first = cluster.Connect(2);
  cluster.member(2).connected = false;
  for (int i = 0; i < 5; ++i) {
    cluster.Send(2, *first, Set("a", std::to_string(i)));
    cluster.Steps(1);
  }

  // 3, whose time stands still, gives its vote, and gets no entry of that term.
  auto second = cluster.Connect(1);
  for (uint64_t id : {1, 3}) cluster.node(id).PeerGone(consensus::NodeId(2));
  for (int ticks = 0; ticks < 100 && !cluster.node(1).raft().is_leader(); ++ticks) {
    cluster.node(1).Tick();
    for (int i = 0; i < 6 && !cluster.node(1).raft().is_leader(); ++i) cluster.Step();
  }
  ASSERT_TRUE(cluster.node(1).raft().is_leader());
  cluster.member(1).connected = false;
  const auto index = cluster.node(1).raft().last_log_index();
  cluster.Send(1, *second, Set("b", "lost"));
  cluster.Steps(kSettle);
  ASSERT_EQ(cluster.node(1).raft().last_log_index(), index + 1);
  ASSERT_GT(cluster.node(2).raft().last_log_index(), index);
  ASSERT_GT(cluster.node(2).raft().last_log_index(), cluster.node(3).raft().last_log_index());
  ASSERT_EQ(TestCluster::Replies(*second), "");

  for (int ticks = 0; ticks < 100; ++ticks) cluster.node(2).Tick();
  ASSERT_FALSE(cluster.node(2).raft().is_leader()) << "it has noticed that it is alone";
  // Only 2 can be elected: its last entry is of a later term than 3's.
  cluster.member(2).connected = true;
  ASSERT_EQ(cluster.WaitForLeader(), 2u);
  cluster.member(1).connected = true;
  for (int ticks = 0; ticks < 20; ++ticks) cluster.Tick();
  EXPECT_EQ(TestCluster::Replies(*second), "-MOVED 3300 127.0.0.1:7002\r\n");
  EXPECT_EQ(TestCluster::Replies(*first), "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(cluster.node(1).keys().digest(), cluster.node(2).keys().digest());
}

TEST(Node, AWriteThatStaysUndecidedIsUnknownAtItsDeadline) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  cluster.member(1).connected = false;
  cluster.Send(1, *client, Set("a", "1") + Get("a"));
  for (int ticks = 0; ticks < 400; ++ticks) cluster.Tick();
  EXPECT_EQ(TestCluster::Replies(*client), "") << "4 seconds";
  for (int ticks = 0; ticks < 200; ++ticks) cluster.Tick();
  EXPECT_EQ(TestCluster::Replies(*client),
            "-UNKNOWN No majority confirmed this write in time: it may or may not have been "
            "executed\r\n-CLUSTERDOWN The cluster is down\r\n");
  EXPECT_EQ(cluster.node(1).requests_in_flight(), 0u);
}

TEST(Node, KeepsWritesWhileLeadershipIsHandedOver) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  ASSERT_TRUE(cluster.node(1).TransferLeadership(consensus::NodeId(3)));
  cluster.Send(1, *client, Set("a", "1"));
  for (int ticks = 0; ticks < 20; ++ticks) cluster.Tick();
  EXPECT_TRUE(cluster.node(3).raft().is_leader());
  EXPECT_EQ(TestCluster::Replies(*client), "-MOVED 15495 127.0.0.1:7003\r\n");
}

TEST(Node, RepliesToAClosedClientGoNowhere) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1") + Get("a"));
  cluster.member(1).sessions.Close(*client);
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), "");
  auto reader = cluster.Connect(1);
  cluster.Send(1, *reader, Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*reader), "$1\r\n1\r\n") << "the write itself was accepted";
}

// --- The feature level ---

TEST(Node, RaisesTheFeatureLevelWhenAllKnowIt) {
  NodeOptions options;
  options.feature_level_known = 2;
  options.raft.feature_level = 2;
  TestCluster cluster(3, options);
  cluster.MakeLeader(1);
  for (int ticks = 0; ticks < 50; ++ticks) cluster.Tick();
  for (const uint64_t id : {1, 2, 3}) EXPECT_EQ(cluster.node(id).feature_level(), 2u) << id;
}

TEST(Node, RefusesACommandUntilTheFeatureLevelAllowsIt) {
  // As a command of a later version is.
  auto* const set = const_cast<Command*>(Commands().Find("set"));
  const auto restore = std::unique_ptr<Command, void (*)(Command*)>(
      set, [](Command* command) { command->feature_level = 1; });
  set->feature_level = 2;
  NodeOptions options;
  options.feature_level_known = 2;
  options.raft.feature_level = 1;  // held
  TestCluster cluster(1, options);
  cluster.WaitForLeader();
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client),
            "-ERR 'set' needs feature level 2, and the cluster is at 1: not all members run a "
            "version that knows it\r\n");
  cluster.member(1).options.raft.feature_level = 2;
  cluster.Restart(1);
  cluster.WaitForLeader();
  for (int ticks = 0; ticks < 10; ++ticks) cluster.Tick();
  client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), kOk);
}

// --- The log's clock ---

// How far the clock of the newest entry is ahead of the time that it is, after a write.
int64_t LogClockAhead(TestCluster* cluster, uint64_t leader) {
  cluster->MakeLeader(leader);
  auto client = cluster->Connect(leader);
  cluster->Send(leader, *client, Set("a", "1"));
  cluster->Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), kOk);
  return cluster->node(leader).keys().clock_ms() - cluster->clock().unix_us() / 1000;
}

TEST(Node, TheLogsClockIsTheVotersAndNotTheLeaders) {
  TestCluster cluster(3);
  EXPECT_NEAR(LogClockAhead(&cluster, 1), 0, 10);
  for (const int64_t day_ms : {-86'400'000, 86'400'000}) {
    cluster.member(1).clock.wall_offset_ms = day_ms;
    for (int ticks = 0; ticks < 50; ++ticks) cluster.Tick();
    EXPECT_NEAR(LogClockAhead(&cluster, 1), 0, 10);
    EXPECT_NEAR(LogClockAhead(&cluster, 2), 0, 10);
    EXPECT_NEAR(LogClockAhead(&cluster, 1), 0, 10) << "elected with that clock";
  }
}

TEST(Node, TheLogsClockFollowsAMajorityThatIsAhead) {
  TestCluster cluster(3);
  EXPECT_NEAR(LogClockAhead(&cluster, 1), 0, 10);
  cluster.member(2).clock.wall_offset_ms = 3'600'000;
  cluster.member(3).clock.wall_offset_ms = 3'600'000;
  for (int ticks = 0; ticks < 50; ++ticks) cluster.Tick();
  EXPECT_NEAR(LogClockAhead(&cluster, 1), 3'600'000, 10);
}

TEST(Node, TheLogsClockOfANewClusterIsTheMediansFromTheFirstEntry) {
  TestCluster cluster(3);
  cluster.member(1).clock.wall_offset_ms = 86'400'000;
  EXPECT_NEAR(LogClockAhead(&cluster, 1), 0, 10);
}

// --- What a version of another day has written ---

void EndWithReason(const std::string& reason) {
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::_Exit(1);
}

// Starts the only member with one more entry in its log, and waits until that is applied.
void ApplyAtAStart(TestCluster* cluster, std::string payload) {
  TestDisk& disk = cluster->member(1).disk;
  consensus::Entry entry = disk.Copy().log.rbegin()->second;
  const consensus::Chain before = entry.chain;
  ++entry.index;
  entry.kind = consensus::EntryKind::kBatch;
  entry.payload = consensus::Payload(std::move(payload));
  entry.chain = consensus::ExtendChain(before, entry);
  disk.Submit(
      {.seq = disk.durable() + 1, .hard_state = {}, .truncate_from = {}, .entries = {entry}});
  disk.Complete();
  cluster->Restart(1);
  cluster->WaitForLeader();
}

std::string BatchOfOne(const UnitFacts& facts, int64_t clock_ms) {
  const std::string bytes = Set("a", "1");
  resp::Limits limits;
  resp::RequestParser parser(&limits);
  EXPECT_EQ(parser.Parse(bytes), resp::RequestParser::Status::kRequest);
  BatchBuilder builder;
  builder.Add(parser.request(), facts);
  return builder.Finish(clock_ms, 1);
}

struct NodeDeathTest : testing::Test {
  NodeDeathTest() {
    NodeOptions options;
    options.fatal = &EndWithReason;
    cluster.emplace(1, options);
    cluster->WaitForLeader();
  }
  std::optional<TestCluster> cluster;
};

TEST_F(NodeDeathTest, StopsAtABatchThatANewerVersionHasWritten) {
  const std::string plain = BatchOfOne({}, 1);
  std::string newer = plain;
  newer[0] = 3;
  const char* const kText = "written by a newer version.*Nothing is damaged";
  EXPECT_EXIT(ApplyAtAStart(&*cluster, newer), testing::ExitedWithCode(1), kText);
  EXPECT_EXIT(ApplyAtAStart(&*cluster, plain + "x"), testing::ExitedWithCode(1),
              "holds no batch of commands");
  EXPECT_EXIT(ApplyAtAStart(&*cluster, BatchOfOne({.user = 1}, 1)), testing::ExitedWithCode(1),
              kText)
      << "what the format can say and this version does not know how to apply";
  ApplyAtAStart(&*cluster, plain);
  EXPECT_EQ(cluster->node(1).keys().key_count(), 1u);
}

// A downgrade: the log has the entry that has raised the level.
TEST_F(NodeDeathTest, StopsWhereTheClusterIsAtALevelThatItDoesNotKnow) {
  NodeOptions options;
  options.feature_level_known = 2;
  options.raft.feature_level = 2;
  options.fatal = &EndWithReason;
  cluster.emplace(1, options);
  cluster->WaitForLeader();
  for (int ticks = 0; ticks < 10; ++ticks) cluster->Tick();
  ASSERT_EQ(cluster->node(1).feature_level(), 2u);
  cluster->member(1).options.feature_level_known = 1;
  cluster->member(1).options.raft.feature_level = 1;
  const auto restart = [&] {
    cluster->Restart(1);
    cluster->WaitForLeader();
  };
  EXPECT_EXIT(restart(), testing::ExitedWithCode(1),
              "at feature level 2, and this version of Quorate knows levels up to 1");
}

TEST_F(NodeDeathTest, TheLogsClockNeverGoesBack) {
  const int64_t ahead = 4'000'000'000'000;
  ApplyAtAStart(&*cluster, BatchOfOne({}, ahead));
  EXPECT_EQ(cluster->node(1).keys().clock_ms(), ahead);
  ApplyAtAStart(&*cluster, BatchOfOne({}, 1'800'000'000'000));
  EXPECT_EQ(cluster->node(1).keys().clock_ms(), ahead);
}

}  // namespace
}  // namespace quorate
