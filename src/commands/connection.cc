// A client and its connection (https://redis.io/docs/latest/commands/?group=connection).
#include <string>

#include "resp/integer.h"
#include "src/base/ascii.h"
#include "src/base/version.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/node/instance.h"

namespace quorate {
namespace {

using enum CommandFlag;

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

// There is one user, "default", and it has no password: any will do, as in Redis.
bool MayLogIn(std::string_view user) { return user == "default"; }

std::optional<std::string> CheckPing(Arguments arguments) {
  if (arguments.size() <= 2) return std::nullopt;
  return "ERR wrong number of arguments for 'ping' command";
}

void Ping(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  if (arguments.size() == 2) {
    writer.BulkString(arguments[1]);
  } else {
    writer.Raw(resp::kReplyPong);
  }
}

void Echo(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  writer.BulkString(arguments[1]);
}

// Redis has but one database in cluster mode; here there are as many as without it.
void Select(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  if (const std::optional<std::string> error = CheckDatabase(arguments[1])) {
    writer.Error(*error);
    return;
  }
  context.session.database = *ParseDatabase(arguments[1]);
  writer.Raw(resp::kReplyOk);
}

void Auth(LocalContext&, Arguments arguments, resp::ReplyWriter& writer) {
  if (arguments.size() > 3) {
    writer.Error(kSyntaxError);
  } else if (arguments.size() == 2) {
    writer.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  } else if (MayLogIn(arguments[1])) {
    writer.Raw(resp::kReplyOk);
  } else {
    writer.Error(kWrongPassword);
  }
}

void Hello(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  Session& session = context.session;
  resp::Protocol protocol = session.protocol;
  std::optional<std::string_view> name;
  if (arguments.size() > 1) {
    const auto version = resp::ParseInteger(arguments[1]);
    if (!version) {
      writer.Error("ERR Protocol version is not an integer or out of range");
      return;
    }
    if (*version != 2 && *version != 3) {
      writer.Error("NOPROTO unsupported protocol version");
      return;
    }
    protocol = *version == 3 ? resp::Protocol::kResp3 : resp::Protocol::kResp2;
  }
  for (size_t i = 2; i < arguments.size(); ++i) {
    const size_t more = arguments.size() - 1 - i;
    if (EqualsIgnoringCase(arguments[i], "auth") && more >= 2) {
      if (!MayLogIn(arguments[i + 1])) {
        writer.Error(kWrongPassword);
        return;
      }
      i += 2;
    } else if (EqualsIgnoringCase(arguments[i], "setname") && more >= 1) {
      name = arguments[++i];
      if (!IsClientAttribute(*name)) {
        writer.Error("ERR Client names cannot contain spaces, newlines or special characters.");
        return;
      }
    } else {
      writer.Error(fmt::format("ERR Syntax error in HELLO option '{}'", arguments[i]));
      return;
    }
  }
  if (name) session.name = *name;
  session.protocol = protocol;

  // The reply speaks the new protocol already.
  std::string reply;
  resp::ReplyWriter greeting(protocol, &reply);
  const bool leader = context.instance.node.leader() == &context.instance.node.self();
  greeting.Map(7);
  greeting.BulkString("server");
  greeting.BulkString("redis");
  greeting.BulkString("version");
  greeting.BulkString(kRedisVersion);
  greeting.BulkString("proto");
  greeting.Integer(static_cast<int64_t>(protocol));
  greeting.BulkString("id");
  greeting.Integer(static_cast<int64_t>(session.id));
  greeting.BulkString("mode");
  greeting.BulkString("cluster");
  greeting.BulkString("role");
  greeting.BulkString(leader ? "master" : "replica");
  greeting.BulkString("modules");
  greeting.Array(0);
  writer.Raw(reply);
}

void Readonly(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  context.session.readonly = true;
  writer.Raw(resp::kReplyOk);
}

void Readwrite(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  context.session.readonly = false;
  writer.Raw(resp::kReplyOk);
}

void Reset(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  Session& session = context.session;
  session.protocol = resp::Protocol::kResp2;
  session.name.clear();
  session.database = 0;
  session.readonly = false;
  session.no_evict = false;
  session.no_touch = false;
  writer.SimpleString("RESET");
}

void Quit(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  context.session.close_after_replies = true;
  writer.Raw(resp::kReplyOk);
}

constexpr Command kCommands[] = {
    {.name = "auth",
     .arity = -2,
     .function = LocalFunction(&Auth),
     .flags = {kNoScript, kLoading, kStale, kFast, kNoAuth, kAllowBusy},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "1.0.0",
     .summary = "Logs a client in. This version has no passwords.",
     .complexity = "O(1)",
     .syntax = "[username] password"},
    {.name = "echo",
     .arity = 2,
     .function = LocalFunction(&Echo),
     .flags = {kLoading, kStale, kFast},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "1.0.0",
     .summary = "Answers its argument.",
     .complexity = "O(1)",
     .syntax = "message"},
    {.name = "hello",
     .arity = -1,
     .function = LocalFunction(&Hello),
     .flags = {kNoScript, kLoading, kStale, kFast, kNoAuth, kAllowBusy},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "6.0.0",
     .summary = "Chooses the version of the protocol, and tells about the server.",
     .complexity = "O(1)",
     .syntax = "[protover:integer [AUTH=(username password)] [SETNAME=clientname]]"},
    {.name = "ping",
     .arity = -1,
     .function = LocalFunction(&Ping),
     .check = &CheckPing,
     .flags = {kFast},
     .tips = "request_policy:all_shards response_policy:all_succeeded",
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "1.0.0",
     .summary = "Answers PONG, or its argument.",
     .complexity = "O(1)",
     .syntax = "[message]"},
    {.name = "quit",
     .arity = -1,
     .function = LocalFunction(&Quit),
     .flags = {kNoScript, kLoading, kStale, kFast, kNoAuth, kAllowBusy},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "1.0.0",
     .summary = "Closes the connection, after all replies.",
     .complexity = "O(1)"},
    {.name = "readonly",
     .arity = 1,
     .function = LocalFunction(&Readonly),
     .flags = {kLoading, kStale, kFast},
     .categories = {Category::kConnection},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Lets a follower answer this connection's reads. They stay linearizable.",
     .complexity = "O(1)"},
    {.name = "readwrite",
     .arity = 1,
     .function = LocalFunction(&Readwrite),
     .flags = {kLoading, kStale, kFast},
     .categories = {Category::kConnection},
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Ends what READONLY began.",
     .complexity = "O(1)"},
    {.name = "reset",
     .arity = 1,
     .function = LocalFunction(&Reset),
     .flags = {kNoScript, kLoading, kStale, kFast, kNoAuth, kAllowBusy},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "6.2.0",
     .summary = "Puts the connection back into the state of a new one.",
     .complexity = "O(1)"},
    {.name = "select",
     .arity = 2,
     .function = LocalFunction(&Select),
     .flags = {kLoading, kStale, kFast},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "1.0.0",
     .summary = "Chooses the database that what follows goes to.",
     .complexity = "O(1)",
     .syntax = "index:integer"},
};

}  // namespace

std::span<const Command> ConnectionCommands() { return kCommands; }

}  // namespace quorate
