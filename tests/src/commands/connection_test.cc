// Commands about the client's own connection, through a real node.
#include <gtest/gtest.h>

#include <string>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

class Connection : public testing::Test {
 protected:
  Connection() { cluster_.WaitForLeader(); }

  TestCluster cluster_{1};
  TestClient client_{cluster_, 1};
};

constexpr const char* kOk = "+OK\r\n";

// As redis-server 7.0.15 in cluster mode, but for the id of the client.
std::string Greeting(int protocol, uint64_t id) {
  return std::string(protocol == 3 ? "%7" : "*14") +
         "\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:" +
         std::to_string(protocol) + "\r\n$2\r\nid\r\n:" + std::to_string(id) +
         "\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
}

TEST_F(Connection, PingAndEcho) {
  EXPECT_EQ(client_.Call({"PING"}), "+PONG\r\n");
  EXPECT_EQ(client_.Call({"ping", "a\r\nb"}), "$4\r\na\r\nb\r\n");
  EXPECT_EQ(client_.Call({"ECHO", ""}), "$0\r\n\r\n");
}

TEST_F(Connection, HelloSpeaksTheNewProtocolAtOnce) {
  const uint64_t id = client_.session().id;
  EXPECT_EQ(client_.Call({"HELLO"}), Greeting(2, id));
  EXPECT_EQ(client_.Call({"HELLO", "3"}), Greeting(3, id));
  EXPECT_EQ(client_.Call({"GET", "x"}), "_\r\n");
  EXPECT_EQ(client_.Call({"HELLO"}), Greeting(3, id)) << "no version: the protocol stays";
  EXPECT_EQ(client_.Call({"HELLO", "2"}), Greeting(2, id));
  EXPECT_EQ(client_.Call({"GET", "x"}), "$-1\r\n");
}

TEST_F(Connection, HelloTakesOptionsInAnyOrder) {
  EXPECT_EQ(client_.Call({"HELLO", "3", "setname", "n", "AUTH", "default", "any"}),
            Greeting(3, client_.session().id));
  EXPECT_EQ(client_.Call({"CLIENT", "GETNAME"}), "$1\r\nn\r\n");
}

// An error leaves protocol and name as they were.
TEST_F(Connection, HelloChangesAllOrNothing) {
  EXPECT_EQ(client_.Call({"HELLO", "4"}), "-NOPROTO unsupported protocol version\r\n");
  EXPECT_EQ(client_.Call({"HELLO", "x"}),
            "-ERR Protocol version is not an integer or out of range\r\n");
  EXPECT_EQ(client_.Call({"HELLO", "3", "SETNAME", "n", "foo"}),
            "-ERR Syntax error in HELLO option 'foo'\r\n");
  EXPECT_EQ(client_.Call({"HELLO", "3", "SETNAME", "n", "AUTH", "default"}),
            "-ERR Syntax error in HELLO option 'AUTH'\r\n");
  EXPECT_EQ(client_.Call({"HELLO", "3", "SETNAME"}),
            "-ERR Syntax error in HELLO option 'SETNAME'\r\n");
  EXPECT_EQ(client_.Call({"HELLO", "3", "SETNAME", "n", "AUTH", "bob", "x"}),
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(client_.Call({"HELLO", "3", "SETNAME", "a b"}),
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  EXPECT_EQ(client_.session().protocol, resp::Protocol::kResp2);
  EXPECT_EQ(client_.Call({"CLIENT", "GETNAME"}), "$-1\r\n");
}

TEST_F(Connection, AuthIsRefusedAsByARedisWithoutPassword) {
  EXPECT_EQ(client_.Call({"AUTH", "x"}),
            "-ERR AUTH <password> called without any password configured for the default user. Are "
            "you sure your configuration is correct?\r\n");
  EXPECT_EQ(client_.Call({"AUTH", "default", "x"}), kOk);
  EXPECT_EQ(client_.Call({"AUTH", "bob", "x"}),
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(client_.Call({"AUTH", "a", "b", "c"}), "-ERR syntax error\r\n");
}

TEST_F(Connection, SelectsADatabase) {
  client_.Call({"SET", "k", "0"});
  EXPECT_EQ(client_.Call({"SELECT", "15"}), kOk);
  EXPECT_EQ(client_.Call({"GET", "k"}), "$-1\r\n");
  EXPECT_EQ(client_.Call({"SET", "k", "15"}), kOk);
  EXPECT_EQ(client_.Call({"DBSIZE"}), ":1\r\n");
  EXPECT_NE(client_.Call({"CLIENT", "INFO"}).find(" db=15 "), std::string::npos);
  EXPECT_EQ(client_.Call({"SELECT", "0"}), kOk);
  EXPECT_EQ(client_.Call({"GET", "k"}), "$1\r\n0\r\n");
}

TEST_F(Connection, WhatIsNoDatabaseIsNotSelected) {
  client_.Call({"SELECT", "3"});
  EXPECT_EQ(client_.Call({"SELECT", "16"}), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(client_.Call({"SELECT", "-1"}), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(client_.Call({"SELECT", "x"}), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(client_.Call({"SELECT", "2147483648"}),
            "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
  EXPECT_EQ(client_.session().database, 3u);
}

// Each request of a pipeline goes to the database that those before it have selected.
TEST_F(Connection, APipelineSelectsForWhatFollows) {
  cluster_.Send(1, client_.session(),
                Request({"SET", "k", "0"}) + Request({"SELECT", "1"}) + Request({"GET", "k"}) +
                    Request({"SET", "k", "1"}) + Request({"SELECT", "0"}) + Request({"GET", "k"}));
  EXPECT_EQ(client_.Call({"PING"}), "+OK\r\n+OK\r\n$-1\r\n+OK\r\n+OK\r\n$1\r\n0\r\n+PONG\r\n");
}

TEST_F(Connection, ResetForgetsAllButTheConnection) {
  client_.Call({"HELLO", "3", "SETNAME", "n"});
  client_.Call({"READONLY"});
  client_.Call({"SELECT", "2"});
  client_.Call({"CLIENT", "NO-EVICT", "ON"});
  client_.Call({"CLIENT", "NO-TOUCH", "ON"});
  EXPECT_EQ(client_.Call({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(client_.session().protocol, resp::Protocol::kResp2);
  EXPECT_EQ(client_.session().name, "");
  EXPECT_EQ(client_.session().database, 0u);
  EXPECT_FALSE(client_.session().readonly);
  EXPECT_FALSE(client_.session().no_evict);
  EXPECT_FALSE(client_.session().no_touch);
}

TEST_F(Connection, ReadonlyAndReadwrite) {
  EXPECT_EQ(client_.Call({"READONLY"}), kOk);
  EXPECT_TRUE(client_.session().readonly);
  EXPECT_EQ(client_.Call({"READWRITE"}), kOk);
  EXPECT_FALSE(client_.session().readonly);
}

// What follows QUIT is not executed.
TEST_F(Connection, QuitAnswersAndEndsTheConnection) {
  cluster_.Send(1, client_.session(), Request({"QUIT"}) + Request({"PING"}));
  EXPECT_EQ(client_.Call({"PING"}), kOk);
  EXPECT_TRUE(client_.session().close_after_replies);
}

// Replies to commands that answer at once wait for those that do not.
TEST_F(Connection, RepliesKeepTheOrderOfRequests) {
  cluster_.Send(1, client_.session(),
                Request({"SET", "a", "1"}) + Request({"PING"}) + Request({"GET", "a"}) +
                    Request({"ECHO", "x"}));
  EXPECT_EQ(client_.Call({"PING"}), "+OK\r\n+PONG\r\n$1\r\n1\r\n$1\r\nx\r\n+PONG\r\n");
}

}  // namespace
}  // namespace quorate
