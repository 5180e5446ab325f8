// The command table: every command with its facts and its function, in one place.
//
// The kind of function is the route. A Local function runs at once on the node that got the
// request. A Change function says how the cluster's members are to change, and the reply waits
// until they have. A Deferred function runs at once, too, but its reply comes when what it has
// begun is done. A Read function runs on a key space that is proven current. A Write function runs
// on every node, when the log entry that holds the command is applied; it must be deterministic:
// nothing but its arguments, the key space, the entry's clock and its seed may decide what it does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resp/reply_writer.h"
#include "src/base/enum_set.h"
#include "src/requests/command_keys.h"
#include "storage/keyspace/database_view.h"

namespace quorate {

class Node;
struct Command;
struct Instance;
struct MembershipChange;
struct Session;
struct Statistics;

struct LocalContext {
  Instance& instance;
  Session& session;
  // A reply that has grown larger is not sent, and need not be complete.
  size_t reply_bytes_max;
};

struct ReadContext {
  storage::ReadView keys;  // the client's database
  Statistics& statistics;  // hits and misses
  // A reply that has grown larger is not sent, and need not be complete.
  size_t reply_bytes_max;
};

struct WriteContext {
  storage::WriteView keys;  // the client's database, at the entry's time
  uint64_t seed;            // of this command in this entry, equal on all nodes
};

// Each writes exactly one reply. The reply goes to the client on the node that the client asked,
// and nowhere on the others.
using LocalFunction = void (*)(LocalContext&, Arguments, resp::ReplyWriter&);
// The error; nothing: it has kept a place for the reply.
using DeferredFunction = std::optional<std::string> (*)(LocalContext&, const Command&);
using ChangeFunction = std::variant<MembershipChange, std::string> (*)(const Node&,
                                                                       Arguments);  // or the error
using ReadFunction = void (*)(const ReadContext&, Arguments, resp::ReplyWriter&);
using WriteFunction = void (*)(WriteContext&, Arguments, resp::ReplyWriter&);

// Checks a request before it goes anywhere (arity is checked before): the error's text with its
// prefix, or nothing. A Write function may rely on it, for what is refused never enters the log.
using CheckFunction = std::optional<std::string> (*)(Arguments);

// Redis's command flags that rows name, in the order in which COMMAND INFO has them. Its readonly,
// write and movablekeys follow from the rest of the row.
enum class CommandFlag : uint8_t {
  kDenyOom,
  kAdmin,
  kPubsub,
  kNoScript,
  kBlocking,
  kLoading,
  kStale,
  kSkipMonitor,
  kSkipSlowlog,
  kFast,
  kNoAuth,
  kMayReplicate,
  kNoMandatoryKeys,
  kNoAsyncLoading,
  kNoMulti,
  kAllowBusy,
};
using CommandFlags = EnumSet<CommandFlag>;

// Redis's categories of commands, by which ACL rules name them, in its order.
enum class Category : uint8_t {
  kKeyspace,
  kRead,
  kWrite,
  kSet,
  kSortedSet,
  kList,
  kHash,
  kString,
  kBitmap,
  kHyperLogLog,
  kGeo,
  kStream,
  kPubsub,
  kAdmin,
  kFast,
  kSlow,
  kBlocking,
  kDangerous,
  kConnection,
  kTransaction,
  kScripting,
};
using Categories = EnumSet<Category>;
inline constexpr std::array<std::string_view, 21> kCategoryNames = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

struct Command {
  std::string_view name;  // lower case; a subcommand's without its parent's
  int arity;              // as in Redis: with the name, negative: at least
  std::variant<std::monostate, LocalFunction, DeferredFunction, ReadFunction, WriteFunction,
               ChangeFunction>
      function;  // monostate: a container of subcommands only
  KeySpecifications keys = {};
  KeyFunction find_keys = nullptr;  // where the specifications do not say all
  CheckFunction check = nullptr;
  // Refused while the cluster's feature level is lower: not all members know it.
  uint32_t feature_level = 1;
  // Looks at more keys than it names: one of them at a time, see Node::RunScan. Reads only.
  bool scans = false;

  CommandFlags flags = {};

  // For COMMAND INFO and COMMAND DOCS, but for the categories.
  std::string_view tips = {};  // with blanks between them
  Categories categories = {};  // less those that follow from function and flags: AllCategories
  std::string_view group = {};
  std::string_view since = {};
  std::string_view summary = {};
  std::string_view complexity = {};
  std::string_view syntax = {};  // what follows the name, as src/commands/syntax.h reads it
  std::span<const Command> subcommands = {};
  std::span<const Command> more_subcommands = {};  // from another file; CommandTable joins both

  // Filled in where the table is put together.
  const Command* parent = nullptr;  // of a subcommand
  std::string_view full_name = {};  // "get"; "client|setname" of a subcommand
  size_t number = 0;                // among all commands and subcommands, for statistics

  bool is_write() const { return std::holds_alternative<WriteFunction>(function); }
  bool is_read() const { return std::holds_alternative<ReadFunction>(function); }
};

// Redis's flags of a command by their names, those included that follow from the rest of its row.
std::vector<std::string_view> FlagNames(const Command& command);
// Every category that the command is in.
Categories AllCategories(const Command& command);

// Whether a request of so many arguments, names included, agrees with the command's arity.
bool AcceptsArgumentCount(const Command& command, size_t count);

// More keys in one write command could make a checkpoint outgrow one LMDB transaction.
inline constexpr size_t kKeysPerCommandMax = 16384;

}  // namespace quorate
