// COMMAND and its subcommands (https://redis.io/docs/latest/commands/command/): the table,
// described to clients. Cluster clients find a request's key with it.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/ascii.h"
#include "src/base/glob.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/commands/syntax.h"
#include "src/commands/table.h"

namespace quorate {
namespace {

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// Redis does not count what asks for a slot's keys among the commands that read them.
std::vector<std::string_view> Flags(const Command& command) {
  std::vector<std::string_view> flags;
  if (command.is_write()) flags.push_back("write");
  if (command.is_read() && command.group != "cluster") flags.push_back("readonly");
  const auto more = Words(command.flags);
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

// Those of the row, and those that follow from what else it says; in Redis's order.
std::vector<std::string> Categories(const Command& command) {
  constexpr std::string_view kInOrder[] = {"keyspace", "read", "write",     "string",    "admin",
                                           "fast",     "slow", "dangerous", "connection"};
  const std::vector<std::string_view> flags = Flags(command);
  const auto has_flag = [&](std::string_view flag) {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  };
  std::vector<std::string_view> chosen = Words(command.categories);
  if (has_flag("readonly")) chosen.push_back("read");
  if (has_flag("write")) chosen.push_back("write");
  if (has_flag("admin")) chosen.insert(chosen.end(), {"admin", "dangerous"});
  chosen.push_back(has_flag("fast") ? "fast" : "slow");
  std::vector<std::string> categories;
  for (std::string_view category : kInOrder) {
    if (std::find(chosen.begin(), chosen.end(), category) == chosen.end()) continue;
    categories.push_back("@" + std::string(category));
  }
  return categories;
}

void WriteSimpleStrings(const auto& texts, resp::ReplyWriter& writer) {
  writer.Set(texts.size());
  for (const auto& text : texts) writer.SimpleString(text);
}

void WriteTips(const Command& command, resp::ReplyWriter& writer) {
  const auto tips = Words(command.tips);
  writer.Set(tips.size());
  for (std::string_view tip : tips) writer.BulkString(tip);
}

void WriteKeySpecifications(const Command& command, resp::ReplyWriter& writer) {
  if (command.keys.first == 0) {
    writer.Set(0);
    return;
  }
  writer.Set(1);
  writer.Map(3);
  writer.BulkString("flags");
  WriteSimpleStrings(Words(command.key_flags), writer);
  writer.BulkString("begin_search");
  writer.Map(2);
  writer.BulkString("type");
  writer.BulkString("index");
  writer.BulkString("spec");
  writer.Map(1);
  writer.BulkString("index");
  writer.Integer(command.keys.first);
  writer.BulkString("find_keys");
  writer.Map(2);
  writer.BulkString("type");
  writer.BulkString("range");
  writer.BulkString("spec");
  writer.Map(3);
  writer.BulkString("lastkey");  // counted from the first
  writer.Integer(command.keys.last < 0 ? command.keys.last
                                       : command.keys.last - command.keys.first);
  writer.BulkString("keystep");
  writer.Integer(command.keys.step);
  writer.BulkString("limit");
  writer.Integer(0);
}

void WriteInfo(const Command& command, resp::ReplyWriter& writer) {
  writer.Array(10);
  writer.BulkString(command.full_name);
  writer.Integer(command.arity);
  WriteSimpleStrings(Flags(command), writer);
  writer.Integer(command.keys.first);
  writer.Integer(command.keys.last);
  writer.Integer(command.keys.step);
  WriteSimpleStrings(Categories(command), writer);
  WriteTips(command, writer);
  WriteKeySpecifications(command, writer);
  writer.Set(command.subcommands.size());
  for (const Command& subcommand : command.subcommands) WriteInfo(subcommand, writer);
}

void WriteDocs(const Command& command, resp::ReplyWriter& writer) {
  writer.BulkString(command.full_name);
  writer.Map(4 + (command.syntax.empty() ? 0U : 1U) + (command.subcommands.empty() ? 0U : 1U));
  writer.BulkString("summary");
  writer.BulkString(command.summary);
  writer.BulkString("since");
  writer.BulkString(command.since);
  writer.BulkString("group");
  writer.BulkString(command.group);
  writer.BulkString("complexity");
  writer.BulkString(command.complexity);
  if (!command.syntax.empty()) {
    writer.BulkString("arguments");
    WriteSyntax(ParseSyntax(command.syntax), writer);
  }
  if (command.subcommands.empty()) return;
  writer.BulkString("subcommands");
  writer.Map(command.subcommands.size());
  for (const Command& subcommand : command.subcommands) WriteDocs(subcommand, writer);
}

// "get", or "client|list".
const Command* FindByFullName(std::string_view name) {
  const size_t bar = name.find('|');
  const Command* command = Commands().Find(name.substr(0, bar));
  if (!command || bar == std::string_view::npos) return command;
  return FindSubcommand(*command, name.substr(bar + 1));
}

void All(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  writer.Array(Commands().commands().size());
  for (const Command& command : Commands().commands()) WriteInfo(command, writer);
}

void Count(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  writer.Integer(static_cast<int64_t>(Commands().commands().size()));
}

void Info(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  if (arguments.size() == 2) {
    All(context, arguments, writer);
    return;
  }
  writer.Array(arguments.size() - 2);
  for (std::string_view name : arguments.subspan(2)) {
    if (writer.bytes() > context.reply_bytes_max) return;
    if (const Command* command = FindByFullName(name)) {
      WriteInfo(*command, writer);
    } else {
      writer.Null();
    }
  }
}

void Docs(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  std::vector<const Command*> chosen;
  if (arguments.size() == 2) {
    for (const Command& command : Commands().commands()) chosen.push_back(&command);
  }
  for (std::string_view name : arguments.subspan(2)) {
    if (const Command* command = FindByFullName(name)) chosen.push_back(command);
  }
  writer.Map(chosen.size());
  for (const Command* command : chosen) {
    if (writer.bytes() > context.reply_bytes_max) return;
    WriteDocs(*command, writer);
  }
}

void List(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  const bool filtered = arguments.size() == 5 && EqualsIgnoringCase(arguments[2], "filterby");
  if (!filtered && arguments.size() != 2) {
    writer.Error(kSyntaxError);
    return;
  }
  if (filtered && AreTooLong(arguments.subspan(4))) {
    writer.Error(kPatternTooLong);
    return;
  }
  std::vector<std::string_view> names;
  for (const Command& command : Commands().all()) {
    bool wanted = !filtered;
    if (filtered && EqualsIgnoringCase(arguments[3], "pattern")) {
      wanted = GlobMatch(arguments[4], command.full_name, LetterCase::kInsensitive);
    } else if (filtered && EqualsIgnoringCase(arguments[3], "aclcat")) {
      const auto categories = Categories(command);
      wanted = std::any_of(categories.begin(), categories.end(), [&](std::string_view category) {
        return EqualsIgnoringCase(category.substr(1), arguments[4]);
      });
    } else if (filtered && !EqualsIgnoringCase(arguments[3], "module")) {
      writer.Error(kSyntaxError);
      return;
    }
    if (wanted) names.push_back(command.full_name);
  }
  writer.Array(names.size());
  for (std::string_view name : names) writer.BulkString(name);
}

std::vector<std::string_view> Keys(const Command& command, Arguments request) {
  const int count = static_cast<int>(request.size());
  const int last = command.keys.last < 0 ? count + command.keys.last : command.keys.last;
  std::vector<std::string_view> keys;
  for (int i = command.keys.first; i <= last; i += command.keys.step) {
    keys.push_back(request[static_cast<size_t>(i)]);
  }
  return keys;
}

void GetKeys(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  const Arguments asked = arguments.subspan(2);
  const Command* command = Commands().FindRequested(asked);
  if (!command) {
    writer.Error("ERR Invalid command specified");
    return;
  }
  if (command->keys.first == 0) {
    writer.Error("ERR The command has no key arguments");
    return;
  }
  if (!AcceptsArgumentCount(*command, asked.size())) {
    writer.Error("ERR Invalid number of arguments specified for command");
    return;
  }
  const std::vector<std::string_view> keys = Keys(*command, asked);
  writer.Array(keys.size());
  for (std::string_view key : keys) writer.BulkString(key);
}

void Help(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  WriteHelp(
      "COMMAND",
      {"(no subcommand)", "    Describe all commands.", "COUNT", "    Give the number of commands.",
       "DOCS [<command> ...]", "    Document commands, all of them by default.",
       "GETKEYS <full-command>", "    Give the keys in a command.", "INFO [<command> ...]",
       "    Describe commands, all of them by default.",
       "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <filter>]", "    Give the commands' names."},
      writer);
}

constexpr std::string_view kFlags = "loading stale";
constexpr std::string_view kTips = "nondeterministic_output_order";

constexpr Command kSubcommands[] = {
    {.name = "count",
     .arity = 2,
     .function = LocalFunction(&Count),
     .flags = kFlags,
     .categories = "connection",
     .group = "server",
     .since = "2.8.13",
     .summary = "Gives the number of commands.",
     .complexity = "O(1)"},
    {.name = "docs",
     .arity = -2,
     .function = LocalFunction(&Docs),
     .flags = kFlags,
     .tips = kTips,
     .categories = "connection",
     .group = "server",
     .since = "7.0.0",
     .summary = "Documents commands.",
     .complexity = "O(N) for N commands",
     .syntax = "[command-name...]"},
    {.name = "getkeys",
     .arity = -4,
     .function = LocalFunction(&GetKeys),
     .flags = kFlags,
     .categories = "connection",
     .group = "server",
     .since = "2.8.13",
     .summary = "Gives the keys in a command.",
     .complexity = "O(N) for N arguments",
     .syntax = "command [arg...]"},
    {.name = "help",
     .arity = 2,
     .function = LocalFunction(&Help),
     .flags = kFlags,
     .categories = "connection",
     .group = "server",
     .since = "5.0.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "info",
     .arity = -2,
     .function = LocalFunction(&Info),
     .flags = kFlags,
     .tips = kTips,
     .categories = "connection",
     .group = "server",
     .since = "2.8.13",
     .summary = "Describes commands.",
     .complexity = "O(N) for N commands",
     .syntax = "[command-name...]"},
    {.name = "list",
     .arity = -2,
     .function = LocalFunction(&List),
     .flags = kFlags,
     .tips = kTips,
     .categories = "connection",
     .group = "server",
     .since = "7.0.0",
     .summary = "Gives the commands' names.",
     .complexity = "O(N) for N commands",
     .syntax = "[FILTERBY=(MODULE=module-name|ACLCAT=category|PATTERN=pattern:pattern)]"},
};

}  // namespace

const Command kCommandCommand = {.name = "command",
                                 .arity = -1,
                                 .function = LocalFunction(&All),
                                 .flags = kFlags,
                                 .tips = kTips,
                                 .categories = "connection",
                                 .group = "server",
                                 .since = "2.8.13",
                                 .summary = "Describes all commands.",
                                 .complexity = "O(N) for N commands",
                                 .subcommands = kSubcommands};

}  // namespace quorate
