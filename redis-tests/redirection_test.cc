// What each node says when it may not answer, and that a follower's own answers are never old.

#include <string>

#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/key_slot.h"
#include "redis-tests/support/raw_connection.h"

namespace quorate::redis_tests {

namespace {

class Redirection : public ClusterTest {
 protected:
  Reply MovedFor(const std::string& key) {
    return Error("MOVED " + std::to_string(KeySlot(key)) +
                 " 127.0.0.1:" + std::to_string(cluster().port(leader())));
  }
  // A connection to a node on which reads are answered by that node itself.
  Client ReadonlyClient(int id) {
    Client client(cluster().port(id));
    EXPECT_EQ(client.Command({"READONLY"}), Status("OK"));
    return client;
  }
};

TEST_F(Redirection, AFollowerSendsEachKeyToTheLeaderWithTheKeysOwnSlot) {
  for (int id = 1; id <= cluster().size(); ++id) {
    if (id == leader()) {
      continue;
    }
    Client client(cluster().port(id));
    for (int i = 0; i < 200; ++i) {
      const std::string key = Key(std::to_string(i));
      ASSERT_EQ(client.Command({"SET", key, "v"}), MovedFor(key));
      ASSERT_EQ(client.Command({"GET", key}), MovedFor(key));
    }
    for (const std::string key : {"{}a", "a{b}c", "a{b", "{{a}}", "", "{a}{b}"}) {
      EXPECT_EQ(client.Command({"GET", key}), MovedFor(key)) << key;
    }
    EXPECT_EQ(client.Command({"DEL", Key("a"), Key("b")}), MovedFor(Key("a")));
    EXPECT_EQ(client.Command({"MSET", Key("b"), "1", Key("a"), "2"}), MovedFor(Key("b")));
  }
  EXPECT_EQ(LeaderClient().Command({"EXISTS", Key("0"), Key("199")}), Integer(0))
      << "a redirected write was executed";
}

TEST_F(Redirection, CommandsWithoutKeysAreAnsweredByEveryNode) {
  for (int id = 1; id <= cluster().size(); ++id) {
    Client client(cluster().port(id));
    EXPECT_EQ(client.Command({"PING"}), Status("PONG"));
    EXPECT_EQ(client.Command({"ECHO", "x"}), Text("x"));
    EXPECT_EQ(client.Command({"INFO"}).kind, Reply::Kind::kString);
    EXPECT_EQ(client.Command({"CLUSTER", "SLOTS"}).kind, Reply::Kind::kArray);
    EXPECT_EQ(client.Command({"CLUSTER", "KEYSLOT", "a"}), Integer(KeySlot("a")));
  }
}

// Linearizability across connections: the write's acknowledgement came before the read was sent.
TEST_F(Redirection, AReadonlyFollowerAlwaysReadsTheLatestAcknowledgedWrite) {
  Client writer = LeaderClient();
  for (int id = 1; id <= cluster().size(); ++id) {
    Client reader = ReadonlyClient(id);
    for (int i = 0; i < 300; ++i) {
      const std::string value = std::to_string(id) + ":" + std::to_string(i);
      ASSERT_EQ(writer.Command({"SET", Key("a"), value}), Status("OK"));
      ASSERT_EQ(reader.Command({"GET", Key("a")}), Text(value));
    }
  }
}

TEST_F(Redirection, AReadonlyFollowerAnswersEveryReadingCommand) {
  LeaderClient().Command({"MSET", Key("a"), "1", Key("b"), "22"});
  Client client = ReadonlyClient(follower());
  EXPECT_EQ(client.Command({"GET", Key("b")}), Text("22"));
  EXPECT_EQ(client.Command({"MGET", Key("a"), Key("no")}), Array({Text("1"), Nil()}));
  EXPECT_EQ(client.Command({"EXISTS", Key("a"), Key("b")}), Integer(2));
  EXPECT_EQ(client.Command({"STRLEN", Key("b")}), Integer(2));
  EXPECT_EQ(client.Command({"DBSIZE"}), LeaderClient().Command({"DBSIZE"}));
}

TEST_F(Redirection, AReadonlyFollowerRedirectsWritesAndReadwriteEndsReadonly) {
  Client client = ReadonlyClient(follower());
  EXPECT_EQ(client.Command({"GET", Key("a")}), Nil());
  EXPECT_EQ(client.Command({"SET", Key("a"), "1"}), MovedFor(Key("a")));
  EXPECT_EQ(client.Command({"READWRITE"}), Status("OK"));
  EXPECT_EQ(client.Command({"GET", Key("a")}), MovedFor(Key("a")));
}

TEST_F(Redirection, APipelineOfReadonlyReadsIsAnsweredInOrder) {
  Client writer = LeaderClient();
  for (int i = 0; i < 1'000; ++i) {
    writer.Append({"SET", Key(std::to_string(i)), std::to_string(i)});
  }
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(writer.Read(), Status("OK"));
  }
  Client reader = ReadonlyClient(follower());
  for (int i = 0; i < 1'000; ++i) {
    reader.Append({"GET", Key(std::to_string(i))});
  }
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(reader.Read(), Text(std::to_string(i)));
  }
}

TEST_F(Redirection, ClusterFailoverOnAFollowerMakesItTheLeader) {
  LeaderClient().Command({"SET", Key("a"), "1"});
  const int chosen = follower();
  EXPECT_EQ(Client(cluster().port(chosen)).Command({"CLUSTER", "FAILOVER"}), Status("OK"));
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return cluster().WaitForLeader() == chosen; }));
  Client client(cluster().port(chosen));
  EXPECT_EQ(client.Command({"GET", Key("a")}), Text("1"));
  EXPECT_EQ(client.Command({"SET", Key("a"), "2"}), Status("OK"));
  EXPECT_TRUE(LeaderClient().Command({"GET", Key("a")}).IsError("MOVED")) << "the old leader";
}

TEST_F(Redirection, ClusterFailoverOnTheLeaderIsRefused) {
  EXPECT_EQ(LeaderClient().Command({"CLUSTER", "FAILOVER"}),
            Error("ERR You should send CLUSTER FAILOVER to a replica"));
}

// Without a majority nothing can be known to be the latest: no read may be answered with a value,
// and no write with OK.
TEST_F(Redirection, WithoutAMajorityThereAreErrorsAndNeverValues) {
  ASSERT_EQ(LeaderClient().Command({"SET", Key("a"), "1"}), Status("OK"));
  Client old_connection = LeaderClient();
  for (int id = 1; id <= cluster().size(); ++id) {
    if (id != leader()) {
      cluster().Kill9(id);
    }
  }
  // What the lonely leader already has in hand fails too, whenever it notices that it is alone.
  const Reply first_read = old_connection.Command({"GET", Key("a")});
  EXPECT_TRUE(first_read.IsError("CLUSTERDOWN")) << first_read;
  const Reply first_write = old_connection.Command({"SET", Key("a"), "2"});
  EXPECT_TRUE(first_write.IsError("CLUSTERDOWN") || first_write.IsError("UNKNOWN")) << first_write;
  Client client = LeaderClient();
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    return client.Command({"SET", Key("b"), "1"}).IsError("CLUSTERDOWN");
  }));
  for (const Arguments& command :
       {Arguments{"GET", Key("a")}, Arguments{"MGET", Key("a"), Key("b")},
        Arguments{"EXISTS", Key("a")}, Arguments{"DEL", Key("a")}}) {
    const Reply reply = client.Command(command);
    EXPECT_TRUE(reply.IsError("CLUSTERDOWN")) << command[0] << ": " << reply;
  }
  client.Command({"READONLY"});
  EXPECT_TRUE(client.Command({"GET", Key("a")}).IsError("CLUSTERDOWN"));
  EXPECT_EQ(client.Command({"PING"}), Status("PONG"));
  EXPECT_EQ(Field(client.Command({"CLUSTER", "INFO"}).text, "cluster_state"), "fail");
  // An empty list of slots would leave redis-py and node-redis with no node to ask ever again.
  EXPECT_TRUE(client.Command({"CLUSTER", "SLOTS"}).IsError("CLUSTERDOWN"));

  ASSERT_TRUE(cluster().Heal());
  Client healed(cluster().port(cluster().WaitForLeader()));
  const Reply value = healed.Command({"GET", Key("a")});
  EXPECT_TRUE(value == Text("1") || (value == Text("2") && first_write.IsError("UNKNOWN")))
      << value;
  EXPECT_EQ(healed.Command({"SET", Key("a"), "3"}), Status("OK"));
}

// The old leader sleeps through the election of another; the read that waits in its socket must not
// be answered from the state that it remembers.
TEST_F(Redirection, ALeaderThatWakesUpDeposedNeverAnswersOldValues) {
  const int old_leader = leader();
  ASSERT_EQ(LeaderClient().Command({"SET", Key("a"), "old"}), Status("OK"));
  RawConnection waiting(cluster().port(old_leader));
  ASSERT_EQ(waiting.Command({"GET", Key("a")}), Text("old"));
  cluster().Pause(old_leader);
  const int new_leader = cluster().WaitForLeader();
  ASSERT_NE(new_leader, Cluster::kNoNode);
  ASSERT_EQ(Client(cluster().port(new_leader)).Command({"SET", Key("a"), "new"}), Status("OK"));
  waiting.SendCommand({"GET", Key("a")});
  waiting.SendCommand({"SET", Key("b"), "from the old leader"});
  waiting.SendCommand({"READONLY"});
  waiting.SendCommand({"GET", Key("a")});
  cluster().Resume(old_leader);
  const Reply read = waiting.Read();
  EXPECT_TRUE(read.IsError("MOVED") || read.IsError("CLUSTERDOWN")) << read;
  const Reply write = waiting.Read();
  EXPECT_TRUE(write.IsError("MOVED") || write.IsError("CLUSTERDOWN") || write.IsError("UNKNOWN"))
      << write;
  EXPECT_EQ(waiting.Read(), Status("OK"));
  const Reply readonly = waiting.Read();
  EXPECT_TRUE(readonly.IsError("MOVED") || readonly.IsError("CLUSTERDOWN") ||
              readonly == Text("new"))
      << readonly;
  if (!write.IsError("UNKNOWN")) {
    EXPECT_EQ(Client(cluster().port(cluster().WaitForLeader())).Command({"GET", Key("b")}), Nil());
  }
}

}  // namespace

}  // namespace quorate::redis_tests
