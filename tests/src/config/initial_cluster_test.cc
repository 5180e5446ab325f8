// The members of a cluster: the directive initial-cluster, and what it must agree with.
#include "src/config/initial_cluster.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "src/config/config_completion.h"
#include "src/members/member_address.h"
#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

using Members = std::vector<Member>;

TEST(InitialCluster, TakesNamesAndAddresses) {
  const auto result = ParseInitialCluster(
      "3=[2001:db8::1]:7003,1=127.0.0.1:7001@8001,2=node-2.example.org:7002@17002");
  ASSERT_TRUE(std::holds_alternative<Members>(result)) << std::get<BadValue>(result).reason;
  EXPECT_EQ(std::get<Members>(result), (Members{{1, "127.0.0.1", 7001, 8001},
                                                {2, "node-2.example.org", 7002, 17002},
                                                {3, "2001:db8::1", 7003, 17003}}));
}

TEST(InitialCluster, MembersOnOneHostDifferByTheirPorts) {
  const auto result = ParseInitialCluster("1=h:7001,2=h:7002");
  EXPECT_TRUE(std::holds_alternative<Members>(result));
}

TEST(InitialCluster, HasABoundForItsMembers) {
  std::string text;
  for (size_t id = 1; id <= kMembersMax; ++id) {
    text += (id == 1 ? "" : ",") + std::to_string(id) + "=host" + std::to_string(id) + ":7001";
  }
  EXPECT_TRUE(std::holds_alternative<Members>(ParseInitialCluster(text)));
  const auto result = ParseInitialCluster(text + ",99=host99:7001");
  ASSERT_TRUE(std::holds_alternative<BadValue>(result));
  EXPECT_EQ(std::get<BadValue>(result).reason, "a cluster has at most 15 members");
}

struct BadCluster {
  std::string text;
  std::string reason;
};

TEST(InitialCluster, RefusesWhatCannotWork) {
  const std::vector<BadCluster> clusters = {
      {"", "member '': expected id=host:port or id=host:port@peer-port"},
      {"1=h:7001,", "member '': expected id=host:port or id=host:port@peer-port"},
      {"h:7001", "member 'h:7001': expected id=host:port or id=host:port@peer-port"},
      {"1=h", "member '1=h': expected id=host:port or id=host:port@peer-port"},
      {"1=@7", "member '1=@7': expected id=host:port or id=host:port@peer-port"},
      {"x=h:1", "member 'x=h:1': the id must be a number between 1 and 4294967295"},
      {"0=h:1", "member '0=h:1': the id must be a number between 1 and 4294967295"},
      {" 1=h:1", "member ' 1=h:1': the id must be a number between 1 and 4294967295"},
      {"4294967296=h:1",
       "member '4294967296=h:1': the id must be a number between 1 and 4294967295"},
      {"1=h:", "member '1=h:': the port must be a number between 1 and 65535"},
      {"1=h:0", "member '1=h:0': the port must be a number between 1 and 65535"},
      {"1=h:65536", "member '1=h:65536': the port must be a number between 1 and 65535"},
      {"1=h:1@", "member '1=h:1@': the peer port must be a number between 1 and 65535"},
      {"1=h:1@2@3", "member '1=h:1@2@3': the peer port must be a number between 1 and 65535"},
      {"1=h:55536",
       "member '1=h:55536': the peer port would be the port plus 10000, above 65535: "
       "give one, as in id=host:port@peer-port"},
      {"1=::1:7001", "member '1=::1:7001': an IPv6 address must be in brackets, as in [::1]:7001"},
      {"1=[::x]:7001", "member '1=[::x]:7001': '::x' is not an IPv6 address"},
      {"1=[127.0.0.1]:7001", "member '1=[127.0.0.1]:7001': '127.0.0.1' is not an IPv6 address"},
      {"1=:7001",
       "member '1=:7001': '' is not a host name or an address that others can connect "
       "to"},
      {"1=a b:7001",
       "member '1=a b:7001': 'a b' is not a host name or an address that others can "
       "connect to"},
      {"1=0.0.0.0:7001",
       "member '1=0.0.0.0:7001': '0.0.0.0' is not a host name or an address that others "
       "can connect to"},
      {"1=[::]:7001",
       "member '1=[::]:7001': '::' is not a host name or an address that others can "
       "connect to"},
      {"1=a:7001,2=b:7001,1=c:7001", "two members have the id 1"},
      {"1=h:7001,2=h:7001", "the address h:7001 is used twice"},
      {"1=h:7001,2=h:7002@17001", "the address h:17001 is used twice"},
      {"1=h:7001,2=h:17001", "the address h:17001 is used twice"},
      {"1=h:7001@7001", "the address h:7001 is used twice"}};
  for (const BadCluster& cluster : clusters) {
    SCOPED_TRACE(cluster.text);
    const auto result = ParseInitialCluster(cluster.text);
    ASSERT_TRUE(std::holds_alternative<BadValue>(result));
    EXPECT_EQ(std::get<BadValue>(result).reason, cluster.reason);
  }
}

constexpr char kThree[] = "1=127.0.0.1:7001@17001,2=127.0.0.1:7002@17002,3=127.0.0.1:7003@17003";

TEST(ClusterOfThree, FindsItself) {
  const Config config =
      ParseGood({"--node-id", "2", "--port", "7002", "--initial-cluster", kThree});
  EXPECT_EQ(config.members.size(), 3u);
  EXPECT_EQ(config.self(), (Member{2, "127.0.0.1", 7002, 17002}));
}

TEST(ClusterOfThree, NeedsItsOwnIdAmongTheMembers) {
  const ConfigError error =
      ParseBad({"--node-id", "4", "--port", "7001", "--initial-cluster", kThree});
  EXPECT_EQ(error.where, "Reading the command line, at the flag --node-id");
  EXPECT_EQ(error.reason, "node-id is 4, but the members of initial-cluster are 1, 2, 3");
}

TEST(ClusterOfThree, NeedsItsOwnPort) {
  EXPECT_EQ(ParseBad({"--port", "7002", "--initial-cluster", kThree}).reason,
            "initial-cluster gives node 1 the port 7001, but port is 7002");
  // Here no port was given at all: the line to look at is the other one.
  const ConfigError error = ParseBad({"--initial-cluster", kThree});
  EXPECT_EQ(error.where, "Reading the command line, at the flag --initial-cluster");
  EXPECT_EQ(error.reason, "initial-cluster gives node 1 the port 7001, but port is 6379");
}

// Behind a translation of addresses the others use the announced port; the server listens on its
// own.
TEST(ClusterOfThree, AnnouncedAddressesAreThoseOfTheMembers) {
  const std::vector<std::string> behind = {
      "--port", "6379", "--cluster-announce-port", "7001", "--initial-cluster", kThree};
  EXPECT_EQ(ParseGood(behind).port, 6379);
  EXPECT_EQ(ParseGood(behind).self().port, 7001);
  EXPECT_EQ(
      ParseBad({"--port", "7001", "--cluster-announce-port", "7009", "--initial-cluster", kThree})
          .reason,
      "initial-cluster gives node 1 the port 7001, but cluster-announce-port is 7009");
  EXPECT_EQ(
      ParseBad({"--port", "7001", "--cluster-announce-ip", "10.0.0.1", "--initial-cluster", kThree})
          .reason,
      "initial-cluster gives node 1 the host 127.0.0.1, but cluster-announce-ip is 10.0.0.1");
  EXPECT_EQ(
      ParseBad({"--port", "17001", "--cluster-announce-port", "7001", "--initial-cluster", kThree})
          .reason,
      "initial-cluster gives node 1 the peer port 17001, which is also its port for clients");
}

// What a configuration may hold, and no directive.
TEST(MemberAddress, MayLeaveAnUnknownHostOut) {
  const Member unknown = {0, "", 7001, 17001};
  EXPECT_EQ(MemberAddress(unknown), ":7001@17001");
  EXPECT_EQ(std::get<Member>(ParseMemberAddress(":7001@17001", HostPart::kMayBeUnknown)), unknown);
  EXPECT_TRUE(std::holds_alternative<BadValue>(ParseMemberAddress(":7001@17001")));
  for (const char* bad : {":", "", ":x@1", ":7001@", "[]:7001", "0.0.0.0:7001"}) {
    EXPECT_TRUE(std::holds_alternative<BadValue>(ParseMemberAddress(bad, HostPart::kMayBeUnknown)))
        << bad;
  }
}

// A server that is started with another --bind has moved. Names, and addresses that only others
// see, may still lead to it.
TEST(HostAfterMove, IsWhereItListensNow) {
  const auto host = [](const std::vector<std::string>& bind, const std::string& noted) {
    std::vector<std::string> arguments = {"--bind"};
    arguments.insert(arguments.end(), bind.begin(), bind.end());
    return HostAfterMove(ParseGood(arguments), noted);
  };
  EXPECT_EQ(host({"10.0.0.2"}, "10.0.0.1"), "10.0.0.2");
  EXPECT_EQ(host({"127.0.0.1", "10.0.0.2"}, "10.0.0.1"), "10.0.0.2");
  EXPECT_EQ(host({"127.0.0.2"}, "127.0.0.1"), "127.0.0.2");
  EXPECT_EQ(host({"::1"}, "127.0.0.1"), "::1");

  EXPECT_EQ(host({"10.0.0.2", "10.0.0.1"}, "10.0.0.1"), "");
  EXPECT_EQ(host({"10.0.0.2"}, "name"), "");
  EXPECT_EQ(host({"10.0.0.2"}, ""), "");
  EXPECT_EQ(host({"name"}, "10.0.0.1"), "");
  EXPECT_EQ(host({"*"}, "10.0.0.1"), "");
  EXPECT_EQ(host({"127.0.0.1", "-::1"}, "10.0.0.1"), "");
}

TEST(ClusterOfOne, AnnouncesWhereItListens) {
  EXPECT_EQ(ParseGood({"--bind", "10.0.0.1", "--node-id", "7"}).members,
            (Members{{7, "10.0.0.1", 6379, 16379}}));
  EXPECT_EQ(ParseGood({"--bind", "127.0.0.1", "10.0.0.2", "10.0.0.3"}).self().host, "10.0.0.2");
  EXPECT_EQ(ParseGood({"--bind", "-10.0.0.2", "127.0.0.1"}).self().host, "127.0.0.1");
  EXPECT_EQ(ParseGood({"--bind", "-10.0.0.2"}).self().host, "10.0.0.2");
  EXPECT_EQ(ParseGood({"--bind", "::*", "10.0.0.2"}).self().host, "10.0.0.2");
  for (const char* all : {"*", "0.0.0.0", "::", "::*"}) {
    EXPECT_EQ(ParseGood({"--bind", all}).members, (Members{{0, "", 6379, 16379}}));
    EXPECT_EQ(ParseGood({"--bind", "localhost", all}).self().host, "");
  }
  EXPECT_EQ(ParseGood({"--bind", "::1"}).self().host, "::1");
  EXPECT_EQ(ParseGood({"--bind", "*", "--cluster-announce-ip", "example.org"}).self().host,
            "example.org");
  EXPECT_EQ(ParseGood({"--cluster-announce-port", "9000"}).members,
            (Members{{0, "127.0.0.1", 9000, 16379}}));
  EXPECT_EQ(ParseGood({"--port", "60000", "--cluster-port", "50000"}).members,
            (Members{{0, "127.0.0.1", 60000, 50000}}));
  EXPECT_EQ(ParseGood({"--cluster-announce-bus-port", "9001"}).members,
            (Members{{0, "127.0.0.1", 6379, 9001}}));
  EXPECT_EQ(ParseGood({"--cluster-announce-bus-port", "9001"}).peer_port(), 16379);
  EXPECT_EQ(ParseBad({"--port", "7000", "--cluster-port", "7000"}).reason,
            "cluster-port is 7000, which is also the port for clients");
}

TEST(InitialCluster, ThePortForPeersIsThatOfTheEntry) {
  EXPECT_EQ(ParseGood({"--port", "7001", "--initial-cluster", kThree}).peer_port(), 17001);
  EXPECT_EQ(
      ParseBad({"--port", "7001", "--cluster-port", "5000", "--initial-cluster", kThree}).reason,
      "initial-cluster gives node 1 the peer port 17001, but cluster-port is 5000");
  // Behind a translation of addresses, the port to listen on is another one than the one that the
  // others connect to.
  const Config config =
      ParseGood({"--port", "7001", "--cluster-port", "5000", "--cluster-announce-bus-port", "17001",
                 "--initial-cluster", kThree});
  EXPECT_EQ(config.peer_port(), 5000);
  EXPECT_EQ(
      ParseBad({"--port", "7001", "--join", "10.0.0.1:7001", "--initial-cluster", kThree}).reason,
      "initial-cluster begins a new cluster, and join becomes part of another");
}

}  // namespace
}  // namespace quorate
