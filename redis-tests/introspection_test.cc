// What tools and client libraries ask a node about itself: INFO, CLUSTER, COMMAND, CLIENT, CONFIG,
// TIME.

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/raw_connection.h"

namespace quorate::redis_tests {

namespace {

class Introspection : public ClusterTest {
 protected:
  std::string Info(int id, const Arguments& sections = {}) {
    Arguments command = {"INFO"};
    command.insert(command.end(), sections.begin(), sections.end());
    return Client(cluster().port(id)).Command(command).text;
  }
  std::string NodeId(int id) {
    return Client(cluster().port(id)).Command({"CLUSTER", "MYID"}).text;
  }
  std::vector<int> AllNodes() {
    std::vector<int> ids;
    for (int id = 1; id <= cluster().size(); ++id) {
      ids.push_back(id);
    }
    return ids;
  }
};

std::vector<std::string> Words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

TEST_F(Introspection, InfoHasTheFieldsThatToolsRead) {
  const std::string info = Info(leader());
  EXPECT_EQ(Field(info, "redis_mode"), "cluster");
  EXPECT_EQ(Field(info, "cluster_enabled"), "1");
  EXPECT_EQ(Field(info, "loading"), "0");
  EXPECT_EQ(Field(info, "tcp_port"), std::to_string(cluster().port(leader())));
  EXPECT_EQ(Field(info, "process_id"), std::to_string(cluster().pid(leader())));
  EXPECT_TRUE(Field(info, "redis_version").starts_with("7.")) << Field(info, "redis_version");
  EXPECT_EQ(Field(info, "run_id").size(), 40U);
  for (const char* name :
       {"uptime_in_seconds", "connected_clients", "blocked_clients", "maxclients", "used_memory",
        "used_memory_rss", "used_memory_peak", "maxmemory", "total_connections_received",
        "total_commands_processed", "instantaneous_ops_per_sec", "total_net_input_bytes",
        "total_net_output_bytes", "rejected_connections", "expired_keys", "evicted_keys",
        "keyspace_hits", "keyspace_misses", "arch_bits"}) {
    EXPECT_TRUE(IsNumber(Field(info, name))) << name << " is '" << Field(info, name) << "'";
  }
  for (const char* name : {"used_memory_human", "os", "executable", "mem_fragmentation_ratio",
                           "used_cpu_sys", "used_cpu_user"}) {
    EXPECT_NE(Field(info, name), "") << name;
  }
}

TEST_F(Introspection, InfoNamesItsSectionsAndGivesTheOnesAskedFor) {
  const std::string all = Info(leader(), {"all"});
  for (const char* section : {"Server", "Clients", "Memory", "Persistence", "Stats", "Replication",
                              "CPU", "Commandstats", "Cluster", "Keyspace"}) {
    EXPECT_NE(all.find("# " + std::string(section) + "\r\n"), std::string::npos) << section;
  }
  const std::string two = Info(leader(), {"SERVER", "memory"});
  EXPECT_NE(Field(two, "redis_version"), "");
  EXPECT_NE(Field(two, "used_memory"), "");
  EXPECT_EQ(Field(two, "connected_clients"), "");
  EXPECT_EQ(Info(leader(), {"nosuchsection"}), "");
}

TEST_F(Introspection, InfoReplicationTellsMasterFromReplicas) {
  const std::string info = Info(leader(), {"replication"});
  EXPECT_EQ(Field(info, "role"), "master");
  EXPECT_EQ(Field(info, "connected_slaves"), "2");
  std::set<std::string> replicas;
  for (const char* name : {"slave0", "slave1"}) {
    const std::string replica = Field(info, name);
    EXPECT_NE(replica.find("state=online,offset="), std::string::npos) << replica;
    replicas.insert(replica.substr(0, replica.find(",state")));
  }
  std::set<std::string> expected;
  for (int id : AllNodes()) {
    if (id == leader()) {
      continue;
    }
    const std::string port = std::to_string(cluster().port(id));
    expected.insert("ip=127.0.0.1,port=" + port);
    const std::string follower_info = Info(id, {"replication"});
    EXPECT_EQ(Field(follower_info, "role"), "slave");
    EXPECT_EQ(Field(follower_info, "master_host"), "127.0.0.1");
    EXPECT_EQ(Field(follower_info, "master_port"), std::to_string(cluster().port(leader())));
    EXPECT_EQ(Field(follower_info, "master_link_status"), "up");
  }
  EXPECT_EQ(replicas, expected);
}

TEST_F(Introspection, InfoCountsCommandsKeysAndHits) {
  Client client = LeaderClient();
  const auto number = [&](const std::string& field) {
    return std::atoll(Field(client.Command({"INFO", "everything"}).text, field).c_str());
  };
  const int64_t hits = number("keyspace_hits");
  const int64_t misses = number("keyspace_misses");
  const int64_t commands = number("total_commands_processed");
  client.Command({"SET", Key("a"), "1"});
  client.Command({"GET", Key("a")});
  client.Command({"GET", Key("no")});
  EXPECT_EQ(number("keyspace_hits"), hits + 1);
  EXPECT_EQ(number("keyspace_misses"), misses + 1);
  EXPECT_GE(number("total_commands_processed"), commands + 3);
  const std::string info = client.Command({"INFO", "everything"}).text;
  const std::string keys =
      "keys=" + std::to_string(client.Command({"DBSIZE"}).integer) + ",expires=0,avg_ttl=0";
  EXPECT_EQ(Field(info, "db0"), keys);
  const std::string statistics = Field(info, "cmdstat_get");
  for (const char* part :
       {"calls=", ",usec=", ",usec_per_call=", ",rejected_calls=", ",failed_calls="}) {
    EXPECT_NE(statistics.find(part), std::string::npos) << statistics;
  }
}

// Each node has one name, the same in everything that lists nodes.
TEST_F(Introspection, ClusterSlotsShardsAndNodesAgreeOnEveryNode) {
  std::set<std::string> names;
  for (int id : AllNodes()) {
    const std::string name = NodeId(id);
    EXPECT_EQ(name.size(), 40U);
    EXPECT_EQ(name.find_first_not_of("0123456789abcdef"), std::string::npos) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 3U);
  for (int asked : AllNodes()) {
    Client client(cluster().port(asked));
    const Reply slots = client.Command({"CLUSTER", "SLOTS"});
    ASSERT_EQ(slots.elements.size(), 1U) << slots;
    ASSERT_EQ(slots.elements[0].elements.size(), 5U) << slots;
    EXPECT_EQ(slots.elements[0].elements[0], Integer(0));
    EXPECT_EQ(slots.elements[0].elements[1], Integer(16383));
    std::set<std::string> listed;
    for (size_t i = 2; i < 5; ++i) {
      const Reply& node = slots.elements[0].elements[i];
      ASSERT_GE(node.elements.size(), 3U) << node;
      EXPECT_EQ(node.elements[0], Text("127.0.0.1"));
      const auto port = static_cast<uint16_t>(node.elements[1].integer);
      EXPECT_EQ(Client(port).Command({"CLUSTER", "MYID"}), node.elements[2]);
      EXPECT_EQ(port == cluster().port(leader()), i == 2) << "the master comes first";
      listed.insert(node.elements[2].text);
    }
    EXPECT_EQ(listed, names);
  }
}

TEST_F(Introspection, ClusterShardsIsOneShardWithItsNodes) {
  for (int asked : AllNodes()) {
    const Reply shards = Client(cluster().port(asked)).Command({"CLUSTER", "SHARDS"});
    ASSERT_EQ(shards.elements.size(), 1U) << shards;
    EXPECT_EQ(shards.elements[0].Find("slots"), Array({Integer(0), Integer(16383)}));
    const Reply nodes = shards.elements[0].Find("nodes");
    ASSERT_EQ(nodes.elements.size(), 3U) << nodes;
    for (const Reply& node : nodes.elements) {
      const auto port = static_cast<uint16_t>(node.Find("port").integer);
      EXPECT_EQ(node.Find("ip"), Text("127.0.0.1"));
      EXPECT_EQ(node.Find("endpoint"), Text("127.0.0.1"));
      EXPECT_EQ(node.Find("health"), Text("online"));
      EXPECT_EQ(node.Find("replication-offset").kind, Reply::Kind::kInteger);
      EXPECT_EQ(node.Find("role"), Text(port == cluster().port(leader()) ? "master" : "replica"));
      EXPECT_EQ(node.Find("id"), Client(port).Command({"CLUSTER", "MYID"}));
    }
  }
}

TEST_F(Introspection, ClusterNodesHasRedissColumns) {
  const std::string master = NodeId(leader());
  for (int asked : AllNodes()) {
    const std::vector<std::string> lines =
        Lines(Client(cluster().port(asked)).Command({"CLUSTER", "NODES"}).text);
    ASSERT_EQ(lines.size(), 3U);
    int myself = 0;
    for (const std::string& line : lines) {
      const std::vector<std::string> words = Words(line);
      ASSERT_GE(words.size(), 8U) << line;
      int id = 0;
      for (int candidate : AllNodes()) {
        const std::string port = std::to_string(cluster().port(candidate));
        const std::string peer_port = std::to_string(cluster().port(candidate) + 10'000);
        if (words[1] == "127.0.0.1:" + port + "@" + peer_port ||
            words[1].starts_with("127.0.0.1:" + port + "@" + peer_port + ",")) {
          id = candidate;
        }
      }
      ASSERT_NE(id, 0) << line;
      EXPECT_EQ(words[0], NodeId(id));
      EXPECT_EQ(words[2].find("myself") != std::string::npos, id == asked) << line;
      myself += words[2].find("myself") != std::string::npos ? 1 : 0;
      EXPECT_NE(words[2].find(id == leader() ? "master" : "slave"), std::string::npos) << line;
      EXPECT_EQ(words[2].find("fail"), std::string::npos) << line;
      EXPECT_EQ(words[3], id == leader() ? "-" : master) << line;
      EXPECT_EQ(words[7], "connected") << line;
      EXPECT_EQ(words.size(), id == leader() ? 9U : 8U) << line;
      EXPECT_EQ(words.back(), id == leader() ? "0-16383" : "connected") << line;
    }
    EXPECT_EQ(myself, 1);
  }
}

TEST_F(Introspection, ClusterInfoSaysOkOnEveryNode) {
  for (int asked : AllNodes()) {
    const std::string info = Client(cluster().port(asked)).Command({"CLUSTER", "INFO"}).text;
    EXPECT_EQ(Field(info, "cluster_state"), "ok");
    EXPECT_EQ(Field(info, "cluster_slots_assigned"), "16384");
    EXPECT_EQ(Field(info, "cluster_slots_ok"), "16384");
    EXPECT_EQ(Field(info, "cluster_slots_pfail"), "0");
    EXPECT_EQ(Field(info, "cluster_slots_fail"), "0");
    EXPECT_EQ(Field(info, "cluster_known_nodes"), "3");
    EXPECT_EQ(Field(info, "cluster_size"), "1");
    EXPECT_TRUE(IsNumber(Field(info, "cluster_current_epoch")));
    EXPECT_TRUE(IsNumber(Field(info, "cluster_my_epoch")));
  }
}

TEST_F(Introspection, ClusterReplicasOfTheMasterAreTheFollowers) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"CLUSTER", "REPLICAS", NodeId(leader())}).elements.size(), 2U);
  EXPECT_TRUE(client.Command({"CLUSTER", "REPLICAS", NodeId(follower())}).IsError("ERR"));
}

TEST_F(Introspection, ADeadNodeIsShownAsFailed) {
  const int dead = follower();
  const std::string name = NodeId(dead);
  cluster().Kill9(dead);
  Client client = LeaderClient();
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    for (const std::string& line : Lines(client.Command({"CLUSTER", "NODES"}).text)) {
      if (line.starts_with(name)) {
        const std::vector<std::string> words = Words(line);
        return words[2].find("fail") != std::string::npos && words[7] == "disconnected";
      }
    }
    return false;
  })) << client.Command({"CLUSTER", "NODES"}).text;
  EXPECT_EQ(Field(client.Command({"CLUSTER", "INFO"}).text, "cluster_state"), "ok");
}

TEST_F(Introspection, CommandFormsAgreeWithOneAnother) {
  Client client = LeaderClient();
  const Reply commands = client.Command({"COMMAND"});
  const Reply list = client.Command({"COMMAND", "LIST"});
  const auto count = static_cast<int64_t>(commands.elements.size());
  EXPECT_EQ(client.Command({"COMMAND", "COUNT"}), Integer(count));
  // Redis lists subcommands too, as "client|id".
  EXPECT_EQ(std::ranges::count_if(
                list.elements,
                [](const Reply& name) { return name.text.find('|') == std::string::npos; }),
            count);
  EXPECT_EQ(client.Command({"COMMAND", "INFO"}).elements.size(), commands.elements.size());
  for (const Reply& command : commands.elements) {
    EXPECT_EQ(std::ranges::count(list.elements, Text(command.elements[0].text)) +
                  std::ranges::count(list.elements, Status(command.elements[0].text)),
              1)
        << command.elements[0];
  }
  const Reply some = client.Command({"COMMAND", "INFO", "GET", "nosuchcommand", "set"});
  ASSERT_EQ(some.elements.size(), 3U);
  EXPECT_EQ(some.elements[0].elements[0], Text("get"));
  EXPECT_EQ(some.elements[1], Nil());
  EXPECT_EQ(some.elements[2].elements[0], Text("set"));
}

// Read without hiredis, which refuses replies that are nested as deeply as Redis's are here.
TEST_F(Introspection, CommandDocsDescribesEveryCommand) {
  RawConnection client(cluster().port(leader()));
  const Reply docs = client.Command({"COMMAND", "DOCS"});
  EXPECT_EQ(docs.elements.size(), 2 * client.Command({"COMMAND"}).elements.size());
  for (size_t i = 1; i < docs.elements.size(); i += 2) {
    for (const char* field : {"summary", "since", "group"}) {
      EXPECT_EQ(docs.elements[i].Find(field).kind, Reply::Kind::kString)
          << docs.elements[i - 1] << " has no " << field;
    }
  }
  EXPECT_EQ(client.Command({"COMMAND", "DOCS", "get"}).elements.size(), 2U);
}

TEST_F(Introspection, ClientCommandsDescribeTheConnections) {
  Client client = LeaderClient();
  Client other = LeaderClient();
  const Reply id = client.Command({"CLIENT", "ID"});
  const Reply other_id = other.Command({"CLIENT", "ID"});
  ASSERT_EQ(id.kind, Reply::Kind::kInteger);
  EXPECT_GT(other_id.integer, id.integer);
  EXPECT_EQ(client.Command({"CLIENT", "SETNAME", "tester"}), Status("OK"));
  EXPECT_EQ(client.Command({"CLIENT", "SETINFO", "LIB-NAME", "some-library"}), Status("OK"));
  EXPECT_EQ(client.Command({"CLIENT", "SETINFO", "lib-ver", "1.2.3"}), Status("OK"));
  EXPECT_TRUE(client.Command({"CLIENT", "SETINFO", "lib-foo", "x"}).IsError("ERR"));
  const std::string line = client.Command({"CLIENT", "INFO"}).text;
  for (const std::string& part :
       {"id=" + std::to_string(id.integer) + " ", std::string(" name=tester "),
        std::string(" lib-name=some-library "), std::string(" lib-ver=1.2.3"),
        " laddr=127.0.0.1:" + std::to_string(cluster().port(leader())),
        std::string(" addr=127.0.0.1:"), std::string(" cmd=client|info"), std::string(" db=0 "),
        std::string(" age=")}) {
    EXPECT_NE((line + " ").find(part), std::string::npos) << part << " in " << line;
  }
  const std::string list = client.Command({"CLIENT", "LIST"}).text;
  EXPECT_NE(list.find("id=" + std::to_string(other_id.integer) + " "), std::string::npos) << list;
  const std::string one =
      client.Command({"CLIENT", "LIST", "ID", std::to_string(other_id.integer)}).text;
  EXPECT_TRUE(one.starts_with("id=" + std::to_string(other_id.integer) + " ")) << one;
  EXPECT_EQ(Lines(one).size(), 1U);
}

TEST_F(Introspection, ClientKillClosesThatConnectionAlone) {
  Client client = LeaderClient();
  Client victim = LeaderClient();
  const std::string id = std::to_string(victim.Command({"CLIENT", "ID"}).integer);
  EXPECT_EQ(client.Command({"CLIENT", "KILL", "ID", id}), Integer(1));
  EXPECT_FALSE(victim.Command({"PING"}).answered());
  EXPECT_EQ(client.Command({"CLIENT", "KILL", "ID", id}), Integer(0));
  EXPECT_EQ(client.Command({"PING"}), Status("PONG"));
}

TEST_F(Introspection, ConfigGetAnswersByNameAndPattern) {
  Client client = LeaderClient();
  EXPECT_EQ(client.Command({"CONFIG", "GET", "port"}),
            Array({Text("port"), Text(std::to_string(cluster().port(leader())))}));
  EXPECT_EQ(client.Command({"CONFIG", "GET", "PORT"}).elements.back(),
            Text(std::to_string(cluster().port(leader()))));
  EXPECT_EQ(client.Command({"CONFIG", "GET", "nosuchdirective"}), Array({}));
  EXPECT_EQ(client.Command({"CONFIG", "GET", "save"}), Array({Text("save"), Text("")}));
  EXPECT_EQ(client.Command({"CONFIG", "GET", "appendonly"}),
            Array({Text("appendonly"), Text("yes")}));
  EXPECT_EQ(client.Command({"CONFIG", "GET", "port", "timeout"}).elements.size(), 4U);
  EXPECT_GE(client.Command({"CONFIG", "GET", "*"}).elements.size(), 20U);
  EXPECT_EQ(client.Command({"CONFIG", "GET", "max[c]lient?"}),
            Array({Text("maxclients"), Text("10000")}));
}

TEST_F(Introspection, TimeIsThisMachinesTime) {
  const time_t before = time(nullptr);
  const Reply reply = LeaderClient().Command({"TIME"});
  const time_t after = time(nullptr);
  ASSERT_EQ(reply.elements.size(), 2U);
  EXPECT_GE(std::atoll(reply.elements[0].text.c_str()), before);
  EXPECT_LE(std::atoll(reply.elements[0].text.c_str()), after);
  EXPECT_LT(std::atoll(reply.elements[1].text.c_str()), 1'000'000);
}

}  // namespace

}  // namespace quorate::redis_tests
