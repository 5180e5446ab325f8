// What `redis-cli --cluster` asks for besides the commands in cluster.cc: which node is to serve
// which slots, with which epoch, and that a node forgets its cluster. One shard holds all slots, so
// the answer is fixed: a node that nobody has used yet may be given any, and no slot ever moves.
#include <algorithm>
#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "resp/integer.h"
#include "src/base/ascii.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/node/instance.h"
#include "storage/keyspace/key_slot.h"

namespace quorate {
namespace {

using enum CommandFlag;

constexpr std::string_view kBadSlot = "ERR Invalid or out of range slot";

constexpr std::string_view kNothingMoves =
    "ERR one shard holds all slots, and the leader serves them: slots are neither moved nor given "
    "up. CLUSTER FAILOVER moves the leader";

std::optional<int64_t> ParseSlot(std::string_view text) {
  const auto slot = resp::ParseInteger(text);
  if (!slot || *slot < 0 || *slot >= storage::kSlotCount) return std::nullopt;
  return slot;
}

std::string GivenTwice(int64_t slot) {
  return fmt::format("ERR Slot {} specified multiple times", slot);
}

std::optional<std::string> CheckSlots(Arguments arguments) {
  std::bitset<storage::kSlotCount> given;
  for (std::string_view argument : arguments.subspan(2)) {
    const auto slot = ParseSlot(argument);
    if (!slot) return std::string(kBadSlot);
    if (given.test(static_cast<size_t>(*slot))) return GivenTwice(*slot);
    given.set(static_cast<size_t>(*slot));
  }
  return std::nullopt;
}

std::optional<std::string> CheckSlotRanges(Arguments arguments) {
  if (arguments.size() % 2 != 0) {
    return fmt::format(
        "ERR wrong number of arguments for 'cluster|{}' command",
        EqualsIgnoringCase(arguments[1], "addslotsrange") ? "addslotsrange" : "delslotsrange");
  }
  std::bitset<storage::kSlotCount> given;
  for (size_t i = 2; i < arguments.size(); i += 2) {
    const auto first = ParseSlot(arguments[i]);
    const auto last = ParseSlot(arguments[i + 1]);
    if (!first || !last) return std::string(kBadSlot);
    if (*first > *last) {
      return fmt::format("ERR start slot number {} is greater than end slot number {}", *first,
                         *last);
    }
    for (int64_t slot = *first; slot <= *last; ++slot) {
      if (given.test(static_cast<size_t>(slot))) return GivenTwice(slot);
      given.set(static_cast<size_t>(slot));
    }
  }
  return std::nullopt;
}

// Also as ADDSLOTSRANGE. The first slots that anybody gives to any node: the shard serves those,
// and all others, once the nodes have met. Later ones have their leader.
void AddSlots(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const Node& node = context.instance.node;
  if (node.untouched() || node.waits_for_create()) {
    writer.Raw(resp::kReplyOk);
    return;
  }
  writer.Error(fmt::format(
      "ERR Slot {} is already busy: this node holds data or belongs to a cluster, whose one shard "
      "has all slots. CLUSTER MEET adds empty nodes to it",
      *ParseSlot(arguments[2])));
}

void RefuseToMove(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  writer.Error(kNothingMoves);
}

std::optional<std::string> CheckEpoch(Arguments arguments) {
  const auto epoch = resp::ParseInteger(arguments[2]);
  if (!epoch) return std::string(kNotAnInteger);
  if (*epoch < 0) return fmt::format("ERR Invalid config epoch specified: {}", *epoch);
  return std::nullopt;
}

// The epoch is the term, which no command sets. redis-cli goes on whatever the answer is.
void SetConfigEpoch(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  writer.Error(context.instance.node.members().size() > 1
                   ? "ERR The user can assign a config epoch only when the node does not know any "
                     "other node."
                   : "ERR Node config epoch is already non-zero");
}

std::optional<std::string> CheckReset(Arguments arguments) {
  const bool known = arguments.size() == 2 ||
                     (arguments.size() == 3 && (EqualsIgnoringCase(arguments[2], "soft") ||
                                                EqualsIgnoringCase(arguments[2], "hard")));
  if (!known) return std::string(kSyntaxError);
  return std::nullopt;
}

std::optional<std::string> Reset(LocalContext& context, const Command& command) {
  context.instance.node.SubmitReset(context.session, command);
  return std::nullopt;
}

}  // namespace

const Command kClusterManagerSubcommands[] = {
    {.name = "addslots",
     .arity = -3,
     .function = LocalFunction(&AddSlots),
     .check = &CheckSlots,
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Gives slots to a node that nobody has used yet.",
     .complexity = "O(N) for N slots",
     .syntax = "slot:integer..."},
    {.name = "addslotsrange",
     .arity = -4,
     .function = LocalFunction(&AddSlots),
     .check = &CheckSlotRanges,
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "7.0.0",
     .summary = "Gives ranges of slots to a node that nobody has used yet.",
     .complexity = "O(N) for N slots",
     .syntax = "(start-slot:integer end-slot:integer)..."},
    {.name = "delslots",
     .arity = -3,
     .function = LocalFunction(&RefuseToMove),
     .check = &CheckSlots,
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Is refused: one shard holds all slots.",
     .complexity = "O(N) for N slots",
     .syntax = "slot:integer..."},
    {.name = "delslotsrange",
     .arity = -4,
     .function = LocalFunction(&RefuseToMove),
     .check = &CheckSlotRanges,
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "7.0.0",
     .summary = "Is refused: one shard holds all slots.",
     .complexity = "O(N) for N slots",
     .syntax = "(start-slot:integer end-slot:integer)..."},
    {.name = "flushslots",
     .arity = 2,
     .function = LocalFunction(&RefuseToMove),
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Is refused: one shard holds all slots.",
     .complexity = "O(1)"},
    {.name = "reset",
     .arity = -2,
     .function = DeferredFunction(&Reset),
     .check = &CheckReset,
     .flags = {kAdmin, kStale, kNoScript},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Succeeds on a node that belongs to no cluster.",
     .complexity = "O(1)",
     .syntax = "[HARD|SOFT]"},
    {.name = "set-config-epoch",
     .arity = 3,
     .function = LocalFunction(&SetConfigEpoch),
     .check = &CheckEpoch,
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Is refused: the epoch is the term of the leader.",
     .complexity = "O(1)",
     .syntax = "config-epoch:integer"},
    {.name = "setslot",
     .arity = -4,
     .function = LocalFunction(&RefuseToMove),
     .flags = {kAdmin, kStale, kNoAsyncLoading},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Is refused: one shard holds all slots.",
     .complexity = "O(1)",
     .syntax = "slot:integer (IMPORTING|MIGRATING|NODE|STABLE) [node-id]"},
};

}  // namespace quorate
