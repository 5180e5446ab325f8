// Names with several addresses, and servers that listen on all addresses of their machine.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

bool HasIPv6() {
  static const bool has = [] {
    const int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    const bool bound =
        descriptor >= 0 &&
        bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (descriptor >= 0) close(descriptor);
    if (!bound) std::cout << "this machine has no IPv6: only IPv4 is tested\n";
    return bound;
  }();
  return has;
}

// An IPv4 address by which other machines would reach this one; empty: it has none.
std::string OuterAddress() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  std::string found;
  for (const ifaddrs* one = all; one != nullptr && found.empty(); one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET_ADDRSTRLEN];
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    found = inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
  }
  freeifaddrs(all);
  if (found.empty()) std::cout << "this machine has loopback addresses only\n";
  return found;
}

class Addresses : public ::testing::Test {
 protected:
  ~Addresses() override {
    if (HasFailure() && cluster_) cluster_->PrintLogs(std::cerr);
  }

  Cluster& Make(Cluster::Options options) {
    cluster_ = std::make_unique<Cluster>(std::move(options));
    return *cluster_;
  }
  Cluster& cluster() { return *cluster_; }

  Client Connect(int id, const std::string& host = "127.0.0.1") {
    return Client(host, cluster().port(id));
  }
  std::string Field(int id, const std::string& name, const std::string& host = "127.0.0.1") {
    return redis_tests::Field(Connect(id, host).Command({"INFO"}).text, name);
  }
  // As CLUSTER SLOTS gives them to a client that has connected to `host`, the leader first.
  std::vector<std::string> ToldHosts(int id, const std::string& host) {
    const Reply slots = Connect(id, host).Command({"CLUSTER", "SLOTS"});
    std::vector<std::string> hosts;
    if (slots.kind != Reply::Kind::kArray || slots.elements.size() != 1) return {"no slots"};
    const std::vector<Reply>& shard = slots.elements[0].elements;
    for (size_t i = 2; i < shard.size(); ++i) hosts.push_back(shard[i].elements.at(0).text);
    return hosts;
  }

 private:
  std::unique_ptr<Cluster> cluster_;
};

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they want to be loaded first
// `localhost` means both loopback addresses to the servers, as in Debian's /etc/hosts.
std::vector<std::string> WithLocalhostOfBothFamilies(int) {
  return {"env", "LD_PRELOAD=" QUORATE_SEVERAL_ADDRESSES, "NAMES=localhost=::1,127.0.0.1"};
}

class NamesWithTwoAddresses : public Addresses, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    // Without IPv6 there is no ::1 to listen on; 127.0.0.1 is tested everywhere.
    if (GetParam() == "::1" && !HasIPv6()) GTEST_SKIP() << "this machine has no IPv6";
    // To this program it is the address that the servers listen on.
    setenv("NAMES", ("localhost=" + GetParam()).c_str(), 1);
  }
};

TEST_P(NamesWithTwoAddresses, MembersMeet_WhicheverOfThemTheyListenOn) {
  Make({.size = 3,
        .flags = {"--bind", GetParam()},
        .hosts = {"localhost", "localhost", "localhost"},
        .prefix = &WithLocalhostOfBothFamilies});
  ASSERT_TRUE(cluster().Start());
  const int leader = cluster().WaitForLeader();
  EXPECT_EQ(Connect(leader, GetParam()).Command({"SET", "a", "1"}), Status("OK"));
  // All three, once each is known to have caught up.
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    return ToldHosts(leader, GetParam()) == std::vector<std::string>(3, "localhost");
  }));
}

TEST_P(NamesWithTwoAddresses, ANewNodeJoinsByTheName) {
  Make({.size = 1,
        .flags = {"--bind", GetParam()},
        .hosts = {"localhost", "localhost"},
        .prefix = &WithLocalhostOfBothFamilies});
  ASSERT_TRUE(cluster().Start());
  const int added = cluster().Add();
  cluster().AddFlags(added, {"--join", "localhost:" + std::to_string(cluster().port(1))});
  cluster().Restart(added);
  EXPECT_TRUE(
      Eventually(kDeadlineMs, [&] { return Field(added, "raft_voters", GetParam()) == "2"; }));
}

INSTANTIATE_TEST_SUITE_P(, NamesWithTwoAddresses, ::testing::Values("127.0.0.1", "::1"),
                         [](const auto& test) {
                           return test.param == "::1" ? std::string("IPv6") : std::string("IPv4");
                         });

// It reaches the member by ::1, where it does not listen itself.
TEST_F(Addresses, ANewNodeGivesAnAddressOnWhichItListens) {
  Make({.size = 1, .prefix = &WithLocalhostOfBothFamilies});
  ASSERT_TRUE(cluster().Start());
  const int added = cluster().Add();
  cluster().AddFlags(
      added, {"--bind", "127.0.0.1", "--join", "localhost:" + std::to_string(cluster().port(1))});
  cluster().Restart(added);
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return Field(added, "raft_voters") == "2"; }));
}

TEST_F(Addresses, ABindNameIsListenedOnAtAllItsAddresses) {
  Make({.size = 1, .flags = {"--bind", "localhost"}, .prefix = &WithLocalhostOfBothFamilies});
  ASSERT_TRUE(cluster().Start());
  EXPECT_EQ(Connect(1).Command({"PING"}), Status("PONG"));
  if (HasIPv6()) {
    EXPECT_EQ(Connect(1, "::1").Command({"PING"}), Status("PONG"));
  }
}
#endif

const std::vector<std::string> kEverywhere = {"--bind", "*", "-::*", "--protected-mode", "no"};

TEST_F(Addresses, ANodeAloneThatListensEverywhere_SaysTheAddressThatTheClientUsed) {
  Make({.size = 1, .flags = kEverywhere});
  ASSERT_TRUE(cluster().Start());
  const std::string port = std::to_string(cluster().port(1));
  const std::string peer_port = std::to_string(cluster().port(1) + 10000);
  std::vector<std::string> hosts = {"127.0.0.1", "127.0.0.2"};
  if (HasIPv6()) hosts.push_back("::1");
  if (const std::string outer = OuterAddress(); !outer.empty()) hosts.push_back(outer);
  for (const std::string& host : hosts) {
    EXPECT_EQ(ToldHosts(1, host), std::vector<std::string>{""}) << host;
    const std::string nodes = Connect(1, host).Command({"CLUSTER", "NODES"}).text;
    EXPECT_NE(nodes.find(" :" + port + "@" + peer_port + " myself,master "), std::string::npos)
        << nodes;
    const ProgramResult cli =
        RunProgram({"redis-cli", "-c", "-h", host, "-p", port, "SET", "a", host}, "", kDeadlineMs);
    EXPECT_EQ(cli.output, "OK\n") << host << ": " << cli.error;
    const ProgramResult python =
        RunProgram({"/usr/bin/python3", "-c",
                    "import redis, sys\n"
                    "client = redis.cluster.RedisCluster(host=sys.argv[1], port=int(sys.argv[2]))\n"
                    "print(client.get('a').decode(), [node.host for node in client.get_nodes()])\n",
                    host, port},
                   "", kDeadlineMs);
    EXPECT_EQ(python.output, host + " ['" + host + "']\n") << python.error;
  }
}

// The members of a cluster learn their addresses from each other, and tell each client one that it
// can reach.
TEST_F(Addresses, NodesThatListenEverywhereJoin_AndRedirectToWhereClientsReachThem) {
  Make({.size = 1, .flags = kEverywhere});
  ASSERT_TRUE(cluster().Start());
  for (int id = 2; id <= 3; ++id) {
    ASSERT_EQ(cluster().Add(), id);
    cluster().AddFlags(id, {"--join", "127.0.0.1:" + std::to_string(cluster().port(1))});
    cluster().Restart(id);
    ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
      return Field(1, "raft_voters") == std::to_string(id) &&
             Field(id, "raft_voters") == std::to_string(id);
    }));
  }
  // The first one has told the cluster what it has learnt of itself.
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    for (int id = 1; id <= 3; ++id) {
      if (ToldHosts(id, "127.0.0.1") != std::vector<std::string>(3, "127.0.0.1")) return false;
    }
    return true;
  }));

  std::vector<std::string> hosts = {"127.0.0.1", "127.0.0.2"};
  if (HasIPv6()) hosts.push_back("::1");
  const std::string outer = OuterAddress();
  if (!outer.empty()) hosts.push_back(outer);
  const int leader = cluster().WaitForLeader();
  const int follower = leader == 1 ? 2 : 1;
  for (const std::string& host : hosts) {
    const std::string told = host == outer ? outer : "127.0.0.1";
    EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
      return ToldHosts(follower, host) == std::vector<std::string>(3, told);
    })) << host;
    const std::string address = told + ":" + std::to_string(cluster().port(leader));
    EXPECT_EQ(Connect(follower, host).Command({"SET", "foo", "1"}), Error("MOVED 12182 " + address))
        << host;
    EXPECT_EQ(Field(follower, "master_host", host), told) << host;
    const ProgramResult cli =
        RunProgram({"redis-cli", "-c", "-h", host, "-p", std::to_string(cluster().port(follower)),
                    "SET", "foo", "1"},
                   "", kDeadlineMs);
    EXPECT_EQ(cli.output, "OK\n") << host << ": " << cli.error;
  }
}

// The first member alone could not know by which address others reach it.
TEST_F(Addresses, ANodeThatListensEverywhereLearnsItsAddressFromWhoJoins) {
  const std::string outer = OuterAddress();
  // It is what another machine would connect to, and a network of its own would take root's rights.
  if (outer.empty()) GTEST_SKIP() << "this machine has loopback addresses only";
  Make({.size = 1, .flags = kEverywhere});
  ASSERT_TRUE(cluster().Start());
  EXPECT_EQ(ToldHosts(1, "127.0.0.1"), std::vector<std::string>{""});
  const int added = cluster().Add();
  cluster().AddFlags(added, {"--join", outer + ":" + std::to_string(cluster().port(1))});
  cluster().Restart(added);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return ToldHosts(1, "127.0.0.1") == std::vector<std::string>(2, outer) &&
           ToldHosts(added, "127.0.0.1") == std::vector<std::string>(2, outer);
  }));
  // It is noted in the cluster, and so outlives the connections.
  ASSERT_EQ(cluster().Terminate(1), (ProcessEnd{0, 0}));
  cluster().Restart(1);
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(ToldHosts(1, "127.0.0.1"), std::vector<std::string>(2, outer));
}

// It says so itself: on loopback its connections seem to come from where it was.
TEST_F(Addresses, AMemberThatIsStartedWithAnotherBindAddressIsFoundThere) {
  Make({});
  ASSERT_TRUE(cluster().Start());
  ASSERT_EQ(cluster().Terminate(3), (ProcessEnd{0, 0}));
  cluster().ChangePort(3);
  cluster().AddFlags(3, {"--bind", "127.0.0.2"});
  cluster().Restart(3);
  const std::string address = "127.0.0.2:" + std::to_string(cluster().port(3));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Connect(1).Command({"CLUSTER", "NODES"}).text.find(" " + address + "@") !=
           std::string::npos;
  }));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    Connect(3, "127.0.0.2").Command({"CLUSTER", "FAILOVER"});
    return Connect(1).Command({"SET", "foo", "1"}) == Error("MOVED 12182 " + address);
  }));
  // It says so itself, once its leadership is established.
  EXPECT_TRUE(
      Eventually(kDeadlineMs, [&] { return ToldHosts(3, "127.0.0.2").front() == "127.0.0.2"; }));
}

}  // namespace

}  // namespace quorate::redis_tests
