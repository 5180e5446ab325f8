// Keys, whatever they hold (https://redis.io/docs/latest/commands/?group=generic).
#include "src/base/ascii.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/requests/statistics.h"

namespace quorate {
namespace {

using enum CommandFlag;
using enum KeyFlag;

void Del(WriteContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  int64_t deleted = 0;
  for (std::string_view key : arguments.subspan(1)) {
    if (context.keys.Delete(key)) ++deleted;
  }
  writer.Integer(deleted);
}

// A key that is named twice counts twice, as in Redis.
void Exists(const ReadContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  int64_t found = 0;
  for (std::string_view key : arguments.subspan(1)) {
    const bool exists = context.keys.Contains(key);
    ++(exists ? context.statistics.keyspace_hits : context.statistics.keyspace_misses);
    if (exists) ++found;
  }
  writer.Integer(found);
}

// Of the group "server" in Redis's documents, as DBSIZE.
std::optional<std::string> CheckFlush(Arguments arguments) {
  if (arguments.size() == 1) return std::nullopt;
  const bool known = arguments.size() == 2 && (EqualsIgnoringCase(arguments[1], "async") ||
                                               EqualsIgnoringCase(arguments[1], "sync"));
  return known ? std::nullopt : std::optional<std::string>(kSyntaxError);
}

// Each flush gives a database another number inside, and there are so many of them.
constexpr std::string_view kNoMoreFlushes =
    "ERR the cluster has seen 4,294,901,759 flushes, which is as many as it can: delete the keys";

// Both are done at once, whatever is asked for.
void Flushdb(WriteContext& context, Arguments, resp::ReplyWriter& writer) {
  if (context.keys.key_space().Flush(context.keys.database())) {
    writer.Raw(resp::kReplyOk);
  } else {
    writer.Error(kNoMoreFlushes);
  }
}

void Flushall(WriteContext& context, Arguments, resp::ReplyWriter& writer) {
  if (context.keys.key_space().FlushAll()) {
    writer.Raw(resp::kReplyOk);
  } else {
    writer.Error(kNoMoreFlushes);
  }
}

std::optional<std::string> CheckSwapdb(Arguments arguments) {
  if (CheckInt(arguments[1])) return "ERR invalid first DB index";
  if (CheckInt(arguments[2])) return "ERR invalid second DB index";
  if (IsDatabase(arguments[1]) && IsDatabase(arguments[2])) return std::nullopt;
  return std::string(kNoSuchDatabase);
}

void Swapdb(WriteContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const auto first = ParseDatabase(arguments[1]);
  const auto second = ParseDatabase(arguments[2]);
  if (!first || !second) {
    writer.Error(kNoSuchDatabase);
    return;
  }
  context.keys.key_space().Swap(*first, *second);
  writer.Raw(resp::kReplyOk);
}

std::optional<std::string> CheckMove(Arguments arguments) { return CheckDatabase(arguments[2]); }

void Move(WriteContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const std::string_view key = arguments[1];
  const auto to = ParseDatabase(arguments[2]);
  if (!to) {
    writer.Error(kNoSuchDatabase);
    return;
  }
  if (*to == context.keys.database()) {
    writer.Error("ERR source and destination objects are the same");
    return;
  }
  storage::WriteView target(context.keys.key_space(), *to);
  const bool occupied = target.Contains(key);
  const auto record = context.keys.Find(key);
  if (occupied || !record) {
    writer.Integer(0);
    return;
  }
  target.Put(key, *record);
  context.keys.Delete(key);
  writer.Integer(1);
}

void Dbsize(const ReadContext& context, Arguments, resp::ReplyWriter& writer) {
  writer.Integer(static_cast<int64_t>(context.keys.key_count()));
}

constexpr Command kCommands[] = {
    {.name = "dbsize",
     .arity = 1,
     .function = ReadFunction(&Dbsize),
     .flags = {kFast},
     .tips = "request_policy:all_shards response_policy:agg_sum",
     .categories = {Category::kKeyspace},
     .group = "server",
     .since = "1.0.0",
     .summary = "Gives the number of keys.",
     .complexity = "O(1)"},
    {.name = "flushall",
     .arity = -1,
     .function = WriteFunction(&Flushall),
     .check = &CheckFlush,
     .tips = "request_policy:all_shards response_policy:all_succeeded",
     .categories = {Category::kKeyspace, Category::kDangerous},
     .group = "server",
     .since = "1.0.0",
     .summary = "Deletes all keys of all databases.",
     .complexity = "O(1); what they took of the disk is given back over time",
     .syntax = "[ASYNC|SYNC]"},
    {.name = "flushdb",
     .arity = -1,
     .function = WriteFunction(&Flushdb),
     .check = &CheckFlush,
     .tips = "request_policy:all_shards response_policy:all_succeeded",
     .categories = {Category::kKeyspace, Category::kDangerous},
     .group = "server",
     .since = "1.0.0",
     .summary = "Deletes all keys of the database.",
     .complexity = "O(1); what they took of the disk is given back over time",
     .syntax = "[ASYNC|SYNC]"},
    {.name = "move",
     .arity = 3,
     .function = WriteFunction(&Move),
     .keys = {KeyAt(1, {kReadWrite, kAccess, kUpdate})},
     .check = &CheckMove,
     .flags = {kFast},
     .categories = {Category::kKeyspace},
     .group = "generic",
     .since = "1.0.0",
     .summary = "Moves a key to another database, if that has none of this name.",
     .complexity = "O(1)",
     .syntax = "key:key db:integer"},
    {.name = "swapdb",
     .arity = 3,
     .function = WriteFunction(&Swapdb),
     .check = &CheckSwapdb,
     .flags = {kFast},
     .categories = {Category::kKeyspace, Category::kDangerous},
     .group = "server",
     .since = "4.0.0",
     .summary = "Exchanges the keys of two databases.",
     .complexity = "O(1)",
     .syntax = "index1:integer index2:integer"},
    {.name = "del",
     .arity = -2,
     .function = WriteFunction(&Del),
     .keys = {KeysFrom(1, {kRemove, kDelete})},
     .tips = "request_policy:multi_shard response_policy:agg_sum",
     .categories = {Category::kKeyspace},
     .group = "generic",
     .since = "1.0.0",
     .summary = "Deletes keys, and says how many there were.",
     .complexity = "O(N) for N keys",
     .syntax = "key:key..."},
    {.name = "exists",
     .arity = -2,
     .function = ReadFunction(&Exists),
     .keys = {KeysFrom(1, {kReadOnly})},
     .flags = {kFast},
     .tips = "request_policy:multi_shard response_policy:agg_sum",
     .categories = {Category::kKeyspace},
     .group = "generic",
     .since = "1.0.0",
     .summary = "Says how many of the keys exist.",
     .complexity = "O(N) for N keys",
     .syntax = "key:key..."},
};

}  // namespace

std::span<const Command> KeyCommands() { return kCommands; }

}  // namespace quorate
