// What a node has a limit for: its memory, its disk, what is in flight.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "src/node/node.h"
#include "tests/src/node/client_requests.h"
#include "tests/src/node/node_support.h"

namespace quorate {
namespace {

// What comes while a commit is under way travels as one entry, unless it is large.
TEST(Node, SmallBatchesWaitForTheCommitUnderWay) {
  NodeOptions options;
  options.batch_bytes_wait_max = 1000;
  TestCluster cluster(3, options);
  cluster.MakeLeader(1);
  cluster.Steps(kSettle);
  auto client = cluster.Connect(1);
  const auto last = [&] { return cluster.node(1).raft().last_log_index(); };
  cluster.member(1).connected = false;
  const auto before = last();
  for (int i = 0; i < 5; ++i) {
    cluster.Send(1, *client, Set("a", std::to_string(i)));
    cluster.Steps(1);
  }
  EXPECT_EQ(last(), before + 1);
  cluster.Send(1, *client, Set("a", std::string(1000, 'x')));
  cluster.Steps(1);
  EXPECT_EQ(last(), before + 2);
  cluster.Send(1, *client, Set("a", "after"));
  cluster.Steps(1);
  EXPECT_EQ(last(), before + 2);
  cluster.member(1).connected = true;
  for (int ticks = 0; ticks < 100; ++ticks) cluster.Tick();
  EXPECT_EQ(last(), before + 3);
  EXPECT_EQ(TestCluster::Replies(*client), "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
}

TEST(Node, StopsApplyingWhileTheMemtableIsFullAndGoesOnAfterACheckpoint) {
  NodeOptions options;
  options.key_space.memtable_keys_max = 4;
  options.checkpoint_interval_ms = 1'000'000;
  TestCluster cluster(1, options);
  cluster.WaitForLeader();
  auto client = cluster.Connect(1);
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    cluster.Send(1, *client, Set("key" + std::to_string(i), "x"));
    cluster.Steps(2);
    expected += kOk;
  }
  cluster.Steps(kSettle);
  std::string replies = TestCluster::Replies(*client);
  EXPECT_LT(replies.size(), expected.size()) << "the checkpoint is not finished";
  for (int i = 0; i < 20; ++i) {
    cluster.member(1).state.Finish();
    cluster.Steps(kSettle);
    replies += TestCluster::Replies(*client);
  }
  EXPECT_EQ(replies, expected);
  EXPECT_EQ(cluster.node(1).keys().key_count(), 20u);
}

TEST(Node, ClientsWaitWhileTooMuchIsInFlight) {
  NodeOptions options;
  options.inflight_bytes_max = 1000;
  TestCluster cluster(1, options);
  cluster.WaitForLeader();
  cluster.member(1).disk_works = false;
  auto client = cluster.Connect(1);
  std::string requests;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    requests += Set("key", std::string(100, 'x'));
    expected += kOk;
  }
  cluster.Send(1, *client, requests);
  EXPECT_FALSE(cluster.member(1).dispatcher->MayRead(*client));
  EXPECT_LT(client->replies.waiting(), 20u);
  cluster.member(1).disk_works = true;
  for (int i = 0; i < 50; ++i) {
    cluster.Steps(kSettle);
    cluster.member(1).dispatcher->Resume(*client);
  }
  EXPECT_EQ(TestCluster::Replies(*client), expected);
}

// Reads that cannot be proven, or wait behind a write, and what waits for a leader.
TEST(Node, ClientsWaitWhileTooManyReadsAreKept) {
  NodeOptions options;
  options.inflight_bytes_max = 1000;
  options.request_timeout_ms = 200;
  TestCluster cluster(3, options);
  cluster.MakeLeader(1);
  const std::string key(100, 'k');
  const auto fill = [&](Session& session) {
    size_t accepted = 0;
    while (accepted < 100 && cluster.member(1).dispatcher->MayRead(session)) {
      cluster.Send(1, session, Get(key));
      cluster.Step();
      ++accepted;
    }
    return accepted;
  };
  const auto answers = [](Session& session) {
    const std::string replies = TestCluster::Replies(session);
    return static_cast<size_t>(std::ranges::count(replies, '\n'));
  };
  cluster.member(1).connected = false;
  auto reader = cluster.Connect(1);
  size_t accepted = fill(*reader);
  EXPECT_LT(accepted, 20U) << "unproven";
  for (int ticks = 0; ticks < 30; ++ticks) cluster.Tick();
  EXPECT_EQ(answers(*reader), accepted);

  auto writer = cluster.Connect(1);
  cluster.Send(1, *writer, Set(key, ""));
  accepted = fill(*writer);
  EXPECT_LT(accepted, 20U) << "in the write's batch";
  while (cluster.node(1).raft().leader()) cluster.Tick();
  cluster.Step();
  EXPECT_EQ(fill(*reader), 0U) << "those wait for a leader now";
  cluster.member(1).connected = true;
  cluster.WaitForLeader();
  for (int ticks = 0; ticks < 30; ++ticks) cluster.Tick();
  EXPECT_EQ(answers(*writer), accepted + 1);
  EXPECT_EQ(cluster.node(1).requests_in_flight(), 0U);

  EXPECT_TRUE(cluster.member(1).dispatcher->MayRead(*reader)) << "and nothing is left over";
  cluster.MakeLeader(1);
  auto other = cluster.Connect(1);
  for (int i = 0; i < 100; ++i) {
    cluster.Send(1, *other, Set(key, "") + Get(key));
    cluster.Steps(kSettle);
    ASSERT_TRUE(cluster.member(1).dispatcher->MayRead(*other));
  }
}

// Followers that answer, and whose disks stand still: the leader stays leader, and nothing is
// committed. What its clients have given up waiting for is in its log all the same.
TEST(Node, RefusesWritesWhenTooManyThatNobodyWaitsForAreUnconfirmed) {
  NodeOptions options;
  options.inflight_bytes_max = 1000;
  options.batch_bytes_wait_max = 0;
  options.request_timeout_ms = 200;
  TestCluster cluster(3, options);
  cluster.MakeLeader(1);
  cluster.Steps(kSettle);
  cluster.member(2).disk_works = false;
  cluster.member(3).disk_works = false;
  auto client = cluster.Connect(1);
  const auto last = [&] { return cluster.node(1).raft().last_log_index(); };
  const auto write = [&](int ticks) {
    while (ticks-- > 0) {
      if (cluster.member(1).dispatcher->MayRead(*client)) {
        cluster.Send(1, *client, Set("a", std::string(100, 'x')));
      }
      cluster.Tick();
    }
  };
  write(200);
  EXPECT_TRUE(TestCluster::Replies(*client).starts_with("-UNKNOWN "));
  const auto before = last();
  write(200);
  EXPECT_EQ(last(), before);
  EXPECT_TRUE(TestCluster::Replies(*client).starts_with("-CLUSTERDOWN Writes are not confirmed"));
  // This client's reads wait for its writes. Others are served.
  auto other = cluster.Connect(1);
  cluster.Send(1, *other, Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*other), "$-1\r\n");
  EXPECT_EQ(cluster.WaitForLeader(), 1U);

  cluster.member(2).disk_works = true;
  cluster.Steps(kSettle);
  EXPECT_EQ(cluster.node(1).raft().commit_index(), before);
  for (int i = 0; i < 20; ++i) {
    cluster.Send(1, *client, Set("a", std::string(200, 'y')));
    cluster.Steps(kSettle);
    EXPECT_EQ(TestCluster::Replies(*client), kOk);
  }
}

TEST(Node, TrimsTheLogBehindTheCheckpointButForItsLastEntries) {
  NodeOptions options;
  options.checkpoint_interval_ms = 0;
  options.backlog_entries = 3;
  TestCluster cluster(1, options);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  const auto write = [&](int times) {
    for (int i = 0; i < times; ++i) {
      cluster.Send(1, *client, Set("a", std::to_string(i)));
      for (int ticks = 0; ticks < 10; ++ticks) cluster.Tick();
    }
  };
  // No checkpoint is finished: a restart would need all of it.
  write(8);
  EXPECT_EQ(cluster.member(1).disk.trimmed(), consensus::Index());
  cluster.member(1).state.Finish();
  write(1);
  const auto checkpoint = cluster.node(1).keys().checkpoint_index();
  EXPECT_GT(checkpoint, consensus::Index());
  for (int i = 0; i < 5; ++i) {
    cluster.member(1).state.Finish();
    write(1);
  }
  const auto last = cluster.node(1).raft().last_log_index();
  EXPECT_EQ(cluster.member(1).disk.trimmed(), last - 3);
  EXPECT_EQ(cluster.node(1).raft().first_log_index(), last - 2);
}

TEST(Node, SavesAtOnceWhatItHadToApplyAgain) {
  NodeOptions options;
  options.checkpoint_interval_ms = 1'000'000;
  TestCluster cluster(1, options);
  cluster.MakeLeader(1);
  TestMember& member = cluster.member(1);
  for (int lives = 0; lives < 3; ++lives) {
    auto client = cluster.Connect(1);
    cluster.Send(1, *client, Set("a", "1"));
    cluster.Steps(kSettle);
    ASSERT_EQ(TestCluster::Replies(*client), kOk);
    ASSERT_FALSE(member.state.checkpoint_started()) << "the interval is not over";
    const consensus::Index end = member.node->keys().last_applied();

    cluster.Restart(1);
    ASSERT_LT(member.node->keys().last_applied(), end);
    cluster.WaitForLeader();
    cluster.Steps(kSettle);
    ASSERT_TRUE(member.state.checkpoint_started());
    member.state.Finish();
    cluster.Steps(kSettle);
    EXPECT_GE(member.node->keys().checkpoint_index(), end);
  }
}

constexpr const char* kDiskFull =
    "-MISCONF No space left on this node's disk: write commands are refused until there is "
    "some\r\n";

TEST(Node, RefusesWritesBeforeTheLogWhileTheDiskIsFullAndGoesOnReading) {
  TestCluster cluster(1);
  cluster.WaitForLeader();
  TestMember& member = cluster.member(1);
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  ASSERT_EQ(TestCluster::Replies(*client), kOk);
  const consensus::Index last = member.node->raft().last_log_index();

  member.disk.room = 0;
  cluster.Send(1, *client, Set("a", "2") + Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), std::string(kDiskFull) + "$1\r\n1\r\n");
  EXPECT_EQ(member.node->raft().last_log_index(), last);

  // Room for something, but not for this: the log's own needs come first.
  member.disk.room = 2 << 20;
  cluster.Send(1, *client, Set("a", std::string(1 << 20, 'x')) + Set("a", "3") + Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), std::string(kDiskFull) + kOk + "$1\r\n3\r\n");

  member.state.full = true;
  cluster.Send(1, *client, Set("a", "4") + Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), std::string(kDiskFull) + "$1\r\n3\r\n");

  member.disk.room = std::numeric_limits<size_t>::max();
  member.state.full = false;
  cluster.Send(1, *client, Set("a", "5"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), kOk);
}

// What is in flight will take its space before a new write does.
TEST(Node, CountsWhatIsInFlightAgainstTheDisksRoom) {
  TestCluster cluster(1);
  cluster.WaitForLeader();
  TestMember& member = cluster.member(1);
  member.disk_works = false;
  member.disk.room = 3 << 20;
  auto client = cluster.Connect(1);
  const std::string half = Set("a", std::string(512 << 10, 'x'));
  for (int i = 0; i < 3; ++i) {
    cluster.Send(1, *client, half);
    cluster.Steps(kSettle);
  }
  member.disk_works = true;
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), std::string(kOk) + kOk + kDiskFull);
}

TEST(Node, HandsOverWhenItsDiskIsFull) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  cluster.member(1).disk.room = 0;
  cluster.Steps(kSettle);
  for (int ticks = 0; ticks < 10; ++ticks) cluster.Tick();
  const uint64_t leader = cluster.WaitForLeader();
  EXPECT_NE(leader, 1U);
  auto client = cluster.Connect(leader);
  cluster.Send(leader, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), kOk);
}

// Nobody could take over at first: what is in flight is on no other disk.
TEST(Node, HandsOverAgainWhenItWasInVain) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  for (uint64_t id : {2, 3}) cluster.member(id).disk_works = false;
  auto client = cluster.Connect(1);
  cluster.Send(1, *client, Set("a", "1"));
  cluster.Steps(kSettle);
  cluster.member(1).disk.room = 0;
  for (int ticks = 0; ticks < 80; ++ticks) cluster.Tick();
  EXPECT_TRUE(cluster.node(1).raft().is_leader());
  for (uint64_t id : {2, 3}) cluster.member(id).disk_works = true;
  for (int ticks = 0; ticks < 120; ++ticks) cluster.Tick();
  EXPECT_NE(cluster.WaitForLeader(), 1U);
}

// All disks were full, and those of the others are no more.
TEST(Node, HandsOverWhenAnotherDiskHasSpaceAgain) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  for (uint64_t id : {2, 3}) cluster.member(id).disk.room = 0;
  for (int ticks = 0; ticks < 20; ++ticks) cluster.Tick();
  cluster.member(1).disk.room = 0;
  for (int ticks = 0; ticks < 200; ++ticks) cluster.Tick();
  EXPECT_EQ(cluster.WaitForLeader(), 1U);
  cluster.member(3).disk.room = std::numeric_limits<size_t>::max();
  for (int ticks = 0; ticks < 110; ++ticks) cluster.Tick();
  EXPECT_EQ(cluster.WaitForLeader(), 3U);
  // Back and forth, as often as it takes.
  cluster.member(1).disk.room = std::numeric_limits<size_t>::max();
  cluster.member(3).disk.room = 0;
  for (int ticks = 0; ticks < 110; ++ticks) cluster.Tick();
  EXPECT_EQ(cluster.WaitForLeader(), 1U);
}

// Where the disks of all are nearly full, each would be too full for what the others send it away
// for.
TEST(Node, DoesNotHandOverToOneWithLittleRoom) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  for (uint64_t id : {2, 3}) cluster.member(id).disk.room = 1 << 20;
  for (int ticks = 0; ticks < 20; ++ticks) cluster.Tick();
  cluster.member(1).disk.room = 0;
  for (int ticks = 0; ticks < 300; ++ticks) cluster.Tick();
  EXPECT_EQ(cluster.WaitForLeader(), 1U);
}

// Its log is well, so Raft sees nothing; but nothing is applied any more, so nobody is answered.
TEST(Node, HandsOverWhenACheckpointHoldsUpApplying) {
  NodeOptions options;
  options.key_space.memtable_keys_max = 4;
  TestCluster cluster(3, options);
  cluster.MakeLeader(1);
  auto client = cluster.Connect(1);
  for (int i = 0; i < 20; ++i) cluster.Send(1, *client, Set("key" + std::to_string(i), "1"));
  cluster.Steps(kSettle);
  ASSERT_TRUE(cluster.member(1).state.checkpoint_started());
  // A round's commands are one entry: what follows it finds the memory full.
  for (int i = 20; i < 40; ++i) {
    cluster.Send(1, *client, Set("key" + std::to_string(i), "1"));
    cluster.Step();
    for (uint64_t id : {2, 3}) cluster.member(id).state.Finish();
  }
  EXPECT_LT(cluster.node(1).keys().last_applied(), cluster.node(1).raft().commit_index());
  for (uint32_t ticks = 0; ticks < 2 * options.raft.disk_stall_ticks; ++ticks) {
    cluster.Tick();
    for (uint64_t id : {2, 3}) cluster.member(id).state.Finish();
  }
  const uint64_t leader = cluster.WaitForLeader();
  EXPECT_NE(leader, 1U);
  auto other = cluster.Connect(leader);
  cluster.Send(leader, *other, Set("a", "1"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*other), kOk);
}

// With no healthy member to hand over to, leadership does not go round and round, and reads go on.
TEST(Node, KeepsLeadershipWhenAllDisksAreFull) {
  TestCluster cluster(3);
  cluster.MakeLeader(1);
  for (uint64_t id : {1, 2, 3}) cluster.member(id).disk.room = 0;
  for (int ticks = 0; ticks < 200; ++ticks) cluster.Tick();
  const uint64_t leader = cluster.WaitForLeader();
  const consensus::Term term = cluster.node(leader).raft().current_term();
  for (int ticks = 0; ticks < 1000; ++ticks) cluster.Tick();
  EXPECT_EQ(cluster.WaitForLeader(), leader);
  EXPECT_EQ(cluster.node(leader).raft().current_term(), term);
  auto client = cluster.Connect(leader);
  cluster.Send(leader, *client, Set("a", "1") + Get("a"));
  cluster.Steps(kSettle);
  EXPECT_EQ(TestCluster::Replies(*client), std::string(kDiskFull) + "$-1\r\n");
}

}  // namespace
}  // namespace quorate
