// The table of commands is complete and consistent, and requests find their way through it.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "src/commands/syntax.h"
#include "src/commands/table.h"

namespace quorate {
namespace {

// The error's text, or "" for a request that is accepted.
std::string ErrorOf(std::vector<std::string_view> arguments) {
  const auto resolved = Commands().Resolve(arguments);
  const auto* error = std::get_if<std::string>(&resolved);
  return error ? *error : "";
}

TEST(CommandTable, IsSortedByUniqueNames) {
  const auto table = Commands().commands();
  ASSERT_FALSE(table.empty());
  for (size_t i = 1; i < table.size(); ++i) EXPECT_LT(table[i - 1].name, table[i].name);
  for (const Command& command : table) {
    std::set<std::string_view> names;
    for (const Command& subcommand : command.subcommands) {
      EXPECT_TRUE(names.insert(subcommand.name).second) << subcommand.full_name;
    }
  }
}

TEST(CommandTable, NumbersEveryCommandAndSubcommandOnce) {
  size_t seen = 0;
  for (const Command& command : Commands().commands()) {
    EXPECT_EQ(&Commands().all()[command.number], &command);
    EXPECT_EQ(command.full_name, command.name);
    EXPECT_EQ(command.parent, nullptr);
    ++seen;
    for (const Command& subcommand : command.subcommands) {
      EXPECT_EQ(&Commands().all()[subcommand.number], &subcommand);
      EXPECT_EQ(subcommand.full_name,
                std::string(command.name) + "|" + std::string(subcommand.name));
      EXPECT_EQ(subcommand.parent, &command);
      ++seen;
    }
  }
  EXPECT_EQ(seen, Commands().all().size());
}

TEST(CommandTable, SaysAllThatDocumentationNeeds) {
  for (size_t number = 0; number < Commands().all().size(); ++number) {
    const Command& command = Commands().all()[number];
    SCOPED_TRACE(command.full_name);
    EXPECT_TRUE(std::all_of(command.name.begin(), command.name.end(),
                            [](char byte) { return (byte >= 'a' && byte <= 'z') || byte == '-'; }));
    EXPECT_NE(command.arity, 0);
    EXPECT_FALSE(command.summary.empty());
    EXPECT_FALSE(command.complexity.empty());
    EXPECT_FALSE(command.since.empty());
    EXPECT_FALSE(command.group.empty());
    // A container alone cannot be executed, so it must not be taken for a command with arguments.
    if (std::holds_alternative<std::monostate>(command.function)) {
      EXPECT_FALSE(command.subcommands.empty());
      EXPECT_EQ(command.arity, -2);
    }
    // A write without keys is one to whole databases: others would be redirected to no slot of
    // theirs.
    const bool whole_databases =
        command.name == "flushall" || command.name == "flushdb" || command.name == "swapdb";
    EXPECT_TRUE(!command.is_write() || command.keys.empty() == whole_databases);
    for (const KeySpecification& specification : command.keys) {
      EXPECT_FALSE(specification.flags.empty());
      EXPECT_GT(specification.step, 0);
      // What the request decides, a function finds out.
      EXPECT_TRUE(command.find_keys != nullptr ||
                  (!specification.flags.Has(KeyFlag::kVariableFlags) &&
                   specification.begin != KeySpecification::Begin::kUnknown));
    }
  }
}

// An arity of exactly one needs no arguments described; every other one does.
TEST(CommandTable, DescribesTheArgumentsOfWhatTakesAny) {
  for (size_t number = 0; number < Commands().all().size(); ++number) {
    const Command& command = Commands().all()[number];
    const int names = command.parent ? 2 : 1;
    SCOPED_TRACE(command.full_name);
    const auto parts = ParseSyntax(command.syntax);
    if (command.arity == names) {
      EXPECT_TRUE(parts.empty());
    } else if (command.subcommands.empty() && command.arity != -names) {
      EXPECT_FALSE(parts.empty());
    }
    const bool names_key = command.syntax.find("key:key") != std::string_view::npos;
    EXPECT_EQ(names_key, !command.keys.empty());
  }
}

TEST(CommandTable, FindsNamesInAnyCase) {
  for (const Command& command : Commands().commands()) {
    std::string upper(command.name);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char byte) { return std::toupper(byte); });
    std::string mixed = upper;
    mixed.back() = command.name.back();
    EXPECT_EQ(Commands().Find(command.name), &command);
    EXPECT_EQ(Commands().Find(upper), &command);
    EXPECT_EQ(Commands().Find(mixed), &command);
  }
}

TEST(CommandTable, FindsNothingElse) {
  for (std::string_view name : {"", "g", "ge", "gets", "get ", "client|id"}) {
    EXPECT_EQ(Commands().Find(name), nullptr) << name;
  }
  EXPECT_EQ(Commands().Find(std::string_view("get\0", 4)), nullptr);
  EXPECT_EQ(Commands().Find(std::string(1 << 20, 'g')), nullptr);
}

// Names one byte away from a real one, and any others, are found only if they are in the table.
TEST(CommandTable, FindsExactlyItsNamesAmongRandomOnes) {
  constexpr uint64_t kSeed = 20261121;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 20'000; ++round) {
    const Command& near = Commands().commands()[random() % Commands().commands().size()];
    std::string name(near.name);
    name[random() % name.size()] = static_cast<char>(random() % 256);
    std::string lower = name;
    for (char& byte : lower) {
      if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte + 32);
    }
    const bool known = std::any_of(Commands().commands().begin(), Commands().commands().end(),
                                   [&](const Command& command) { return command.name == lower; });
    ASSERT_EQ(Commands().Find(name) != nullptr, known) << "seed " << kSeed << ", round " << round;
  }
}

TEST(CommandTable, Resolve_NamesTheFirstArgumentsOfAnUnknownCommand) {
  EXPECT_EQ(ErrorOf({"foo"}), "ERR unknown command 'foo', with args beginning with: ");
  EXPECT_EQ(ErrorOf({"FOO", "bar", "baz"}),
            "ERR unknown command 'FOO', with args beginning with: 'bar' 'baz' ");
  EXPECT_EQ(ErrorOf({"", ""}), "ERR unknown command '', with args beginning with: '' ");
}

// 128 bytes of arguments, with quotes and blanks, but the last one is finished.
TEST(CommandTable, Resolve_ShortensWhatAnUnknownCommandCameWith) {
  const std::string long_one(200, 'x');
  EXPECT_EQ(
      ErrorOf({"foo", long_one, "y"}),
      "ERR unknown command 'foo', with args beginning with: '" + std::string(128, 'x') + "' ");
  const std::string forty(40, 'a');
  EXPECT_EQ(ErrorOf({"foo", forty, forty, forty, "z"}),
            "ERR unknown command 'foo', with args beginning with: '" + forty + "' '" + forty +
                "' '" + std::string(40, 'a') + "' ");
  EXPECT_EQ(ErrorOf({long_one}),
            "ERR unknown command '" + std::string(128, 'x') + "', with args beginning with: ");
}

// As Redis, which handles these as C strings.
TEST(CommandTable, Resolve_EndsQuotedBytesAtAZero) {
  EXPECT_EQ(ErrorOf({std::string_view("f\0o", 3), std::string_view("a\0b", 3)}),
            "ERR unknown command 'f', with args beginning with: 'a' ");
}

TEST(CommandTable, Resolve_TellsUnknownSubcommands) {
  EXPECT_EQ(ErrorOf({"client", "foo"}), "ERR unknown subcommand 'foo'. Try CLIENT HELP.");
  EXPECT_EQ(ErrorOf({"Cluster", "", "x"}), "ERR unknown subcommand ''. Try CLUSTER HELP.");
  EXPECT_EQ(ErrorOf({"CLIENT", "MAINT_NOTIFICATIONS", "ON"}),
            "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.");
}

TEST(CommandTable, Resolve_ChecksArityWithTheFullName) {
  EXPECT_EQ(ErrorOf({"get"}), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(ErrorOf({"GET", "a", "b"}), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(ErrorOf({"client"}), "ERR wrong number of arguments for 'client' command");
  EXPECT_EQ(ErrorOf({"CLIENT", "setname"}),
            "ERR wrong number of arguments for 'client|setname' command");
  EXPECT_EQ(ErrorOf({"ping", "a", "b"}), "ERR wrong number of arguments for 'ping' command");
  EXPECT_EQ(ErrorOf({"get", "a"}), "");
  EXPECT_EQ(ErrorOf({"CLIENT", "ID"}), "");
  EXPECT_EQ(ErrorOf({"command"}), "");
}

// LMDB's bound on the keys of its rows is none on the keys of clients.
TEST(CommandTable, Resolve_TakesKeysOfAnyLength) {
  const std::string key(1 << 20, 'k');
  EXPECT_EQ(ErrorOf({"set", key, "v"}), "");
  EXPECT_EQ(ErrorOf({"mset", "a", "1", key, "2"}), "");
  EXPECT_EQ(ErrorOf({"del", "a", "b", key}), "");
  EXPECT_EQ(ErrorOf({"get", key}), "");
}

TEST(CommandTable, Resolve_RefusesToWriteMoreKeysThanACheckpointHolds) {
  const std::string error = "ERR too many keys in one command (maximum 16384)";
  std::vector<std::string_view> del(1 + kKeysPerCommandMax, "k");
  del[0] = "del";
  EXPECT_EQ(ErrorOf(del), "");
  del.push_back("k");
  EXPECT_EQ(ErrorOf(del), error);
  std::vector<std::string_view> mset(1 + 2 * kKeysPerCommandMax, "k");
  mset[0] = "mset";
  EXPECT_EQ(ErrorOf(mset), "");
  mset.insert(mset.end(), {"k", "v"});
  EXPECT_EQ(ErrorOf(mset), error);
  std::vector<std::string_view> mget(2 + kKeysPerCommandMax, "k");
  mget[0] = "mget";
  EXPECT_EQ(ErrorOf(mget), "");
}

}  // namespace
}  // namespace quorate
