// COMMAND and its subcommands. The expected bytes are those of redis-server 7.0.15.
#include <gtest/gtest.h>

#include <string>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

class Introspection : public testing::Test {
 protected:
  Introspection() { cluster_.WaitForLeader(); }

  TestCluster cluster_{1};
  TestClient client_{cluster_, 1};
};

TEST_F(Introspection, InfoOfARead) {
  EXPECT_EQ(
      client_.Call({"COMMAND", "INFO", "GET", "nope"}),
      "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
      "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n"
      "+access\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n"
      "*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n"
      "$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n"
      "*0\r\n$-1\r\n");
}

TEST_F(Introspection, InfoOfAWriteWithManyKeys) {
  EXPECT_EQ(client_.Call({"COMMAND", "INFO", "mset"}),
            "*1\r\n*10\r\n$4\r\nmset\r\n:-3\r\n*2\r\n+write\r\n+denyoom\r\n:1\r\n:-1\r\n:2\r\n"
            "*3\r\n+@write\r\n+@string\r\n+@slow\r\n"
            "*2\r\n$26\r\nrequest_policy:multi_shard\r\n$29\r\nresponse_policy:all_succeeded\r\n"
            "*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+OW\r\n+update\r\n$12\r\nbegin_search\r\n*4\r\n"
            "$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys"
            "\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:-1\r\n"
            "$7\r\nkeystep\r\n:2\r\n$5\r\nlimit\r\n:0\r\n*0\r\n");
}

TEST_F(Introspection, InfoOfASubcommand) {
  EXPECT_EQ(client_.Call({"COMMAND", "INFO", "client|KILL"}),
            "*1\r\n*10\r\n$11\r\nclient|kill\r\n:-3\r\n*4\r\n+admin\r\n+noscript\r\n+loading\r\n"
            "+stale\r\n:0\r\n:0\r\n:0\r\n*4\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n+@connection\r\n"
            "*0\r\n*0\r\n*0\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "INFO", "client|nope", "get|x", "|", ""}),
            "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
}

TEST_F(Introspection, Resp3HasSetsAndMaps) {
  client_.Call({"HELLO", "3"});
  EXPECT_EQ(
      client_.Call({"COMMAND", "INFO", "mget", "nope"}),
      "*2\r\n*10\r\n$4\r\nmget\r\n:-2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:-1\r\n:1\r\n"
      "~3\r\n+@read\r\n+@string\r\n+@fast\r\n~1\r\n$26\r\nrequest_policy:multi_shard\r\n"
      "~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n%2\r\n"
      "$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n"
      "%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:-1\r\n"
      "$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n_\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "LIST", "FILTERBY", "PATTERN", "mg*t"}),
            "*1\r\n$4\r\nmget\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "DOCS", "nope"}), "%0\r\n");
}

TEST_F(Introspection, WithoutNamesDescribesAll) {
  const std::string all = client_.Call({"COMMAND"});
  EXPECT_EQ(all.find("*" + std::to_string(Commands().commands().size()) + "\r\n*10\r\n"), 0U);
  EXPECT_EQ(client_.Call({"COMMAND", "INFO"}), all);
  EXPECT_EQ(client_.Call({"COMMAND", "COUNT"}),
            ":" + std::to_string(Commands().commands().size()) + "\r\n");
  const std::string docs = client_.Call({"COMMAND", "DOCS"});
  EXPECT_EQ(docs.find("*" + std::to_string(2 * Commands().commands().size()) + "\r\n"), 0U);
}

TEST_F(Introspection, DocsHaveRedisFields) {
  const Command& get = *Commands().Find("get");
  const auto bulk = [](std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
  };
  EXPECT_EQ(client_.Call({"COMMAND", "DOCS", "GET", "nope"}),
            "*2\r\n" + bulk("get") + "*10\r\n" + bulk("summary") + bulk(get.summary) +
                bulk("since") + bulk("1.0.0") + bulk("group") + bulk("string") +
                bulk("complexity") + bulk("O(1)") + bulk("arguments") + "*1\r\n*6\r\n" +
                bulk("name") + bulk("key") + bulk("type") + bulk("key") + bulk("key_spec_index") +
                ":0\r\n");
  const std::string client = client_.Call({"COMMAND", "DOCS", "client"});
  EXPECT_NE(client.find("$11\r\nsubcommands\r\n"), std::string::npos);
  EXPECT_NE(client.find("$9\r\nclient|id\r\n"), std::string::npos);
}

// A request of few bytes may ask for more than there is memory.
TEST_F(Introspection, DocsAndInfoEndWhereTheyAreTooLongToBeSent) {
  std::vector<std::string_view> arguments(100'000, "client");
  LocalContext context{*cluster_.member(1).instance, client_.session(), 100'000};
  for (std::string_view name : {"docs", "info"}) {
    std::string reply;
    resp::ReplyWriter writer(resp::Protocol::kResp2, &reply);
    const Command& command = *FindSubcommand(*Commands().Find("command"), name);
    std::get<LocalFunction>(command.function)(context, arguments, writer);
    EXPECT_GT(reply.size(), 100'000U);
    EXPECT_LT(reply.size(), 120'000U);
  }
}

TEST_F(Introspection, ListsNames) {
  const std::string all = client_.Call({"COMMAND", "LIST"});
  EXPECT_EQ(all.find("*" + std::to_string(Commands().all().size()) + "\r\n"), 0U)
      << "subcommands too";
  EXPECT_EQ(client_.Call({"COMMAND", "LIST", "FILTERBY", "PATTERN", "*GET"}),
            "*4\r\n$3\r\nget\r\n$4\r\nmget\r\n$14\r\ncluster|forget\r\n$10\r\nconfig|get\r\n");
}

TEST_F(Introspection, ListFiltersByCategoryAndModule) {
  EXPECT_EQ(client_.Call({"COMMAND", "LIST", "filterby", "aclcat", "STRING"}),
            "*5\r\n$3\r\nget\r\n$4\r\nmget\r\n$4\r\nmset\r\n$3\r\nset\r\n$6\r\nstrlen\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "LIST", "FILTERBY", "ACLCAT", "geo"}), "*0\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "LIST", "FILTERBY", "MODULE", "x"}), "*0\r\n");
  for (const std::vector<std::string_view>& wrong : {std::vector<std::string_view>{"FILTERBY"},
                                                     {"FILTERBY", "PATTERN"},
                                                     {"FILTERBY", "COLOR", "x"},
                                                     {"SORTBY", "PATTERN", "x"},
                                                     {"FILTERBY", "PATTERN", "x", "y"}}) {
    std::vector<std::string_view> request = {"COMMAND", "LIST"};
    request.insert(request.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(client_.Call(request), "-ERR syntax error\r\n") << testing::PrintToString(wrong);
  }
}

TEST_F(Introspection, GetKeysFindsThem) {
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "get", "a"}), "*1\r\n$1\r\na\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"}),
            "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "DEL", "a", "b", "c"}),
            "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "set", "a", "1", "NX", "GET"}),
            "*1\r\n$1\r\na\r\n");
}

TEST_F(Introspection, GetKeysRefusesWhatHasNone) {
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "nope", "a"}),
            "-ERR Invalid command specified\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "cluster", "nope", "a"}),
            "-ERR Invalid command specified\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "ping", "a"}),
            "-ERR The command has no key arguments\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "cluster", "keyslot", "a"}),
            "-ERR The command has no key arguments\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "get", "a", "b"}),
            "-ERR Invalid number of arguments specified for command\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "mset", "a"}),
            "-ERR Invalid number of arguments specified for command\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYS", "get"}),
            "-ERR wrong number of arguments for 'command|getkeys' command\r\n");
}

TEST_F(Introspection, GetKeysAndFlagsSaysWhatBecomesOfThem) {
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "get", "a"}),
            "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "mset", "a", "1", "b", "2"}),
            "*2\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n"
            "*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "get"}),
            "-ERR wrong number of arguments for 'command|getkeysandflags' command\r\n");
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "ping", "a"}),
            "-ERR The command has no key arguments\r\n");
  client_.Call({"HELLO", "3"});
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "get", "a"}),
            "*1\r\n*2\r\n$1\r\na\r\n~2\r\n+RO\r\n+access\r\n");
}

// What SET does to its key is up to its options, even to those that are wrong.
TEST_F(Introspection, GetKeysAndFlagsLooksAtTheOptionsOfSet) {
  const std::string written = "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n";
  const std::string read = "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n";
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "set", "a", "get"}), written);
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "set", "a", "b", "NX"}), written);
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "set", "a", "b", "Get"}), read);
  EXPECT_EQ(client_.Call({"COMMAND", "GETKEYSANDFLAGS", "set", "a", "b", "x", "GET"}), read);
}

TEST_F(Introspection, InfoHasTheNotesOfKeys) {
  EXPECT_NE(client_.Call({"COMMAND", "INFO", "set"})
                .find("*1\r\n*8\r\n$5\r\nnotes\r\n$48\r\nRW and ACCESS due to the optional "
                      "`GET` argument\r\n$5\r\nflags\r\n*4\r\n+RW\r\n+access\r\n+update\r\n"
                      "+variable_flags\r\n"),
            std::string::npos);
}

TEST_F(Introspection, EveryContainerHasHelp) {
  for (const Command& command : Commands().commands()) {
    if (command.subcommands.empty()) continue;
    const std::string help = client_.Call({command.name, "HELP"});
    SCOPED_TRACE(command.name);
    EXPECT_EQ(help[0], '*');
    for (const Command& subcommand : command.subcommands) {
      if (subcommand.name == "slaves" || subcommand.name == "rewrite") continue;
      std::string upper = "+";
      for (char byte : subcommand.name) upper += static_cast<char>(std::toupper(byte));
      EXPECT_NE(help.find(upper), std::string::npos) << subcommand.name;
    }
  }
}

}  // namespace
}  // namespace quorate
