// The server itself (https://redis.io/docs/latest/commands/?group=server).
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "src/base/ascii.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/node/instance.h"
#include "src/node/told_host.h"

namespace quorate {
namespace {

using enum CommandFlag;

void Time(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  const int64_t now_us = context.instance.clock.unix_us();
  writer.Array(2);
  writer.BulkString(std::to_string(now_us / 1'000'000));
  writer.BulkString(std::to_string(now_us % 1'000'000));
}

void Role(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  const Member* leader = node.leader();
  const auto applied = static_cast<int64_t>(node.keys().last_applied().value());
  if (leader == &node.self()) {
    // Raft's peers are those of the configuration in force, which may not be applied yet.
    std::vector<std::pair<const Member*, consensus::Index>> followers;
    for (const consensus::PeerStatus& peer : node.raft().peers()) {
      const auto member = std::ranges::find(node.members(), peer.id.value(), &Member::id);
      const bool shown = member != node.members().end() && peer.recently_active;
      if (shown) followers.emplace_back(&*member, peer.match_index);
    }
    writer.Array(3);
    writer.BulkString("master");
    writer.Integer(applied);
    writer.Array(followers.size());
    for (const auto& [member, match_index] : followers) {
      writer.Array(3);
      writer.BulkString(ReachableHost(context.session, *member));
      writer.BulkString(std::to_string(member->port));
      writer.BulkString(std::to_string(match_index.value()));
    }
    return;
  }
  writer.Array(5);
  writer.BulkString("slave");
  writer.BulkString(leader ? ReachableHost(context.session, *leader) : "");
  writer.Integer(leader ? leader->port : 0);
  writer.BulkString(!leader ? "connect" : node.receiving_snapshot() ? "sync" : "connected");
  writer.Integer(applied);
}

// Without a reply, as in Redis: the end of the connection is the answer.
void Shutdown(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  bool abort = false;
  bool save = false;
  bool no_save = false;
  bool hurry = false;
  for (std::string_view word : arguments.subspan(1)) {
    if (EqualsIgnoringCase(word, "abort")) {
      abort = true;
    } else if (EqualsIgnoringCase(word, "save")) {
      save = true;
    } else if (EqualsIgnoringCase(word, "nosave")) {
      no_save = true;
    } else if (EqualsIgnoringCase(word, "now") || EqualsIgnoringCase(word, "force")) {
      hurry = true;
    } else {
      writer.Error(kSyntaxError);
      return;
    }
  }
  if ((save && no_save) || (abort && (save || no_save || hurry))) {
    writer.Error(kSyntaxError);
  } else if (abort) {
    writer.Error(context.instance.stop_requested ? "ERR A shutdown in progress cannot be aborted."
                                                 : "ERR No shutdown in progress.");
  } else {
    context.instance.stop_requested = true;
  }
}

constexpr std::string_view kBackupUnderWay = "ERR Background save already in progress";

// With SCHEDULE, Redis waits for the end of what else its child processes do. Here there is
// nothing.
void BgSave(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  if (arguments.size() > 2 ||
      (arguments.size() == 2 && !EqualsIgnoringCase(arguments[1], "schedule"))) {
    writer.Error(kSyntaxError);
  } else if (context.instance.backups.Start()) {
    writer.SimpleString("Background saving started");
  } else {
    writer.Error(kBackupUnderWay);
  }
}

// As BGSAVE, but the client waits for the end; others, unlike in Redis, do not.
std::optional<std::string> Save(LocalContext& context, const Command& command) {
  Backups& backups = context.instance.backups;
  if (!backups.Start()) return std::string(kBackupUnderWay);
  backups.AnswerAtEnd(MakePending(context.session, command));
  return std::nullopt;
}

void LastSave(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  writer.Integer(context.instance.statistics.backups.last_unix_s);
}

void ModuleList(LocalContext&, Arguments, resp::ReplyWriter& writer) { writer.Array(0); }

void ModuleHelp(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  WriteHelp("MODULE", {"LIST", "    Give the loaded modules: none."}, writer);
}

constexpr Command kModuleSubcommands[] = {
    {.name = "help",
     .arity = 2,
     .function = LocalFunction(&ModuleHelp),
     .flags = {kLoading, kStale},
     .group = "server",
     .since = "5.0.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "list",
     .arity = 2,
     .function = LocalFunction(&ModuleList),
     .flags = {kAdmin, kNoScript},
     .tips = "nondeterministic_output_order",
     .group = "server",
     .since = "4.0.0",
     .summary = "Gives the loaded modules: none.",
     .complexity = "O(1)"},
};

constexpr Command kCommands[] = {
    {.name = "bgsave",
     .arity = -1,
     .function = LocalFunction(&BgSave),
     .flags = {kAdmin, kNoScript, kNoAsyncLoading},
     .group = "server",
     .since = "1.0.0",
     .summary = "Backs this node's data up to the file dbfilename, in the background.",
     .complexity = "O(1)",
     .syntax = "[SCHEDULE]"},
    {.name = "lastsave",
     .arity = 1,
     .function = LocalFunction(&LastSave),
     .flags = {kLoading, kStale, kFast},
     .tips = "nondeterministic_output",
     .categories = {Category::kAdmin, Category::kDangerous},
     .group = "server",
     .since = "1.0.0",
     .summary = "Gives the time of the last backup that was completed, in seconds since 1970.",
     .complexity = "O(1)"},
    {.name = "module",
     .arity = -2,
     .function = {},
     .group = "server",
     .since = "4.0.0",
     .summary = "Looks at modules. There are none.",
     .complexity = "O(1)",
     .subcommands = kModuleSubcommands},
    {.name = "role",
     .arity = 1,
     .function = LocalFunction(&Role),
     .flags = {kNoScript, kLoading, kStale, kFast},
     .categories = {Category::kAdmin, Category::kDangerous},
     .group = "server",
     .since = "2.8.12",
     .summary = "Says whether this node leads, and how far it has applied the log.",
     .complexity = "O(1)"},
    {.name = "save",
     .arity = 1,
     .function = DeferredFunction(&Save),
     .flags = {kAdmin, kNoScript, kNoAsyncLoading, kNoMulti},
     .group = "server",
     .since = "1.0.0",
     .summary = "Backs this node's data up as BGSAVE does, and answers when that is done.",
     .complexity = "O(N) for N keys"},
    {.name = "shutdown",
     .arity = -1,
     .function = LocalFunction(&Shutdown),
     .flags = {kAdmin, kNoScript, kLoading, kStale, kNoMulti, kAllowBusy},
     .group = "server",
     .since = "1.0.0",
     .summary = "Stops this node in an orderly way. All data is on disk whatever the option.",
     .complexity = "O(1)",
     .syntax = "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]"},
    {.name = "time",
     .arity = 1,
     .function = LocalFunction(&Time),
     .flags = {kLoading, kStale, kFast},
     .tips = "nondeterministic_output",
     .group = "server",
     .since = "2.6.0",
     .summary = "Gives this node's time: seconds since 1970, and microseconds.",
     .complexity = "O(1)"},
};

}  // namespace

std::span<const Command> ServerCommands() { return kCommands; }

}  // namespace quorate
