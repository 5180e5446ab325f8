#include "src/pipeline/dispatcher.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <string>
#include <variant>

#include "src/base/ascii.h"
#include "src/commands/table.h"

namespace quorate {
namespace {

// A client with so many requests unanswered, or so many bytes of replies unread, is not read from.
constexpr size_t kRequestsWaitingMax = 16384;
constexpr size_t kReplyBytesMax = 1 << 20;

// The largest write command: a value of the largest size that proto-max-bulk-len allows, with its
// key. It has to fit in one log entry and one message (consensus/codec.h, kEntryBytesMax), and
// holds up all that is behind it.
constexpr size_t kWriteBytesMax = 65 << 20;

// A web page can make a browser send an HTTP request here, with commands in its body
// (cross-protocol scripting). Its first line or its Host header gives it away.
bool LooksLikeHttp(std::string_view name) {
  return EqualsIgnoringCase(name, "post") || EqualsIgnoringCase(name, "host:");
}

}  // namespace

bool Dispatcher::MayRead(const Session& session) const {
  // What takes long has to be done before the same client asks for more.
  if (session.last_command && session.last_command->scans && session.replies.waiting() > 0) {
    return false;
  }
  if (session.gone() || session.close_after_replies ||
      session.replies.waiting() >= kRequestsWaitingMax || session.reply_bytes() >= kReplyBytesMax ||
      instance_.node.throttled()) {
    return false;
  }
  return !instance_.sessions.replies_are_tight() ||
         (session.replies.waiting() == 0 && session.reply_bytes() == 0);
}

void Dispatcher::Receive(Session& session, std::string_view bytes) {
  session.input_bytes_total += bytes.size();
  instance_.statistics.input_bytes += bytes.size();
  if (session.close_now || session.close_after_replies) return;
  session.last_request_at_ms = instance_.clock.monotonic_ms();
  if (session.input.empty()) {
    bytes.remove_prefix(ExecuteAll(session, bytes));
    session.input = bytes;
  } else {
    session.input += bytes;
    session.input.erase(0, ExecuteAll(session, session.input));
  }
  if (session.input.empty()) {
    session.input.shrink_to_fit();
  } else if (session.input.size() > instance_.config.client_query_buffer_limit_bytes) {
    spdlog::warn("client {} is closed: its request exceeds client-query-buffer-limit",
                 session.address);
    session.close_now = true;
    instance_.sessions.Schedule(session);
  }
  instance_.sessions.Count(session);
}

void Dispatcher::Resume(Session& session) {
  if (session.input.empty()) return;
  session.input.erase(0, ExecuteAll(session, session.input));
  if (session.input.empty()) session.input.shrink_to_fit();
  instance_.sessions.Count(session);
}

// How many of the bytes are done with.
size_t Dispatcher::ExecuteAll(Session& session, std::string_view bytes) {
  size_t done = 0;
  while (MayRead(session)) {
    const auto status = session.parser.Parse(bytes.substr(done));
    done += session.parser.consumed();
    if (status == resp::RequestParser::Status::kNeedMore) return done;
    if (status == resp::RequestParser::Status::kError) {
      ReplyError(session, session.parser.error());
      session.close_after_replies = true;
      instance_.sessions.Schedule(session);
      return bytes.size();
    }
    Execute(session, session.parser.request());
  }
  return session.close_now || session.close_after_replies ? bytes.size() : done;
}

void Dispatcher::Execute(Session& session, const resp::Request& request) {
  const Arguments arguments = request.arguments;
  if (LooksLikeHttp(arguments[0])) {
    spdlog::warn("client {} is closed: it speaks HTTP, possibly an attack through a browser",
                 session.address);
    session.close_now = true;
    instance_.sessions.Schedule(session);
    return;
  }
  const auto resolved = Commands().Resolve(arguments);
  if (const auto* error = std::get_if<std::string>(&resolved)) {
    ReplyError(session, *error);
    return;
  }
  const Command& command = *std::get<const Command*>(resolved);
  session.last_command = &command;
  if (std::holds_alternative<LocalFunction>(command.function)) {
    RunLocal(session, command, arguments);
  } else if (const auto* deferred = std::get_if<DeferredFunction>(&command.function)) {
    LocalContext context{instance_, session, instance_.sessions.ReplyBytesMax(session)};
    if (const auto error = (*deferred)(context, command)) ReplyError(session, *error);
  } else if (const auto* change = std::get_if<ChangeFunction>(&command.function)) {
    const auto wanted = (*change)(instance_.node, arguments);
    if (const auto* error = std::get_if<std::string>(&wanted)) {
      ReplyError(session, *error);
    } else {
      instance_.node.SubmitChange(session, command, std::get<MembershipChange>(wanted));
    }
  } else {
    Route(session, command, request);
  }
}

void Dispatcher::RunLocal(Session& session, const Command& command, Arguments arguments) {
  LocalContext context{instance_, session, instance_.sessions.ReplyBytesMax(session)};
  const int64_t start_ns = instance_.clock.monotonic_ns();
  const std::string_view reply =
      session.replies.Reply(session.protocol, [&](resp::ReplyWriter& writer) {
        std::get<LocalFunction>(command.function)(context, arguments, writer);
      });
  CountCall(instance_.statistics, command.number, reply, instance_.clock.monotonic_ns() - start_ns);
  instance_.sessions.Schedule(session);
}

// Writes go to the leader. So do reads, unless the client has said that a follower may answer, or
// the read asks for no key and so has no slot to be redirected for; a follower answers with a proof
// of its own.
void Dispatcher::Route(Session& session, const Command& command, const resp::Request& request) {
  Node& node = instance_.node;
  const bool leader = node.raft().is_leader();
  const bool reads_here =
      command.is_read() && node.raft().leader() && (session.readonly || command.keys.empty());
  const bool here = (leader || reads_here) && !node.waits_to_join();
  if (!here) {
    node.Redirect(session, command, request);
  } else if (command.feature_level > node.feature_level()) {
    ++instance_.statistics.commands[command.number].rejected_calls;
    ReplyError(session,
               fmt::format("ERR '{}' needs feature level {}, and the cluster is at {}: "
                           "not all members run a version that knows it",
                           command.full_name, command.feature_level, node.feature_level()));
  } else if (command.is_write() && request.raw.size() > kWriteBytesMax) {
    ++instance_.statistics.commands[command.number].rejected_calls;
    ReplyError(session, fmt::format("ERR command is too large (maximum {} bytes)", kWriteBytesMax));
  } else if (command.is_write()) {
    node.SubmitWrite(session, command, request);
  } else {
    node.SubmitRead(session, command, request);
  }
}

void Dispatcher::ReplyError(Session& session, std::string_view error) {
  session.replies.Reply(session.protocol, [&](resp::ReplyWriter& writer) { writer.Error(error); });
  CountError(instance_.statistics, error);
  instance_.sessions.Schedule(session);
}

}  // namespace quorate
