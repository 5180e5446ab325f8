// CLIENT and its subcommands (https://redis.io/docs/latest/commands/?group=connection).
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "resp/integer.h"
#include "src/base/ascii.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/node/instance.h"

namespace quorate {
namespace {

using enum CommandFlag;

// One line of CLIENT LIST, with the fields of Redis 7.0 that say something true here.
std::string Describe(const Session& session, int64_t now_ms) {
  std::string flags;
  if (session.readonly) flags += 'r';
  if (session.close_after_replies) flags += 'c';
  if (session.no_evict) flags += 'e';
  if (session.no_touch) flags += 'T';
  if (flags.empty()) flags = "N";
  const size_t output_bytes = session.reply_bytes();
  return fmt::format(
      "id={} addr={} laddr={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 multi=-1 "
      "qbuf={} qbuf-free={} obl={} oll={} omem={} tot-mem={} events=r cmd={} user=default redir=-1 "
      "resp={} lib-name={} lib-ver={}",
      session.id, session.address, session.local_address, session.name,
      (now_ms - session.connected_at_ms) / 1000, (now_ms - session.last_request_at_ms) / 1000,
      flags, session.database, session.input.size(),
      session.input.capacity() - session.input.size(), session.replies.output().size(),
      session.replies.waiting(), output_bytes, session.memory_bytes(),
      session.last_command ? session.last_command->full_name : "NULL",
      static_cast<int>(session.protocol), session.library_name, session.library_version);
}

void Id(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  writer.Integer(static_cast<int64_t>(context.session.id));
}

void GetName(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  if (context.session.name.empty()) {
    writer.Null();
  } else {
    writer.BulkString(context.session.name);
  }
}

void SetName(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  if (!IsClientAttribute(arguments[2])) {
    writer.Error("ERR Client names cannot contain spaces, newlines or special characters.");
    return;
  }
  context.session.name = arguments[2];
  writer.Raw(resp::kReplyOk);
}

void SetInfo(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  std::string* attribute = nullptr;
  if (EqualsIgnoringCase(arguments[2], "lib-name")) {
    attribute = &context.session.library_name;
  } else if (EqualsIgnoringCase(arguments[2], "lib-ver")) {
    attribute = &context.session.library_version;
  } else {
    writer.Error(fmt::format("ERR Unrecognized option '{}'", arguments[2]));
    return;
  }
  if (!IsClientAttribute(arguments[3])) {
    writer.Error(fmt::format("ERR {} cannot contain spaces, newlines or special characters.",
                             ToLower(arguments[2])));
    return;
  }
  *attribute = arguments[3];
  writer.Raw(resp::kReplyOk);
}

// "normal" clients are all there are; nothing for the other kinds that Redis knows; an error's
// text.
std::variant<bool, std::string> IncludesClients(std::string_view type) {
  if (EqualsIgnoringCase(type, "normal")) return true;
  for (std::string_view other : {"master", "replica", "slave", "pubsub"}) {
    if (EqualsIgnoringCase(type, other)) return false;
  }
  return fmt::format("ERR Unknown client type '{}'", type);
}

void List(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const Instance& instance = context.instance;
  const int64_t now_ms = instance.clock.monotonic_ms();
  std::string lines;
  const auto add = [&](const Session& session) {
    if (lines.size() <= context.reply_bytes_max) lines += Describe(session, now_ms) + '\n';
  };
  if (arguments.size() == 2) {
    for (const auto& [id, session] : instance.sessions.all()) add(*session);
  } else if (arguments.size() == 4 && EqualsIgnoringCase(arguments[2], "type")) {
    const auto included = IncludesClients(arguments[3]);
    if (const auto* error = std::get_if<std::string>(&included)) {
      writer.Error(*error);
      return;
    }
    if (std::get<bool>(included)) {
      for (const auto& [id, session] : instance.sessions.all()) add(*session);
    }
  } else if (arguments.size() > 3 && EqualsIgnoringCase(arguments[2], "id")) {
    for (std::string_view text : arguments.subspan(3)) {
      const auto id = resp::ParseInteger(text);
      if (!id) {
        writer.Error("ERR Invalid client ID");
        return;
      }
      const auto found = instance.sessions.all().find(static_cast<uint64_t>(*id));
      if (found != instance.sessions.all().end()) add(*found->second);
    }
  } else {
    writer.Error(kSyntaxError);
    return;
  }
  writer.VerbatimString("txt", lines);
}

void Info(LocalContext& context, Arguments, resp::ReplyWriter& writer) {
  writer.VerbatimString("txt",
                        Describe(context.session, context.instance.clock.monotonic_ms()) + '\n');
}

using Filter = std::function<bool(const Session&)>;

// One filter of CLIENT KILL, which lives as long as `value`, or an error's text.
std::variant<Filter, std::string> ParseFilter(std::string_view name, std::string_view value) {
  if (EqualsIgnoringCase(name, "id")) {
    const auto id = resp::ParseInteger(value);
    if (!id || *id < 1) return std::string("ERR client-id should be greater than 0");
    return [id = static_cast<uint64_t>(*id)](const Session& session) { return session.id == id; };
  }
  if (EqualsIgnoringCase(name, "addr")) {
    return [value](const Session& session) { return session.address == value; };
  }
  if (EqualsIgnoringCase(name, "laddr")) {
    return [value](const Session& session) { return session.local_address == value; };
  }
  if (EqualsIgnoringCase(name, "type")) {
    auto included = IncludesClients(value);
    if (auto* error = std::get_if<std::string>(&included)) return std::move(*error);
    return [all = std::get<bool>(included)](const Session&) { return all; };
  }
  if (EqualsIgnoringCase(name, "user")) {
    if (value != "default") return fmt::format("ERR No such user '{}'", value);
    return [](const Session&) { return true; };
  }
  return std::string(kSyntaxError);
}

void Kill(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const bool by_address = arguments.size() == 3;  // the form of old
  std::vector<Filter> filters;
  bool skip_me = !by_address;
  if (by_address) {
    filters.push_back(std::get<Filter>(ParseFilter("addr", arguments[2])));
  } else if (arguments.size() % 2 == 1) {
    writer.Error(kSyntaxError);
    return;
  }
  for (size_t i = 2; !by_address && i < arguments.size(); i += 2) {
    if (EqualsIgnoringCase(arguments[i], "skipme")) {
      const bool yes = EqualsIgnoringCase(arguments[i + 1], "yes");
      if (!yes && !EqualsIgnoringCase(arguments[i + 1], "no")) {
        writer.Error(kSyntaxError);
        return;
      }
      skip_me = yes;
      continue;
    }
    auto filter = ParseFilter(arguments[i], arguments[i + 1]);
    if (const auto* error = std::get_if<std::string>(&filter)) {
      writer.Error(*error);
      return;
    }
    filters.push_back(std::get<Filter>(std::move(filter)));
  }

  int64_t killed = 0;
  for (const auto& entry : context.instance.sessions.all()) {
    Session& session = *entry.second;
    const bool itself = &session == &context.session;
    if (itself && skip_me) continue;
    const bool chosen = std::all_of(filters.begin(), filters.end(),
                                    [&](const Filter& filter) { return filter(session); });
    if (!chosen) continue;
    // Whoever kills itself still gets the reply.
    (itself ? session.close_after_replies : session.close_now) = true;
    context.instance.sessions.Enqueue(session);
    ++killed;
  }
  if (!by_address) {
    writer.Integer(killed);
  } else if (killed > 0) {
    writer.Raw(resp::kReplyOk);
  } else {
    writer.Error("ERR No such client");
  }
}

void SetFlag(bool& flag, std::string_view value, resp::ReplyWriter& writer) {
  const bool on = EqualsIgnoringCase(value, "on");
  if (!on && !EqualsIgnoringCase(value, "off")) {
    writer.Error(kSyntaxError);
    return;
  }
  flag = on;
  writer.Raw(resp::kReplyOk);
}

void NoEvict(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  SetFlag(context.session.no_evict, arguments[2], writer);
}

void NoTouch(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  SetFlag(context.session.no_touch, arguments[2], writer);
}

void Help(LocalContext&, Arguments, resp::ReplyWriter& writer) {
  WriteHelp("CLIENT",
            {"GETNAME",
             "    Give this connection's name.",
             "ID",
             "    Give this connection's id.",
             "INFO",
             "    Describe this connection, as LIST does.",
             "KILL <ip:port>",
             "    Close the connection from that address.",
             "KILL <option> <value> [<option> <value> [...]]",
             "    Close all connections that fit: ID, ADDR, LADDR, TYPE, USER; SKIPME (yes|no).",
             "LIST [TYPE <type> | ID <id> [<id> ...]]",
             "    Describe the connections, one a line.",
             "NO-EVICT (ON|OFF)",
             "    Whether to spare this connection when clients exceed maxmemory-clients.",
             "NO-TOUCH (ON|OFF)",
             "    Noted and shown; no command changes when a key was used.",
             "SETINFO <option> <value>",
             "    Note the client library: LIB-NAME, LIB-VER.",
             "SETNAME <name>",
             "    Name this connection."},
            writer);
}

constexpr CommandFlags kFlags = {kNoScript, kLoading, kStale};

constexpr Command kSubcommands[] = {
    {.name = "getname",
     .arity = 2,
     .function = LocalFunction(&GetName),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "2.6.9",
     .summary = "Gives the connection's name.",
     .complexity = "O(1)"},
    {.name = "help",
     .arity = 2,
     .function = LocalFunction(&Help),
     .flags = {kLoading, kStale},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "5.0.0",
     .summary = "Explains the subcommands.",
     .complexity = "O(1)"},
    {.name = "id",
     .arity = 2,
     .function = LocalFunction(&Id),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "5.0.0",
     .summary = "Gives the connection's id.",
     .complexity = "O(1)"},
    {.name = "info",
     .arity = 2,
     .function = LocalFunction(&Info),
     .flags = kFlags,
     .tips = "nondeterministic_output",
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "6.2.0",
     .summary = "Describes the connection.",
     .complexity = "O(1)"},
    {.name = "kill",
     .arity = -3,
     .function = LocalFunction(&Kill),
     .flags = {kAdmin, kNoScript, kLoading, kStale},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "2.4.0",
     .summary = "Closes connections.",
     .complexity = "O(N) for N connections",
     .syntax = "(address|(ID=client-id:integer|ADDR=address|LADDR=address|TYPE=(NORMAL|MASTER|"
               "REPLICA|PUBSUB)|USER=username|SKIPME=(YES|NO))...)"},
    {.name = "list",
     .arity = -2,
     .function = LocalFunction(&List),
     .flags = {kAdmin, kNoScript, kLoading, kStale},
     .tips = "nondeterministic_output",
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "2.4.0",
     .summary = "Describes the connections.",
     .complexity = "O(N) for N connections",
     .syntax = "[TYPE=(NORMAL|MASTER|REPLICA|PUBSUB)|ID=client-id:integer...]"},
    {.name = "no-evict",
     .arity = 3,
     .function = LocalFunction(&NoEvict),
     .flags = {kAdmin, kNoScript, kLoading, kStale},
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "7.0.0",
     .summary = "Spares the connection when clients exceed maxmemory-clients.",
     .complexity = "O(1)",
     .syntax = "(ON|OFF)"},
    {.name = "no-touch",
     .arity = 3,
     .function = LocalFunction(&NoTouch),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "7.2.0",
     .summary = "Notes that the connection's commands leave no trace on keys.",
     .complexity = "O(1)",
     .syntax = "(ON|OFF)"},
    {.name = "setinfo",
     .arity = 4,
     .function = LocalFunction(&SetInfo),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "7.2.0",
     .summary = "Notes name or version of the library.",
     .complexity = "O(1)",
     .syntax = "(LIB-NAME=libname|LIB-VER=libver)"},
    {.name = "setname",
     .arity = 3,
     .function = LocalFunction(&SetName),
     .flags = kFlags,
     .categories = {Category::kConnection},
     .group = "connection",
     .since = "2.6.9",
     .summary = "Names the connection.",
     .complexity = "O(1)",
     .syntax = "connection-name"},
};

}  // namespace

const Command kClientCommand = {.name = "client",
                                .arity = -2,
                                .function = {},
                                .group = "connection",
                                .since = "2.4.0",
                                .summary = "Looks at connections and changes them.",
                                .complexity = "Depends on the subcommand.",
                                .subcommands = kSubcommands};

}  // namespace quorate
