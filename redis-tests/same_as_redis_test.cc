// The same commands to Quorate's leader and to a redis-server 7.0 beside it: the same bytes come
// back.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/free_ports.h"
#include "redis-tests/support/key_slot.h"
#include "redis-tests/support/raw_connection.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

namespace {

class SameAsRedis : public ClusterTest {
 protected:
  // A cluster of one master, because Quorate too speaks as a node of a Redis cluster; and a server
  // alone, because only there Redis has several databases.
  static void SetUpTestSuite() {
    ClusterTest::SetUpTestSuite();
    folder_ = std::make_unique<TemporaryFolder>();
    // Debian's redis-tools holds the server too, under the name of one of its faces; the package
    // named redis-server adds a link and a service, and the service is not wanted on every machine
    // with tests.
    const std::string server = folder_->path() + "/redis-server";
    std::filesystem::create_symlink("/usr/bin/redis-check-rdb", server);
    const std::vector<uint16_t> ports = FreePorts(2);
    redis_port_ = ports[0];
    redis_with_databases_port_ = ports[1];
    redis_ = StartRedis(server, redis_port_,
                        {"--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"});
    redis_with_databases_ = StartRedis(server, redis_with_databases_port_, {});
    Eventually(kDeadlineMs, [] {
      Client client(redis_port_);
      client.Command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
      return client.Command({"GET", "a"}) == Nil();
    });
    Eventually(kDeadlineMs, [] {
      return Client(redis_with_databases_port_).Command({"PING"}) == Status("PONG");
    });
  }
  static void TearDownTestSuite() {
    redis_with_databases_.reset();
    redis_.reset();
    folder_.reset();
    ClusterTest::TearDownTestSuite();
  }
  void SetUp() override {
    ClusterTest::SetUp();
    for (const uint16_t port : {redis_port_, redis_with_databases_port_}) {
      ASSERT_EQ(Client(port).Command({"PING"}), Status("PONG")) << "redis-server does not run";
    }
  }

  // Sends the commands to both, on one new connection each, and compares reply by reply. The Redis
  // is the one of a cluster, or the one with that port.
  void ExpectTheSameBytes(const std::vector<Arguments>& commands, const char* protocol = "2",
                          uint16_t redis_port = redis_port_) {
    RawConnection quorate(cluster().port(leader()));
    RawConnection redis(redis_port);
    quorate.Command({"HELLO", protocol});
    redis.Command({"HELLO", protocol});
    for (const Arguments& command : commands) {
      quorate.SendCommand(command);
      redis.SendCommand(command);
      const std::string expected = redis.ReadBytes();
      ASSERT_NE(expected, "") << "redis-server gave no reply to " << EncodeCommand(command);
      EXPECT_EQ(quorate.ReadBytes(), expected)
          << "RESP" << protocol << ": " << EncodeCommand(command);
    }
  }
  void ExpectTheSameBytesInBothProtocols(const std::vector<Arguments>& commands,
                                         uint16_t redis_port = redis_port_) {
    ExpectTheSameBytes(commands, "2", redis_port);
    ExpectTheSameBytes(commands, "3", redis_port);
  }
  // Compared with the Redis that has several databases. All of both are empty at the beginning.
  void ExpectTheSameDatabases(std::vector<Arguments> commands) {
    commands.insert(commands.begin(), Arguments{"FLUSHALL"});
    ExpectTheSameBytesInBothProtocols(commands, redis_with_databases_port_);
  }

  static uint16_t redis_port_;
  static uint16_t redis_with_databases_port_;

 private:
  static std::unique_ptr<ChildProcess> StartRedis(const std::string& server, uint16_t port,
                                                  const std::vector<std::string>& flags) {
    std::vector<std::string> line = {server,   "--port",       std::to_string(port),
                                     "--bind", "127.0.0.1",    "--save",
                                     "",       "--appendonly", "no"};
    line.insert(line.end(), flags.begin(), flags.end());
    return ChildProcess::Start({line, folder_->path(), -1, -1, -1});
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<ChildProcess> redis_;
  static std::unique_ptr<ChildProcess> redis_with_databases_;
};

uint16_t SameAsRedis::redis_port_ = 0;
uint16_t SameAsRedis::redis_with_databases_port_ = 0;
std::unique_ptr<TemporaryFolder> SameAsRedis::folder_;
std::unique_ptr<ChildProcess> SameAsRedis::redis_;
std::unique_ptr<ChildProcess> SameAsRedis::redis_with_databases_;

TEST_F(SameAsRedis, Strings) {
  ExpectTheSameBytesInBothProtocols({
      {"DEL", "a", "b{a}"},
      {"GET", "a"},
      {"SET", "a", "1"},
      {"GET", "a"},
      {"SET", "a", "2", "NX"},
      {"SET", "a", "2", "XX"},
      {"SET", "a", "3", "GET"},
      {"SET", "a", "4", "NX", "GET"},
      {"SET", "a", "4", "XX", "GET"},
      {"SET", "b{a}", "1", "XX", "GET"},
      {"SET", "b{a}", "1", "NX", "GET"},
      {"SET", "a", std::string("\0\r\n\xff", 4)},
      {"GET", "a"},
      {"STRLEN", "a"},
      {"EXISTS", "a", "a", "b{a}", "c{a}"},
      {"MSET", "a", "1", "b{a}", "2", "a", "3"},
      {"MGET", "a", "c{a}", "b{a}"},
      {"DEL", "a", "b{a}", "a"},
  });
}

TEST_F(SameAsRedis, WrongNumbersOfArguments) {
  std::vector<Arguments> commands;
  for (const char* name :
       {"GET", "SET", "DEL", "EXISTS", "STRLEN", "MGET", "MSET", "ECHO", "SELECT", "AUTH", "CLIENT",
        "CONFIG", "CLUSTER", "MOVE", "SWAPDB", "get", "Set"}) {
    commands.push_back({name});
  }
  for (const char* name : {"DBSIZE", "READONLY", "READWRITE", "TIME", "RESET"}) {
    commands.push_back({name, "extra"});
  }
  commands.insert(commands.end(), {
                                      {"GET", "a", "b"},
                                      {"SET", "a"},
                                      {"STRLEN", "a", "b"},
                                      {"MSET", "a"},
                                      {"MSET", "a", "1", "b{a}"},
                                      {"ECHO", "a", "b"},
                                      {"PING", "a", "b"},
                                      {"SELECT", "0", "1"},
                                      {"MOVE", "a"},
                                      {"MOVE", "a", "1", "2"},
                                      {"SWAPDB", "0"},
                                      {"SWAPDB", "0", "1", "2"},
                                      {"AUTH", "a", "b", "c"},
                                      {"CLIENT", "SETNAME"},
                                      {"CLIENT", "GETNAME", "x"},
                                      {"CLIENT", "ID", "x"},
                                      {"CLIENT", "KILL"},
                                      {"CLIENT", "NO-EVICT"},
                                      {"CONFIG", "GET"},
                                      {"CLUSTER", "KEYSLOT"},
                                      {"CLUSTER", "MYID", "x"},
                                      {"CLUSTER", "SLOTS", "x"},
                                      {"CLUSTER", "COUNTKEYSINSLOT"},
                                      {"COMMAND", "COUNT", "x"},
                                      {"COMMAND", "GETKEYS"},
                                  });
  ExpectTheSameBytesInBothProtocols(commands);
}

TEST_F(SameAsRedis, UnknownCommandsAndSubcommands) {
  ExpectTheSameBytesInBothProtocols({
      {"FOO"},
      {"foo", "bar", "baz"},
      {"FOO", "two words", "line\r\nbreak", ""},
      {"FOO", std::string(100, 'a'), std::string(100, 'b'), "c"},
      {"FOO", std::string(200, 'a'), "b"},
      {std::string(200, 'F'), "bar"},
      {"FOO\r\nBAR"},
      {"FOO", "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",  "10",
       "11",  "12", "13", "14", "15", "16", "17", "18", "19", "20", "21",
       "22",  "23", "24", "25", "26", "27", "28", "29", "30", "31"},
      {"CLIENT", "FOO"},
      {"CONFIG", "FOO", "bar"},
      {"CLUSTER", "FOO"},
      {"cluster", "foo", "bar"},
      {"COMMAND", "FOO"},
      {""},
  });
}

TEST_F(SameAsRedis, SyntaxErrors) {
  ExpectTheSameBytesInBothProtocols({
      {"SET", "a", "1", "FOO"},
      {"SET", "a", "1", "NX", "XX"},
      {"SET", "a", "1", "XX", "NX"},
      {"SET", "a", "1", "NX", ""},
      {"GET", "a"},
  });
}

TEST_F(SameAsRedis, ConnectionCommands) {
  ExpectTheSameBytesInBothProtocols({
      {"PING"},
      {"PING", ""},
      {"PING", "text"},
      {"ECHO", ""},
      {"ECHO", "text"},
      {"AUTH", "password"},
      {"AUTH", "default", "password"},
      {"AUTH", "nobody", "password"},
      {"HELLO", "1"},
      {"HELLO", "x"},
      {"HELLO", "4"},
      {"HELLO", "3", "FOO"},
      {"HELLO", "2", "SETNAME", "two words"},
      {"READONLY"},
      {"READWRITE"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETNAME", "tester"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETNAME", "two words"},
      {"CLIENT", "SETNAME", "line\n"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETNAME", ""},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "NO-EVICT", "on"},
      {"CLIENT", "NO-EVICT", "OFF"},
      {"CLIENT", "NO-EVICT", "x"},
      {"CLIENT", "KILL", "127.0.0.1:1"},
      {"CLIENT", "KILL", "ID", "999999999"},
      {"CLIENT", "KILL", "ID", "x"},
      {"CLIENT", "KILL", "FOO", "1"},
      {"CLIENT", "LIST", "FOO"},
      {"CLIENT", "LIST", "ID", "999999999"},
      {"CLIENT", "LIST", "TYPE", "x"},
      {"RESET"},
      {"PING"},
  });
}

// What are numbers of databases, and what is said of others, by each command that takes one.
TEST_F(SameAsRedis, NumbersOfDatabases) {
  std::vector<Arguments> commands = {{"SET", "a", "1"}};
  for (const char* number : {"1",
                             "15",
                             "0",
                             "16",
                             "-1",
                             "-0",
                             "+1",
                             "01",
                             " 1",
                             "1 ",
                             "1.0",
                             "1e0",
                             "0x1",
                             "x",
                             "",
                             "2147483647",
                             "2147483648",
                             "-2147483648",
                             "-2147483649",
                             "4294967296",
                             "4294967297",
                             "9223372036854775807",
                             "9223372036854775808",
                             "-9223372036854775808",
                             "-9223372036854775809",
                             "99999999999999999999"}) {
    commands.insert(commands.end(), {
                                        {"SELECT", number},
                                        {"DBSIZE"},
                                        {"SELECT", "0"},
                                        {"MOVE", "a", number},
                                        {"MOVE", "no", number},
                                        {"SWAPDB", number, "0"},
                                        {"SWAPDB", "0", number},
                                        {"SWAPDB", number, number},
                                        {"SWAPDB", number, "x"},
                                        {"SWAPDB", "16", number},
                                    });
  }
  commands.push_back({"SELECT", std::string("1\0", 2)});
  commands.push_back({"INFO", "keyspace"});
  ExpectTheSameDatabases(commands);
}

TEST_F(SameAsRedis, SelectedDatabases) {
  ExpectTheSameDatabases({
      {"SET", "a", "0"},
      {"SELECT", "1"},
      {"GET", "a"},
      {"SET", "a", "1"},
      {"SELECT", "16"},
      {"GET", "a"},
      {"SELECT", "x"},
      {"GET", "a"},
      {"INFO", "keyspace"},
      {"RESET"},
      {"GET", "a"},
      {"DBSIZE"},
      {"CONFIG", "GET", "databases"},
      {"CONFIG", "SET", "databases", "16"},
  });
}

TEST_F(SameAsRedis, SwappedDatabases) {
  ExpectTheSameDatabases({
      {"MSET", "a", "0", "b", "0"},
      {"SWAPDB", "0", "1"},
      {"GET", "a"},
      {"DBSIZE"},
      {"SET", "a", "1"},
      {"INFO", "keyspace"},
      {"swapdb", "1", "0"},
      {"MGET", "a", "b"},
      {"SWAPDB", "0", "0"},
      {"SWAPDB", "3", "3"},
      {"SWAPDB", "3", "4"},
      {"SELECT", "1"},
      {"MGET", "a", "b"},
      {"SWAPDB", "15", "1"},
      {"DBSIZE"},
      {"INFO", "keyspace"},
  });
}

TEST_F(SameAsRedis, MovedKeys) {
  ExpectTheSameDatabases({
      {"MSET", "a", "0", "b", "0"},
      {"MOVE", "no", "1"},
      {"MOVE", "a", "0"},
      {"MOVE", "no", "0"},
      {"MOVE", "a", "1"},
      {"MOVE", "a", "1"},
      {"GET", "a"},
      {"SET", "a", "new"},
      {"MOVE", "a", "1"},
      {"GET", "a"},
      {"INFO", "keyspace"},
      {"SELECT", "1"},
      {"GET", "a"},
      {"MOVE", "a", "1"},
      {"DEL", "a"},
      {"SELECT", "0"},
      {"MOVE", "a", "1"},
      {"INFO", "keyspace"},
      {"move", std::string("\0\xff", 2), "1"},
  });
}

TEST_F(SameAsRedis, FlushedDatabases) {
  std::vector<Arguments> commands;
  for (const char* flush : {"FLUSHDB", "FLUSHALL"}) {
    for (const Arguments& how : std::vector<Arguments>{{},
                                                       {"ASYNC"},
                                                       {"SYNC"},
                                                       {"async"},
                                                       {"sYnC"},
                                                       {""},
                                                       {"x"},
                                                       {"1"},
                                                       {"ASYNC", "SYNC"},
                                                       {"SYNC", "SYNC"},
                                                       {"SYNC", "x", "y"}}) {
      Arguments command = {flush};
      command.insert(command.end(), how.begin(), how.end());
      commands.insert(commands.end(), {
                                          {"SELECT", "1"},
                                          {"MSET", "a", "1", "b", "1"},
                                          {"SELECT", "2"},
                                          {"SET", "a", "2"},
                                          command,
                                          {"GET", "a"},
                                          {"DBSIZE"},
                                          {"INFO", "keyspace"},
                                          command,
                                      });
    }
  }
  ExpectTheSameDatabases(commands);
}

TEST_F(SameAsRedis, KeySlotsAndOtherClusterQuestions) {
  ExpectTheSameBytesInBothProtocols({
      {"CLUSTER", "COUNTKEYSINSLOT", "-1"},
      {"CLUSTER", "COUNTKEYSINSLOT", "16384"},
      {"CLUSTER", "COUNTKEYSINSLOT", "x"},
      {"CLUSTER", "REPLICAS", "nosuchnode"},
      {"CLUSTER", "KEYSLOT", "{}a"},
      {"CLUSTER", "KEYSLOT", "a{b}c{d}"},
      {"CLUSTER", "KEYSLOT", "a{b"},
      {"CLUSTER", "KEYSLOT", "}a{b}"},
      {"CLUSTER", "KEYSLOT", "{{a}}"},
      {"CLUSTER", "KEYSLOT", ""},
      {"CLUSTER", "KEYSLOT", "123456789"},
      {"CLUSTER", "FAILOVER", "x"},
      {"CLUSTER", "KEYSLOT", std::string("\0\xff", 2)},
  });
}

TEST_F(SameAsRedis, CountKeysInSlot) {
  const std::string slot = std::to_string(KeySlot("{counted}"));
  ExpectTheSameBytes({
      {"SET", "{counted}1", "a"},
      {"SET", "{counted}2", "b"},
      {"CLUSTER", "COUNTKEYSINSLOT", slot},
      {"DEL", "{counted}1"},
      {"CLUSTER", "COUNTKEYSINSLOT", slot},
  });
}

TEST_F(SameAsRedis, CommandQuestions) {
  ExpectTheSameBytesInBothProtocols({
      {"COMMAND", "INFO", "nosuchcommand"},
      {"COMMAND", "GETKEYS", "GET", "a"},
      {"COMMAND", "GETKEYS", "SET", "a", "1", "NX"},
      {"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"},
      {"COMMAND", "GETKEYS", "MGET", "a", "b", "c"},
      {"COMMAND", "GETKEYS", "DEL", "a", "b"},
      {"COMMAND", "GETKEYS", "MOVE", "a", "1"},
      {"COMMAND", "GETKEYS", "SWAPDB", "0", "1"},
      {"COMMAND", "GETKEYS", "FLUSHALL"},
      {"COMMAND", "GETKEYS", "PING"},
      {"COMMAND", "GETKEYS", "GET"},
      {"COMMAND", "GETKEYS", "NOSUCHCOMMAND", "a"},
      {"COMMAND", "GETKEYSANDFLAGS", "GET", "a"},
      {"COMMAND", "GETKEYSANDFLAGS", "SET", "a", "get"},
      {"COMMAND", "GETKEYSANDFLAGS", "SET", "a", "1", "NX", "GET"},
      {"COMMAND", "GETKEYSANDFLAGS", "MSET", "a", "1", "b", "2"},
      {"COMMAND", "GETKEYSANDFLAGS", "MSET", "a"},
      {"COMMAND", "GETKEYSANDFLAGS", "DEL", "a", "b"},
      {"COMMAND", "GETKEYSANDFLAGS", "EXISTS", "a", "b"},
      {"COMMAND", "GETKEYSANDFLAGS", "MOVE", "a", "1"},
      {"COMMAND", "GETKEYSANDFLAGS", "PING", "a"},
      {"COMMAND", "GETKEYSANDFLAGS", "GET"},
      {"COMMAND", "DOCS", "nosuchcommand"},
      {"COMMAND", "LIST", "FILTERBY", "PATTERN", "mg*t"},
      {"COMMAND", "LIST", "FILTERBY", "x", "y"},
      {"COMMAND", "LIST", "x"},
  });
}

// Cluster clients find a command's keys, and whether a replica may answer it, by these.
TEST_F(SameAsRedis, EveryCommandIsDescribedAsRedisDescribesIt) {
  Client quorate = LeaderClient();
  Client redis(redis_port_);
  const Reply commands = quorate.Command({"COMMAND"});
  ASSERT_GE(commands.elements.size(), 20U);
  for (const Reply& command : commands.elements) {
    ASSERT_GE(command.elements.size(), 6U) << command;
    const std::string name = command.elements[0].text;
    const Reply info = redis.Command({"COMMAND", "INFO", name});
    ASSERT_EQ(info.elements.size(), 1U);
    const Reply& expected = info.elements[0];
    ASSERT_EQ(expected.kind, Reply::Kind::kArray) << "Redis has no command " << name;
    EXPECT_EQ(command.elements.size(), expected.elements.size()) << name;
    // All but the subcommands: those that both have are in another order.
    for (size_t field = 0; field < 9; ++field) {
      EXPECT_EQ(command.elements[field], expected.elements[field]) << name << ", field " << field;
    }
  }
}

}  // namespace

}  // namespace quorate::redis_tests
