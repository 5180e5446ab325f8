// Keys, whatever they hold (https://redis.io/docs/latest/commands/?group=generic).
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/requests/statistics.h"
#include "storage/keyspace/key_space.h"

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
