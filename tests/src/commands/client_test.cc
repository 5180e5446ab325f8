// CLIENT and its subcommands, with several connections to a real node.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kSyntaxError = "-ERR syntax error\r\n";

class ClientCommand : public testing::Test {
 protected:
  ClientCommand() { cluster_.WaitForLeader(); }

  static size_t LinesOf(const std::string& reply) {
    const std::string text = TextOf(reply);
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  static std::string IdOf(TestClient& client) { return std::to_string(client.session().id); }

  TestCluster cluster_{1};
  TestClient first_{cluster_, 1, "127.0.0.1:50001"};
  TestClient second_{cluster_, 1, "127.0.0.1:50002"};
  TestClient third_{cluster_, 1, "127.0.0.1:50003"};
};

TEST_F(ClientCommand, IdsAreEachClientsOwn) {
  EXPECT_EQ(first_.Call({"CLIENT", "ID"}), ":" + IdOf(first_) + "\r\n");
  EXPECT_EQ(second_.Call({"CLIENT", "ID"}), ":" + IdOf(second_) + "\r\n");
  EXPECT_NE(IdOf(first_), IdOf(second_));
}

TEST_F(ClientCommand, NamesArePrintableWithoutBlanks) {
  const std::string refused =
      "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
  EXPECT_EQ(first_.Call({"CLIENT", "GETNAME"}), "$-1\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "SETNAME", "n!~"}), kOk);
  EXPECT_EQ(first_.Call({"CLIENT", "GETNAME"}), "$3\r\nn!~\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "SETNAME", "a b"}), refused);
  EXPECT_EQ(first_.Call({"CLIENT", "SETNAME", "a\n"}), refused);
  EXPECT_EQ(first_.Call({"CLIENT", "SETNAME", "\x7f"}), refused);
  EXPECT_EQ(first_.Call({"CLIENT", "SETNAME", "\xc3\xa9"}), refused);
  EXPECT_EQ(first_.Call({"CLIENT", "GETNAME"}), "$3\r\nn!~\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "SETNAME", ""}), kOk);
  EXPECT_EQ(first_.Call({"CLIENT", "GETNAME"}), "$-1\r\n");
}

TEST_F(ClientCommand, SetInfoNotesTheLibrary) {
  EXPECT_EQ(first_.Call({"CLIENT", "SETINFO", "LIB-NAME", "redis-py"}), kOk);
  EXPECT_EQ(first_.Call({"CLIENT", "SETINFO", "lib-ver", "5.0.1"}), kOk);
  EXPECT_EQ(first_.Call({"CLIENT", "SETINFO", "lib-color", "x"}),
            "-ERR Unrecognized option 'lib-color'\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "SETINFO", "LIB-NAME", "a b"}),
            "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
  const std::string info = TextOf(first_.Call({"CLIENT", "INFO"}));
  EXPECT_NE(info.find(" lib-name=redis-py lib-ver=5.0.1"), std::string::npos) << info;
}

TEST_F(ClientCommand, InfoDescribesTheCaller) {
  first_.Call({"CLIENT", "SETNAME", "n"});
  cluster_.clock().now_ms += 7000;
  const std::string info = TextOf(first_.Call({"CLIENT", "INFO"}));
  EXPECT_EQ(info.find("id=" + IdOf(first_) +
                      " addr=127.0.0.1:50001 laddr=127.0.0.1:7000 name=n "
                      "age=7 idle=0 flags=N db=0 "),
            0U)
      << info;
  EXPECT_NE(info.find(" cmd=client|info user=default redir=-1 resp=2 "), std::string::npos) << info;
  EXPECT_EQ(std::count(info.begin(), info.end(), '\n'), 1);
  first_.Call({"HELLO", "3"});
  const std::string verbatim = first_.Call({"CLIENT", "INFO"});
  EXPECT_EQ(verbatim[0], '=') << "RESP3 marks texts as such";
  EXPECT_NE(verbatim.find("txt:id="), std::string::npos);
}

TEST_F(ClientCommand, FlagsShowWhatTheClientAskedFor) {
  first_.Call({"READONLY"});
  first_.Call({"CLIENT", "NO-EVICT", "on"});
  first_.Call({"CLIENT", "NO-TOUCH", "on"});
  EXPECT_NE(TextOf(first_.Call({"CLIENT", "INFO"})).find(" flags=reT "), std::string::npos);
  first_.Call({"CLIENT", "NO-EVICT", "off"});
  EXPECT_NE(TextOf(first_.Call({"CLIENT", "INFO"})).find(" flags=rT "), std::string::npos);
  EXPECT_EQ(first_.Call({"CLIENT", "NO-EVICT", "maybe"}), kSyntaxError);
  EXPECT_EQ(first_.Call({"CLIENT", "NO-TOUCH", ""}), kSyntaxError);
}

TEST_F(ClientCommand, ListShowsAllOrTheOnesAskedFor) {
  EXPECT_EQ(LinesOf(first_.Call({"CLIENT", "LIST"})), 3U);
  EXPECT_EQ(LinesOf(first_.Call({"CLIENT", "LIST", "TYPE", "normal"})), 3U);
  for (std::string_view type : {"master", "replica", "slave", "pubsub"}) {
    EXPECT_EQ(first_.Call({"CLIENT", "LIST", "TYPE", type}), "$0\r\n\r\n");
  }
  EXPECT_EQ(first_.Call({"CLIENT", "LIST", "TYPE", "x"}), "-ERR Unknown client type 'x'\r\n");
  const std::string chosen =
      first_.Call({"CLIENT", "LIST", "ID", IdOf(third_), "99", IdOf(first_)});
  EXPECT_EQ(LinesOf(chosen), 2U);
  EXPECT_NE(chosen.find("addr=127.0.0.1:50001 "), std::string::npos);
  EXPECT_NE(chosen.find("addr=127.0.0.1:50003 "), std::string::npos);
  EXPECT_EQ(first_.Call({"CLIENT", "LIST", "ID", "0", "-1"}), "$0\r\n\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "LIST", "ID", "x"}), "-ERR Invalid client ID\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "LIST", "ID"}), kSyntaxError);
  EXPECT_EQ(first_.Call({"CLIENT", "LIST", "TYPE", "normal", "x"}), kSyntaxError);
  EXPECT_EQ(first_.Call({"CLIENT", "LIST", "x"}), kSyntaxError);
}

TEST_F(ClientCommand, KillByAddressTheOldWay) {
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "127.0.0.1:50002"}), kOk);
  EXPECT_TRUE(second_.session().close_now);
  EXPECT_FALSE(third_.session().close_now);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "127.0.0.1:1"}), "-ERR No such client\r\n");
}

// Whoever kills itself gets the reply first.
TEST_F(ClientCommand, KillItself) {
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "127.0.0.1:50001"}), kOk);
  EXPECT_FALSE(first_.session().close_now);
  EXPECT_TRUE(first_.session().close_after_replies);
}

// Whoever takes too much is given up, but not in the middle of its own reply.
TEST_F(ClientCommand, KillItselfBeyondABound) {
  Sessions& sessions = cluster_.member(1).sessions;
  for (const Sessions::Bounds& bounds :
       {Sessions::Bounds{.reply_bytes = 1000}, Sessions::Bounds{.memory_bytes = 1000}}) {
    TestClient client(cluster_, 1, "127.0.0.1:50004");
    client.session().replies.output() = std::string(2000, 'x');
    sessions.set_bounds(bounds);
    EXPECT_EQ(client.Call({"CLIENT", "KILL", "ID", IdOf(client), "SKIPME", "no"}), "");
    EXPECT_TRUE(client.session().close_now);
    sessions.set_bounds({});
    sessions.Close(client.session());
  }
}

// As many lines as are asked for may be more than there is memory.
TEST_F(ClientCommand, ListEndsWhereItIsTooLongToBeSent) {
  first_.Call({"CLIENT", "SETNAME", std::string(10'000, 'n')});
  const std::string id = IdOf(first_);
  std::vector<std::string_view> arguments = {"client", "list", "id"};
  arguments.resize(1000, id);
  LocalContext context{*cluster_.member(1).instance, first_.session(), 100'000};
  std::string reply;
  resp::ReplyWriter writer(resp::Protocol::kResp2, &reply);
  const Command& list = *FindSubcommand(*Commands().Find("client"), "list");
  std::get<LocalFunction>(list.function)(context, arguments, writer);
  EXPECT_GT(reply.size(), 100'000U);
  EXPECT_LT(reply.size(), 120'000U);
}

TEST_F(ClientCommand, NamesCountAsMemory) {
  const std::string text(100'000, 'n');
  const size_t before = cluster_.member(1).sessions.memory_bytes();
  first_.Call({"CLIENT", "SETNAME", text});
  first_.Call({"CLIENT", "SETINFO", "LIB-NAME", text});
  first_.Call({"CLIENT", "SETINFO", "LIB-VER", text});
  EXPECT_GE(cluster_.member(1).sessions.memory_bytes(), before + 3 * text.size());
}

TEST_F(ClientCommand, KillByFilters) {
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", IdOf(second_)}), ":1\r\n");
  EXPECT_TRUE(second_.session().close_now);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", "99"}), ":0\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ADDR", "127.0.0.1:50003", "LADDR", "127.0.0.1:1"}),
            ":0\r\n")
      << "all filters must fit";
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "TYPE", "replica"}), ":0\r\n");
  EXPECT_FALSE(third_.session().close_now);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ADDR", "127.0.0.1:50003", "LADDR", "127.0.0.1:7000",
                         "USER", "default", "TYPE", "normal"}),
            ":1\r\n");
  EXPECT_TRUE(third_.session().close_now);
}

TEST_F(ClientCommand, KillSkipsTheCallerUnlessToldOtherwise) {
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "TYPE", "normal"}), ":2\r\n");
  EXPECT_FALSE(first_.session().close_after_replies);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", IdOf(first_), "SKIPME", "no"}), ":1\r\n");
  EXPECT_TRUE(first_.session().close_after_replies);
}

// A refused request kills nobody, whatever the filters before the mistake chose.
TEST_F(ClientCommand, KillRefusesWhatItDoesNotUnderstand) {
  const std::string id = IdOf(second_);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", id, "foo", "x"}), kSyntaxError);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", id, "SKIPME"}), kSyntaxError);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", id, "SKIPME", "maybe"}), kSyntaxError);
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", id, "USER", "bob"}),
            "-ERR No such user 'bob'\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", id, "TYPE", "x"}),
            "-ERR Unknown client type 'x'\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", "0"}),
            "-ERR client-id should be greater than 0\r\n");
  EXPECT_EQ(first_.Call({"CLIENT", "KILL", "ID", "x"}),
            "-ERR client-id should be greater than 0\r\n");
  EXPECT_FALSE(second_.session().close_now);
}

}  // namespace
}  // namespace quorate
