// RESP as bytes: inline commands, broken requests and what follows them, RESP3.

#include <cstdlib>
#include <string>
#include <string_view>

#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/raw_connection.h"

namespace quorate::redis_tests {

namespace {

class Protocol : public ClusterTest {
 protected:
  // All that a new connection to the leader answers to `bytes` until it is closed from there.
  std::string AnswerUntilClosed(std::string_view bytes) {
    RawConnection connection(cluster().port(leader()));
    connection.Send(bytes);
    return connection.ReadUntilClosed();
  }
};

TEST_F(Protocol, InlineCommandsWorkWithAndWithoutCarriageReturn) {
  RawConnection connection(cluster().port(leader()));
  connection.Send("PING\r\nping\nSET " + Key("a") + " \"two words\\x21\"\r\nGET " + Key("a") +
                  "\r\n ECHO   'it\\'s'  \r\n");
  EXPECT_EQ(connection.Read(), Status("PONG"));
  EXPECT_EQ(connection.Read(), Status("PONG"));
  EXPECT_EQ(connection.Read(), Status("OK"));
  EXPECT_EQ(connection.Read(), Text("two words!"));
  EXPECT_EQ(connection.Read(), Text("it's"));
}

TEST_F(Protocol, EmptyRequestsAreIgnored) {
  RawConnection connection(cluster().port(leader()));
  connection.Send("\r\n\n   \r\n*0\r\n*-1\r\n*-10\r\nPING\r\n");
  EXPECT_EQ(connection.Read(), Status("PONG"));
  EXPECT_EQ(connection.Command({"ECHO", "next"}), Text("next"));
}

TEST_F(Protocol, InlineCommandsAndArraysMixInOnePipeline) {
  RawConnection connection(cluster().port(leader()));
  connection.Send("PING\r\n" + EncodeCommand({"PING", "x"}) + "PING y\r\n");
  EXPECT_EQ(connection.Read(), Status("PONG"));
  EXPECT_EQ(connection.Read(), Text("x"));
  EXPECT_EQ(connection.Read(), Text("y"));
}

struct BrokenRequest {
  std::string bytes;
  std::string answer;
};

TEST_F(Protocol, AProtocolErrorIsAnsweredAndClosesTheConnection) {
  // One byte above the limit of 64 KiB, so that the server has read all that it then refuses: what
  // it left unread would turn its close into a reset, which may overtake the answer.
  const std::string long_text(65'536, 'x');
  const BrokenRequest requests[] = {
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*1048577\r\n", "invalid multibulk length"},
      {"*x\r\n", "invalid multibulk length"},
      {"*1x\r\n", "invalid multibulk length"},
      {"*1\r\n:4\r\nPING\r\n", "expected '$', got ':'"},
      {"*2\r\n$3\r\nGET\r\nabc\r\n", "expected '$', got 'a'"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$04\r\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$x\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999999999999\r\n", "invalid bulk length"},
      {"x" + long_text, "too big inline request"},
      {"*" + long_text, "too big mbulk count string"},
      {"*1\r\n$" + long_text, "too big bulk count string"},
      {"SET \"a b\r\n", "unbalanced quotes in request"},
      {"SET 'a'b c\r\n", "unbalanced quotes in request"},
  };
  for (const BrokenRequest& request : requests) {
    EXPECT_EQ(AnswerUntilClosed(request.bytes), "-ERR Protocol error: " + request.answer + "\r\n")
        << request.bytes.substr(0, 40);
  }
}

TEST_F(Protocol, WhatCameBeforeAProtocolErrorIsAnsweredAndWhatFollowsIsNot) {
  const std::string write = EncodeCommand({"SET", Key("a"), "1"});
  EXPECT_EQ(AnswerUntilClosed(write + EncodeCommand({"GET", Key("a")}) + "*1\r\n!\r\n" +
                              EncodeCommand({"SET", Key("a"), "2"})),
            "+OK\r\n$1\r\n1\r\n-ERR Protocol error: expected '$', got '!'\r\n");
  EXPECT_EQ(LeaderClient().Command({"GET", Key("a")}), Text("1"));
}

TEST_F(Protocol, AValueAboveProtoMaxBulkLenIsRefusedBeforeItIsSent) {
  Client client = LeaderClient();
  const Reply setting = client.Command({"CONFIG", "GET", "proto-max-bulk-len"});
  ASSERT_EQ(setting.elements.size(), 2U) << setting;
  const int64_t limit = std::atoll(setting.elements[1].text.c_str());
  ASSERT_GE(limit, 1 << 20);
  EXPECT_EQ(
      AnswerUntilClosed("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$" + std::to_string(limit + 1) + "\r\n"),
      "-ERR Protocol error: invalid bulk length\r\n");
  // Exactly at the limit it is an ordinary value.
  const std::string value(static_cast<size_t>(limit), 'v');
  EXPECT_EQ(client.Command({"SET", Key("a"), value}), Status("OK"));
  EXPECT_TRUE(client.Command({"GET", Key("a")}) == Text(value));
  EXPECT_EQ(client.Command({"DEL", Key("a")}), Integer(1));
}

// A guard of Redis's against requests that web pages can be made to send.
TEST_F(Protocol, HttpRequestsAreCutOff) {
  EXPECT_EQ(AnswerUntilClosed("POST / HTTP/1.1\r\n"), "");
  EXPECT_EQ(AnswerUntilClosed("Host: localhost\r\n"), "");
}

TEST_F(Protocol, ABrokenConnectionDoesNotTroubleTheOthers) {
  Client client = LeaderClient();
  for (int i = 0; i < 20; ++i) {
    RawConnection connection(cluster().port(leader()));
    connection.Send("*3\r\n$3\r\nSET\r\n$5\r\nab");
  }
  EXPECT_EQ(client.Command({"PING"}), Status("PONG"));
}

TEST_F(Protocol, HelloDescribesTheServer) {
  RawConnection connection(cluster().port(leader()));
  for (const char* version : {"2", "3"}) {
    const Reply hello = connection.Command({"HELLO", version});
    EXPECT_EQ(hello.kind, version[0] == '3' ? Reply::Kind::kMap : Reply::Kind::kArray) << hello;
    EXPECT_EQ(hello.Find("server"), Text("redis"));
    EXPECT_EQ(hello.Find("proto"), Integer(version[0] - '0'));
    EXPECT_EQ(hello.Find("mode"), Text("cluster"));
    EXPECT_EQ(hello.Find("role"), Text("master"));
    EXPECT_EQ(hello.Find("modules"), Array({}));
    EXPECT_EQ(hello.Find("id").kind, Reply::Kind::kInteger);
    EXPECT_EQ(hello.Find("version").kind, Reply::Kind::kString);
  }
}

TEST_F(Protocol, HelloOnAFollowerSaysReplica) {
  RawConnection connection(cluster().port(follower()));
  EXPECT_EQ(connection.Command({"HELLO", "3"}).Find("role"), Text("replica"));
}

TEST_F(Protocol, HelloSetsTheNameAndRefusesWhatItDoesNotKnow) {
  RawConnection connection(cluster().port(leader()));
  EXPECT_EQ(connection.Command({"HELLO", "4"}), Error("NOPROTO unsupported protocol version"));
  EXPECT_EQ(connection.Command({"HELLO", "1"}), Error("NOPROTO unsupported protocol version"));
  EXPECT_EQ(connection.Command({"HELLO", "x"}),
            Error("ERR Protocol version is not an integer or out of range"));
  EXPECT_EQ(connection.Command({"HELLO", "3", "SETNAME", "tester"}).kind, Reply::Kind::kMap);
  EXPECT_EQ(connection.Command({"CLIENT", "GETNAME"}), Text("tester"));
}

TEST_F(Protocol, Resp3HasItsOwnNilAndMapsAndResp2ComesBackWithHello2) {
  RawConnection connection(cluster().port(leader()));
  connection.Command({"HELLO", "3"});
  connection.SendCommand({"GET", Key("no")});
  EXPECT_EQ(connection.ReadBytes(), "_\r\n");
  connection.SendCommand({"MGET", Key("no")});
  EXPECT_EQ(connection.ReadBytes(), "*1\r\n_\r\n");
  EXPECT_EQ(connection.Command({"CONFIG", "GET", "port"}).kind, Reply::Kind::kMap);
  EXPECT_EQ(connection.Command({"SET", Key("a"), "1"}), Status("OK"));
  EXPECT_EQ(connection.Command({"SET", Key("a"), "2", "GET"}), Text("1"));
  connection.Command({"HELLO", "2"});
  connection.SendCommand({"GET", Key("no")});
  EXPECT_EQ(connection.ReadBytes(), "$-1\r\n");
  EXPECT_EQ(connection.Command({"CONFIG", "GET", "port"}).kind, Reply::Kind::kArray);
}

TEST_F(Protocol, TheProtocolVersionChangesBetweenTwoCommandsOfAPipeline) {
  RawConnection connection(cluster().port(leader()));
  connection.Send(EncodeCommand({"GET", Key("no")}) + EncodeCommand({"HELLO", "3"}) +
                  EncodeCommand({"GET", Key("no")}));
  EXPECT_EQ(connection.ReadBytes(), "$-1\r\n");
  EXPECT_EQ(connection.Read().kind, Reply::Kind::kMap);
  EXPECT_EQ(connection.ReadBytes(), "_\r\n");
}

TEST_F(Protocol, ResetBringsAConnectionBackToItsBeginning) {
  RawConnection connection(cluster().port(leader()));
  connection.Command({"HELLO", "3", "SETNAME", "tester"});
  EXPECT_EQ(connection.Command({"RESET"}), Status("RESET"));
  connection.SendCommand({"GET", Key("no")});
  EXPECT_EQ(connection.ReadBytes(), "$-1\r\n");
  EXPECT_EQ(connection.Command({"CLIENT", "GETNAME"}), Nil());
}

}  // namespace

}  // namespace quorate::redis_tests
