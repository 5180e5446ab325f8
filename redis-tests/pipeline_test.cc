// Many commands on one connection without waiting: replies in order, each reading what was written
// before.

#include <chrono>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/key_slot.h"
#include "redis-tests/support/raw_connection.h"

namespace quorate::redis_tests {

namespace {

constexpr int kPipelineLength = 1'000;

class Pipelines : public ClusterTest {};

TEST_F(Pipelines, AThousandWritesThenAThousandReads) {
  Client client = LeaderClient();
  for (int i = 0; i < kPipelineLength; ++i) {
    client.Append({"SET", Key(std::to_string(i)), std::to_string(i)});
  }
  for (int i = 0; i < kPipelineLength; ++i) {
    ASSERT_EQ(client.Read(), Status("OK")) << i;
  }
  for (int i = 0; i < kPipelineLength; ++i) {
    client.Append({"GET", Key(std::to_string(i))});
  }
  for (int i = 0; i < kPipelineLength; ++i) {
    ASSERT_EQ(client.Read(), Text(std::to_string(i)));
  }
}

// A GET sees the SET before it and not the one after it, although both are on their way together.
TEST_F(Pipelines, EachReadSeesExactlyTheWritesBeforeIt) {
  Client client = LeaderClient();
  for (int i = 0; i < kPipelineLength; ++i) {
    client.Append({"SET", Key("a"), std::to_string(i)});
    client.Append({"GET", Key("a")});
    client.Append({"GET", Key("a")});
  }
  for (int i = 0; i < kPipelineLength; ++i) {
    ASSERT_EQ(client.Read(), Status("OK")) << i;
    ASSERT_EQ(client.Read(), Text(std::to_string(i)));
    ASSERT_EQ(client.Read(), Text(std::to_string(i)));
  }
}

TEST_F(Pipelines, RepliesOfEveryKindKeepTheirOrder) {
  Client client = LeaderClient();
  for (int i = 0; i < kPipelineLength; ++i) {
    const std::string number = std::to_string(i);
    client.Append({"ECHO", number});           // answered without the data
    client.Append({"SET", Key("a"), number});  // a write
    client.Append({"NOSUCHCOMMAND"});          // an error
    client.Append({"GET", Key("a")});          // a read
    client.Append({"DEL", Key("a")});
    client.Append({"EXISTS", Key("a")});
  }
  for (int i = 0; i < kPipelineLength; ++i) {
    ASSERT_EQ(client.Read(), Text(std::to_string(i)));
    ASSERT_EQ(client.Read(), Status("OK")) << i;
    ASSERT_TRUE(client.Read().IsError("ERR")) << i;
    ASSERT_EQ(client.Read(), Text(std::to_string(i)));
    ASSERT_EQ(client.Read(), Integer(1)) << i;
    ASSERT_EQ(client.Read(), Integer(0)) << i;
  }
}

TEST_F(Pipelines, ManyConnectionsGetTheirOwnRepliesOnly) {
  constexpr int kConnections = 50;
  constexpr int kCommands = 40;
  std::vector<std::unique_ptr<Client>> clients;
  for (int c = 0; c < kConnections; ++c) {
    clients.push_back(std::make_unique<Client>(cluster().port(leader())));
  }
  for (int i = 0; i < kCommands; ++i) {
    for (int c = 0; c < kConnections; ++c) {
      const std::string value = std::to_string(c) + ":" + std::to_string(i);
      clients[static_cast<size_t>(c)]->Append({"SET", Key(std::to_string(c)), value});
      clients[static_cast<size_t>(c)]->Append({"GET", Key(std::to_string(c))});
    }
  }
  for (int c = 0; c < kConnections; ++c) {
    for (int i = 0; i < kCommands; ++i) {
      ASSERT_EQ(clients[static_cast<size_t>(c)]->Read(), Status("OK"));
      ASSERT_EQ(clients[static_cast<size_t>(c)]->Read(),
                Text(std::to_string(c) + ":" + std::to_string(i)));
    }
  }
}

TEST_F(Pipelines, MegabytesOfPipelinedValuesAreAnswered) {
  Client client = LeaderClient();
  constexpr int kValues = 24;
  const std::string value(1 << 20, 'v');
  for (int i = 0; i < kValues; ++i) {
    client.Append({"SET", Key(std::to_string(i)), value});
  }
  for (int i = 0; i < kValues; ++i) {
    ASSERT_EQ(client.Read(), Status("OK")) << i;
  }
  for (int i = 0; i < kValues; ++i) {
    client.Append({"GET", Key(std::to_string(i))});
  }
  for (int i = 0; i < kValues; ++i) {
    ASSERT_TRUE(client.Read() == Text(value)) << i;
  }
}

// A follower answers some of it itself and refuses the rest, in order.
TEST_F(Pipelines, AFollowersRefusalsKeepTheirPlaceInThePipeline) {
  Client client = FollowerClient();
  for (int i = 0; i < kPipelineLength; ++i) {
    client.Append({"ECHO", std::to_string(i)});
    client.Append({"GET", Key(std::to_string(i))});
  }
  for (int i = 0; i < kPipelineLength; ++i) {
    ASSERT_EQ(client.Read(), Text(std::to_string(i)));
    ASSERT_EQ(client.Read(), Error("MOVED " + std::to_string(KeySlot(Key(std::to_string(i)))) +
                                   " 127.0.0.1:" + std::to_string(cluster().port(leader()))));
  }
}

TEST_F(Pipelines, ARequestFedByteByByteIsTheSameRequest) {
  RawConnection connection(cluster().port(leader()));
  std::string request = EncodeCommand({"SET", Key("a"), std::string("\0\r\n$", 4)}) +
                        EncodeCommand({"GET", Key("a")}) + "PING\r\n";
  for (char c : request) {
    ASSERT_TRUE(connection.Send(std::string_view(&c, 1)));
  }
  EXPECT_EQ(connection.Read(), Status("OK"));
  EXPECT_EQ(connection.Read(), Text(std::string("\0\r\n$", 4)));
  EXPECT_EQ(connection.Read(), Status("PONG"));
}

TEST_F(Pipelines, AHalfClosedConnectionStillGetsItsReplies) {
  RawConnection connection(cluster().port(leader()));
  for (int i = 0; i < 100; ++i) {
    connection.SendCommand({"SET", Key(std::to_string(i)), "v"});
    connection.SendCommand({"GET", Key(std::to_string(i))});
  }
  connection.HalfClose();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(connection.Read(), Status("OK")) << i;
    ASSERT_EQ(connection.Read(), Text("v")) << i;
  }
  EXPECT_EQ(connection.ReadUntilClosed(), "");
}

TEST_F(Pipelines, QuitAnswersWhatCameBeforeItAndCloses) {
  RawConnection connection(cluster().port(leader()));
  connection.Send(EncodeCommand({"SET", Key("a"), "1"}) + EncodeCommand({"GET", Key("a")}) +
                  EncodeCommand({"QUIT"}) + EncodeCommand({"SET", Key("a"), "2"}));
  EXPECT_EQ(connection.ReadUntilClosed(), "+OK\r\n$1\r\n1\r\n+OK\r\n");
  EXPECT_EQ(LeaderClient().Command({"GET", Key("a")}), Text("1"));
}

// A client that leaves much unread makes those wait that are owed replies, too, but nobody else:
// not those whose writes had to wait until followers took more.
TEST(Waiting, ForTheNodeIsNotForTheRepliesOfOthers) {
  constexpr size_t kMebibyte = size_t{1} << 20;
  constexpr int kLargeValues = 90;  // more than all clients together may leave unread
  constexpr size_t kWriters = 40;   // more than may be in flight
  // Both long enough for the followers' pause.
  Cluster cluster({.flags = {"--election-timeout", "6000", "--request-timeout", "60000"}});
  ASSERT_TRUE(cluster.Start());
  const int leader = cluster.WaitForLeader();
  const std::string value(kMebibyte, 'v');
  Client control(cluster.port(leader));
  Arguments mget = {"MGET"};
  for (int i = 0; i < kLargeValues; ++i) {
    mget.push_back("large" + std::to_string(i));
    ASSERT_EQ(control.Command({"SET", mget.back(), value}), Status("OK"));
  }
  RawConnection reader(cluster.port(leader));
  ASSERT_TRUE(reader.SendCommand(mget));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return std::stoull(Field(control.Command({"INFO"}).text, "mem_clients_normal")) >
           70 * kMebibyte;
  }));

  for (int id = 1; id <= cluster.size(); ++id) {
    if (id != leader) cluster.Pause(id);
  }
  std::vector<std::future<Reply>> writers;
  for (size_t i = 0; i < kWriters; ++i) {
    writers.push_back(std::async(std::launch::async, [&, i] {
      RawConnection writer(cluster.port(leader));
      writer.SendCommand({"SET", "writer" + std::to_string(i), value});
      return writer.Read();
    }));
  }
  // By then the node reads from nobody any more. (Where it is slower, this proves less.)
  std::this_thread::sleep_for(std::chrono::seconds(2));
  for (int id = 1; id <= cluster.size(); ++id) {
    if (id != leader) cluster.Resume(id);
  }
  for (auto& writer : writers) EXPECT_EQ(writer.get(), Status("OK"));
  if (testing::Test::HasFailure()) cluster.PrintLogs(std::cerr);
}

}  // namespace

}  // namespace quorate::redis_tests
