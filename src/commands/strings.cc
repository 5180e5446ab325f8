// Strings (https://redis.io/docs/latest/commands/?group=string).
#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "src/base/ascii.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/requests/statistics.h"

namespace quorate {
namespace {

using enum CommandFlag;
using enum KeyFlag;

constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";

bool IsString(const storage::RecordView& record) {
  return record.header.type == storage::ValueType::kString;
}

// Redis counts the keys that reads find and those they do not.
std::optional<storage::RecordView> Lookup(const ReadContext& context, std::string_view key) {
  const auto record = context.keys.Find(key);
  ++(record ? context.statistics.keyspace_hits : context.statistics.keyspace_misses);
  return record;
}

void Get(const ReadContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const auto record = Lookup(context, arguments[1]);
  if (!record) {
    writer.Null();
  } else if (!IsString(*record)) {
    writer.Error(kWrongType);
  } else {
    writer.BulkString(record->value);
  }
}

void Strlen(const ReadContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const auto record = Lookup(context, arguments[1]);
  if (record && !IsString(*record)) {
    writer.Error(kWrongType);
  } else {
    writer.Integer(record ? static_cast<int64_t>(record->value.size()) : 0);
  }
}

void Mget(const ReadContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  writer.Array(arguments.size() - 1);
  for (std::string_view key : arguments.subspan(1)) {
    if (writer.bytes() > context.reply_bytes_max) return;
    const auto record = Lookup(context, key);
    if (record && IsString(*record)) {
      writer.BulkString(record->value);
    } else {
      writer.Null();
    }
  }
}

void Mset(WriteContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  for (size_t i = 1; i + 1 < arguments.size(); i += 2) {
    context.keys.PutString(arguments[i], arguments[i + 1]);
  }
  writer.Raw(resp::kReplyOk);
}

std::optional<std::string> CheckMset(Arguments arguments) {
  if (arguments.size() % 2 == 1) return std::nullopt;
  return "ERR wrong number of arguments for 'mset' command";
}

struct SetOptions {
  bool if_missing = false;  // NX
  bool if_present = false;  // XX
  bool return_old = false;  // GET
};

// The error's text for an option that Redis has and Quorate has not; those with times want a value.
std::optional<std::string> UnsupportedSetOption(std::string_view word, bool has_value) {
  for (std::string_view name : {"EX", "PX", "EXAT", "PXAT", "KEEPTTL"}) {
    if (!EqualsIgnoringCase(word, name) || (name != "KEEPTTL" && !has_value)) continue;
    return fmt::format("ERR SET option '{}' is not supported by this version of Quorate", name);
  }
  return std::nullopt;
}

// The options, or the error's text.
std::variant<SetOptions, std::string> ParseSetOptions(Arguments arguments) {
  SetOptions options;
  for (size_t i = 3; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (EqualsIgnoringCase(word, "nx") && !options.if_present) {
      options.if_missing = true;
    } else if (EqualsIgnoringCase(word, "xx") && !options.if_missing) {
      options.if_present = true;
    } else if (EqualsIgnoringCase(word, "get")) {
      options.return_old = true;
    } else {
      return UnsupportedSetOption(word, i + 1 < arguments.size())
          .value_or(std::string(kSyntaxError));
    }
  }
  return options;
}

std::optional<std::string> CheckSet(Arguments arguments) {
  if (arguments.size() == 3) return std::nullopt;
  auto parsed = ParseSetOptions(arguments);
  if (auto* error = std::get_if<std::string>(&parsed)) return std::move(*error);
  return std::nullopt;
}

// As Redis: by the words alone, whatever else is wrong with the request.
std::optional<std::vector<KeyUse>> FindSetKeys(Arguments arguments) {
  const Arguments options = arguments.subspan(3);
  const bool gets = std::any_of(options.begin(), options.end(), [](std::string_view word) {
    return EqualsIgnoringCase(word, "get");
  });
  const KeyFlags flags =
      gets ? KeyFlags{kReadWrite, kAccess, kUpdate} : KeyFlags{kOverwrite, kUpdate};
  return std::vector<KeyUse>{{arguments[1], flags}};
}

void Set(WriteContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const std::string_view key = arguments[1];
  const std::string_view value = arguments[2];
  if (arguments.size() == 3) {
    context.keys.PutString(key, value);
    writer.Raw(resp::kReplyOk);
    return;
  }
  const auto options = std::get<SetOptions>(ParseSetOptions(arguments));
  const auto old = context.keys.Find(key);
  if (options.return_old && old && !IsString(*old)) {
    writer.Error(kWrongType);
    return;
  }
  const bool write = old ? !options.if_missing : !options.if_present;
  // The reply first: writing ends the life of the old value.
  if (options.return_old && old) {
    writer.BulkString(old->value);
  } else if (options.return_old || !write) {
    writer.Null();
  } else {
    writer.Raw(resp::kReplyOk);
  }
  if (write) context.keys.PutString(key, value);
}

constexpr Command kCommands[] = {
    {.name = "get",
     .arity = 2,
     .function = ReadFunction(&Get),
     .keys = {KeyAt(1, {kReadOnly, kAccess})},
     .flags = {kFast},
     .categories = {Category::kString},
     .group = "string",
     .since = "1.0.0",
     .summary = "Gives the string that a key holds.",
     .complexity = "O(1)",
     .syntax = "key:key"},
    {.name = "mget",
     .arity = -2,
     .function = ReadFunction(&Mget),
     .keys = {KeysFrom(1, {kReadOnly, kAccess})},
     .flags = {kFast},
     .tips = "request_policy:multi_shard",
     .categories = {Category::kString},
     .group = "string",
     .since = "1.0.0",
     .summary = "Gives the strings of several keys, at one moment.",
     .complexity = "O(N) for N keys",
     .syntax = "key:key..."},
    {.name = "mset",
     .arity = -3,
     .function = WriteFunction(&Mset),
     .keys = {KeysFrom(1, {kOverwrite, kUpdate}, 2)},
     .check = &CheckMset,
     .flags = {kDenyOom},
     .tips = "request_policy:multi_shard response_policy:all_succeeded",
     .categories = {Category::kString},
     .group = "string",
     .since = "1.0.1",
     .summary = "Sets several keys to strings, all at once.",
     .complexity = "O(N) for N keys",
     .syntax = "(key:key value)..."},
    {.name = "set",
     .arity = -3,
     .function = WriteFunction(&Set),
     .keys = {KeyAt(1, {kReadWrite, kAccess, kUpdate, kVariableFlags},
                    "RW and ACCESS due to the optional `GET` argument")},
     .find_keys = &FindSetKeys,
     .check = &CheckSet,
     .flags = {kDenyOom},
     .categories = {Category::kString},
     .group = "string",
     .since = "1.0.0",
     .summary =
         "Sets a key to a string, whatever it held. NX: only if it held nothing; XX: only if "
         "it did; GET: answers what it held.",
     .complexity = "O(1)",
     .syntax = "key:key value [NX|XX] [GET]"},
    {.name = "strlen",
     .arity = 2,
     .function = ReadFunction(&Strlen),
     .keys = {KeyAt(1, {kReadOnly})},
     .flags = {kFast},
     .categories = {Category::kString},
     .group = "string",
     .since = "2.2.0",
     .summary = "Gives the length of the string that a key holds, in bytes.",
     .complexity = "O(1)",
     .syntax = "key:key"},
};

}  // namespace

std::span<const Command> StringCommands() { return kCommands; }

}  // namespace quorate
