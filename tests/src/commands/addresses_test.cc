// The addresses that clients are told: where the members really are, and where that client reaches
// them.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "consensus/configuration.h"
#include "src/node/told_host.h"
#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

std::string Bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}

class ToldAddresses : public testing::Test {
 protected:
  ToldAddresses() {
    cluster_.MakeLeader(2);
    // Until the leader has told the others whom to offer.
    for (int ticks = 0; ticks < 100; ++ticks) cluster_.Tick();
  }

  // Of a client that has connected to that address.
  std::string Ask(uint64_t member, const std::string& to,
                  const std::vector<std::string_view>& request) {
    return TestClient(cluster_, member, "10.9.9.9:50001", to).Call(request);
  }

  TestCluster cluster_{3};
};

// All members have loopback addresses, so they are on one machine. Its own clients reach them
// there; others do by the address that they have used.
TEST_F(ToldAddresses, LoopbackAddressesAreForClientsOnThisMachine) {
  for (const std::string to : {"127.0.0.1:7001", "127.0.0.9:7001", "[::1]:7001", "?:0"}) {
    EXPECT_EQ(Ask(1, to, {"SET", "foo", "1"}), "-MOVED 12182 127.0.0.1:7002\r\n") << to;
    EXPECT_NE(Ask(1, to, {"CLUSTER", "SLOTS"}).find(Bulk("127.0.0.1") + ":7002\r\n"),
              std::string::npos)
        << to;
  }
  for (const auto& [to, host] :
       {std::pair("10.0.0.1:7001", "10.0.0.1"), std::pair("[fd00::2]:7001", "fd00::2")}) {
    EXPECT_EQ(Ask(1, to, {"SET", "foo", "1"}), "-MOVED 12182 " + std::string(host) + ":7002\r\n");
    const std::string slots = Ask(1, to, {"CLUSTER", "SLOTS"});
    for (const char* port : {"7001", "7002", "7003"}) {
      EXPECT_NE(slots.find(Bulk(host) + ":" + port + "\r\n"), std::string::npos) << slots;
    }
    const std::string shards = Ask(1, to, {"CLUSTER", "SHARDS"});
    EXPECT_NE(shards.find(Bulk("ip") + Bulk(host) + Bulk("endpoint") + Bulk(host)),
              std::string::npos)
        << shards;
    const std::string nodes = Ask(1, to, {"CLUSTER", "NODES"});
    EXPECT_NE(nodes.find(" " + std::string(host) + ":7002@17002 "), std::string::npos) << nodes;
    EXPECT_EQ(FieldOf(Ask(1, to, {"INFO", "replication"}), "master_host"), host);
    EXPECT_EQ(FieldOf(Ask(2, to, {"INFO", "replication"}), "slave0")
                  .find("ip=" + std::string(host) + ",port=7001,"),
              0U);
    EXPECT_EQ(Ask(1, to, {"ROLE"}).find("*5\r\n$5\r\nslave\r\n" + Bulk(host)), 0U);
    EXPECT_NE(Ask(2, to, {"ROLE"}).find("*3\r\n" + Bulk(host) + Bulk("7001")), std::string::npos);
    for (const std::string& told : {slots, shards, nodes}) {
      EXPECT_EQ(told.find("127.0.0.1"), std::string::npos) << told;
    }
  }
}

// The leader has moved, and no entry says so yet: perhaps it cannot be committed.
TEST_F(ToldAddresses, ARedirectionGoesToWhereTheLeaderWasFound) {
  cluster_.node(1).PeerFound({2, "10.0.0.2", 7999, 17999}, "10.0.0.1");
  const std::string to = "10.0.0.1:7001";
  EXPECT_EQ(Ask(1, to, {"SET", "foo", "1"}), "-MOVED 12182 10.0.0.2:7999\r\n");
  EXPECT_NE(Ask(1, to, {"CLUSTER", "SLOTS"}).find(Bulk("10.0.0.2") + ":7999\r\n"),
            std::string::npos);
  // It knows its own address, which nobody else decides.
  cluster_.node(1).PeerFound({1, "10.0.0.3", 7998, 17998}, "10.0.0.1");
  EXPECT_EQ(Ask(1, to, {"CLUSTER", "NODES"}).find("10.0.0.3"), std::string::npos);
}

// A node alone, which listens on all addresses: it knows none to tell.
class UnknownHost : public testing::Test {
 protected:
  UnknownHost() {
    TestMember& member = cluster_.member(1);
    member.options.self.host.clear();
    member.state.BeginWith({{1, "", 7001, 17001}});
    cluster_.Restart(1);
    EXPECT_EQ(cluster_.WaitForLeader(), 1U);
  }
  std::string Ask(const std::vector<std::string_view>& request) {
    return TestClient(cluster_, 1, "10.9.9.9:50001", "10.0.0.1:7001").Call(request);
  }
  std::string NotedAddress() {
    return consensus::DecodeConfiguration(cluster_.node(1).keys().configuration())
        ->members.front()
        .address;
  }

  TestCluster cluster_{1};
};

TEST_F(UnknownHost, IsTheAddressThatTheClientUsed) {
  const std::string slots = Ask({"CLUSTER", "SLOTS"});
  EXPECT_EQ(slots.find("*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n" + Bulk("") + ":7001\r\n"), 0U) << slots;
  EXPECT_NE(Ask({"CLUSTER", "SHARDS"}).find(Bulk("ip") + Bulk("") + Bulk("endpoint") + Bulk("")),
            std::string::npos);
  EXPECT_NE(Ask({"CLUSTER", "NODES"}).find(" :7001@17001 myself,master "), std::string::npos);
  EXPECT_EQ(NotedAddress(), ":7001@17001");
}

TEST_F(UnknownHost, IsLearntFromTheFirstConnectionToAnother_AndNoted) {
  cluster_.node(1).PeerFound({2, "10.0.0.2", 7002, 17002}, "10.0.0.1");
  EXPECT_NE(Ask({"CLUSTER", "SLOTS"}).find(Bulk("10.0.0.1") + ":7001\r\n"), std::string::npos);
  // Another interface is no reason to change it.
  cluster_.node(1).PeerFound({3, "10.1.0.3", 7003, 17003}, "10.1.0.1");
  for (int ticks = 0; ticks < 300 && NotedAddress().front() == ':'; ++ticks) cluster_.Tick();
  EXPECT_EQ(NotedAddress(), "10.0.0.1:7001@17001");
}

TEST(ReachableHost, IsNeverUnknownWhereTheClientsConnectionIsKnown) {
  const resp::Limits limits;
  const Session client(1, "10.9.9.9:1", "10.0.0.1:7001", &limits);
  const Session local(2, "127.0.0.1:1", "[::1]:7001", &limits);
  const Session lost(3, "?:0", "?:0", &limits);
  EXPECT_EQ(client.local_host(), "10.0.0.1");
  EXPECT_EQ(local.local_host(), "::1");
  EXPECT_EQ(lost.local_host(), "");

  const Member unknown = {1, "", 7001, 17001};
  EXPECT_EQ(ToldHost(client, unknown), "");
  EXPECT_EQ(ReachableHost(client, unknown), "10.0.0.1");
  EXPECT_EQ(ReachableHost(local, unknown), "::1");
  EXPECT_EQ(ReachableHost(lost, unknown), "");
  for (const char* loopback : {"127.0.0.1", "127.1.2.3", "localhost", "::1"}) {
    const Member member = {1, loopback, 7001, 17001};
    EXPECT_EQ(ToldHost(client, member), "10.0.0.1");
    EXPECT_EQ(ReachableHost(client, member), "10.0.0.1");
    EXPECT_EQ(ToldHost(local, member), loopback);
    EXPECT_EQ(ToldHost(lost, member), loopback);
  }
  for (const char* host : {"10.0.0.7", "name", "fd00::7"}) {
    const Member member = {1, host, 7001, 17001};
    EXPECT_EQ(ToldHost(client, member), host);
    EXPECT_EQ(ReachableHost(local, member), host);
  }
}

}  // namespace
}  // namespace quorate
