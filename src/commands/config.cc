// CONFIG and its subcommands (https://redis.io/docs/latest/commands/config-get/).
#include "src/config/config.h"

#include <string_view>
#include <utility>
#include <vector>

#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/node/instance.h"

namespace quorate {
namespace {

using enum CommandFlag;

void Get(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  if (AreTooLong(arguments.subspan(2))) {
    writer.Error(kPatternTooLong);
    return;
  }
  const auto values = ConfigGet(context.instance.config, arguments.subspan(2));
  writer.Map(values.size());
  for (const auto& [name, value] : values) {
    writer.BulkString(name);
    writer.BulkString(value);
  }
}

std::optional<std::string> CheckSet(Arguments arguments) {
  if (arguments.size() % 2 == 0) return std::nullopt;
  return "ERR wrong number of arguments for 'config|set' command";
}

void Set(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const Config before = context.instance.config;
  std::vector<std::pair<std::string_view, std::string_view>> settings;
  for (size_t i = 2; i + 1 < arguments.size(); i += 2) {
    settings.emplace_back(arguments[i], arguments[i + 1]);
  }
  Config& config = context.instance.config;
  if (const auto error = ConfigSet(config, settings)) {
    writer.Error(*error);
    return;
  }
  if (const auto error = context.instance.config_changed()) {
    config = before;
    writer.Error(*error);
    return;
  }
  writer.Raw(resp::kReplyOk);
}

void ResetStat(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  context.instance.statistics.Reset();
  writer.Raw(resp::kReplyOk);
}

void Rewrite(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  writer.Error(context.instance.config_file.empty()
                   ? "ERR The server is running without a config file"
                   : "ERR CONFIG REWRITE is not supported by this version of Quorate");
}

void Help(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  WriteHelp("CONFIG",
            {"GET <pattern> [<pattern> ...]", "    Give the directives that match, with values.",
             "SET <directive> <value> [<directive> <value> ...]",
             "    Change directives of the running server: all of them or, on an error, none.",
             "RESETSTAT", "    Set the counters that INFO shows to zero."},
            writer);
}

constexpr CommandFlags kFlags = {kAdmin, kNoScript, kLoading, kStale};

constexpr Command kSubcommands[] = {
    {.name = "get",
     .arity = -3,
     .function = LocalFunction(&Get),
     .flags = kFlags,
     .group = "server",
     .since = "2.0.0",
     .summary = "Gives directives with their values.",
     .complexity = "O(N) for N directives",
     .syntax = "pattern:pattern..."},
    {.name = "help",
     .arity = 2,
     .function = LocalFunction(&Help),
     .flags = {kLoading, kStale},
     .group = "server",
     .since = "5.0.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "resetstat",
     .arity = 2,
     .function = LocalFunction(&ResetStat),
     .flags = kFlags,
     .group = "server",
     .since = "2.0.0",
     .summary = "Sets INFO's counters to zero.",
     .complexity = "O(1)"},
    {.name = "rewrite",
     .arity = 2,
     .function = LocalFunction(&Rewrite),
     .flags = kFlags,
     .group = "server",
     .since = "2.8.0",
     .summary = "Not supported by this version.",
     .complexity = "O(1)"},
    {.name = "set",
     .arity = -4,
     .function = LocalFunction(&Set),
     .check = &CheckSet,
     .flags = kFlags,
     .tips = "request_policy:all_nodes response_policy:all_succeeded",
     .group = "server",
     .since = "2.0.0",
     .summary = "Changes directives of the running server.",
     .complexity = "O(N) for N directives",
     .syntax = "(directive value)..."},
};

}  // namespace

const Command kConfigCommand = {.name = "config",
                                .arity = -2,
                                .function = {},
                                .group = "server",
                                .since = "2.0.0",
                                .summary = "Looks at the configuration and changes it.",
                                .complexity = "Depends on the subcommand.",
                                .subcommands = kSubcommands};

}  // namespace quorate
