// COMMAND and its subcommands (https://redis.io/docs/latest/commands/command/): the table,
// described to clients. Cluster clients find a request's key with it.
#include <algorithm>
#include <optional>
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

using enum CommandFlag;

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
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

void WriteKeyFlags(KeyFlags flags, resp::ReplyWriter& writer) {
  WriteSimpleStrings(NamesOf<KeyFlag>(flags, kKeyFlagNames), writer);
}

void WriteBeginSearch(const KeySpecification& specification, resp::ReplyWriter& writer) {
  writer.BulkString("begin_search");
  writer.Map(2);
  writer.BulkString("type");
  switch (specification.begin) {
    case KeySpecification::Begin::kIndex:
      writer.BulkString("index");
      writer.BulkString("spec");
      writer.Map(1);
      writer.BulkString("index");
      writer.Integer(specification.index);
      break;
    case KeySpecification::Begin::kKeyword:
      writer.BulkString("keyword");
      writer.BulkString("spec");
      writer.Map(2);
      writer.BulkString("keyword");
      writer.BulkString(specification.keyword);
      writer.BulkString("startfrom");
      writer.Integer(specification.index);
      break;
    case KeySpecification::Begin::kUnknown:
      writer.BulkString("unknown");
      writer.BulkString("spec");
      writer.Map(0);
      break;
  }
}

void WriteFindKeys(const KeySpecification& specification, resp::ReplyWriter& writer) {
  writer.BulkString("find_keys");
  writer.Map(2);
  writer.BulkString("type");
  if (specification.begin == KeySpecification::Begin::kUnknown) {
    writer.BulkString("unknown");
    writer.BulkString("spec");
    writer.Map(0);
    return;
  }
  const bool counted = specification.find == KeySpecification::Find::kCount;
  writer.BulkString(counted ? "keynum" : "range");
  writer.BulkString("spec");
  writer.Map(3);
  if (counted) {
    writer.BulkString("keynumidx");
    writer.Integer(specification.count_at);
    writer.BulkString("firstkey");
    writer.Integer(specification.last);
    writer.BulkString("keystep");
    writer.Integer(specification.step);
  } else {
    writer.BulkString("lastkey");  // counted from the first
    writer.Integer(specification.last);
    writer.BulkString("keystep");
    writer.Integer(specification.step);
    writer.BulkString("limit");
    writer.Integer(specification.limit);
  }
}

void WriteKeySpecifications(const Command& command, resp::ReplyWriter& writer) {
  writer.Set(command.keys.size());
  for (const KeySpecification& specification : command.keys) {
    writer.Map(specification.notes.empty() ? 3 : 4);
    if (!specification.notes.empty()) {
      writer.BulkString("notes");
      writer.BulkString(specification.notes);
    }
    writer.BulkString("flags");
    WriteKeyFlags(specification.flags, writer);
    WriteBeginSearch(specification, writer);
    WriteFindKeys(specification, writer);
  }
}

void WriteCategories(const Command& command, resp::ReplyWriter& writer) {
  const auto names = NamesOf<Category>(AllCategories(command), kCategoryNames);
  writer.Set(names.size());
  for (const std::string_view name : names) writer.SimpleString("@" + std::string(name));
}

void WriteInfo(const Command& command, resp::ReplyWriter& writer) {
  writer.Array(10);
  writer.BulkString(command.full_name);
  writer.Integer(command.arity);
  WriteSimpleStrings(FlagNames(command), writer);
  const LegacyKeyRange range = LegacyRangeOf(command.keys);
  writer.Integer(range.first);
  writer.Integer(range.last);
  writer.Integer(range.step);
  WriteCategories(command, writer);
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
      const auto categories = NamesOf<Category>(AllCategories(command), kCategoryNames);
      wanted = std::any_of(categories.begin(), categories.end(), [&](std::string_view name) {
        return EqualsIgnoringCase(name, arguments[4]);
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

// The keys of the request behind the subcommand's name; nothing: the error is written.
std::optional<std::vector<KeyUse>> AskedKeys(Arguments arguments, resp::ReplyWriter& writer) {
  const Arguments asked = arguments.subspan(2);
  const Command* command = Commands().FindRequested(asked);
  if (!command) {
    writer.Error("ERR Invalid command specified");
    return std::nullopt;
  }
  if (command->keys.empty()) {
    writer.Error("ERR The command has no key arguments");
    return std::nullopt;
  }
  if (!AcceptsArgumentCount(*command, asked.size())) {
    writer.Error("ERR Invalid number of arguments specified for command");
    return std::nullopt;
  }
  std::vector<KeyUse> keys = KeysOf(*command, asked).value_or(std::vector<KeyUse>());
  if (keys.empty() && !command->flags.Has(kNoMandatoryKeys)) {
    writer.Error("ERR Invalid arguments specified for command");
    return std::nullopt;
  }
  return keys;
}

void GetKeys(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  const auto keys = AskedKeys(arguments, writer);
  if (!keys) return;
  writer.Array(keys->size());
  for (const KeyUse& use : *keys) writer.BulkString(use.key);
}

void GetKeysAndFlags(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  const auto keys = AskedKeys(arguments, writer);
  if (!keys) return;
  writer.Array(keys->size());
  for (const KeyUse& use : *keys) {
    writer.Array(2);
    writer.BulkString(use.key);
    WriteKeyFlags(use.flags, writer);
  }
}

void Help(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  WriteHelp("COMMAND",
            {"(no subcommand)", "    Describe all commands.", "COUNT",
             "    Give the number of commands.", "DOCS [<command> ...]",
             "    Document commands, all of them by default.", "GETKEYS <full-command>",
             "    Give the keys in a command.", "GETKEYSANDFLAGS <full-command>",
             "    Give the keys in a command, and what becomes of them.", "INFO [<command> ...]",
             "    Describe commands, all of them by default.",
             "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <filter>]", "    Give the commands' names."},
            writer);
}

constexpr CommandFlags kFlags = {kLoading, kStale};
constexpr std::string_view kTips = "nondeterministic_output_order";

constexpr Command kSubcommands[] = {
    {.name = "count",
     .arity = 2,
     .function = LocalFunction(&Count),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "server",
     .since = "2.8.13",
     .summary = "Gives the number of commands.",
     .complexity = "O(1)"},
    {.name = "docs",
     .arity = -2,
     .function = LocalFunction(&Docs),
     .flags = kFlags,
     .tips = kTips,
     .categories = {Category::kConnection},
     .group = "server",
     .since = "7.0.0",
     .summary = "Documents commands.",
     .complexity = "O(N) for N commands",
     .syntax = "[command-name...]"},
    {.name = "getkeys",
     .arity = -4,
     .function = LocalFunction(&GetKeys),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "server",
     .since = "2.8.13",
     .summary = "Gives the keys in a command.",
     .complexity = "O(N) for N arguments",
     .syntax = "command [arg...]"},
    {.name = "getkeysandflags",
     .arity = -4,
     .function = LocalFunction(&GetKeysAndFlags),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "server",
     .since = "7.0.0",
     .summary = "Gives the keys in a command, and what becomes of them.",
     .complexity = "O(N) for N arguments",
     .syntax = "command [arg...]"},
    {.name = "help",
     .arity = 2,
     .function = LocalFunction(&Help),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "server",
     .since = "5.0.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "info",
     .arity = -2,
     .function = LocalFunction(&Info),
     .flags = kFlags,
     .tips = kTips,
     .categories = {Category::kConnection},
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
     .categories = {Category::kConnection},
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
                                 .categories = {Category::kConnection},
                                 .group = "server",
                                 .since = "2.8.13",
                                 .summary = "Describes all commands.",
                                 .complexity = "O(N) for N commands",
                                 .subcommands = kSubcommands};

}  // namespace quorate
