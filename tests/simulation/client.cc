#include "tests/simulation/client.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

namespace quorate::simulation {
namespace {

constexpr std::string_view kReadonly = "*1\r\n$8\r\nREADONLY\r\n";

// How much longer than request-timeout an answer may take: the wait for a leader, and what lies
// between two looks at the deadlines.
constexpr int64_t kAnswerSlackMs = 2500;

bool StartsWith(const std::string& text, std::string_view start) {
  return std::string_view(text).substr(0, start.size()) == start;
}

}  // namespace

Client::Client(uint64_t id, Role role, size_t first_server, ClientWorld world, Random random)
    : id_(id), role_(role), world_(world), random_(random), server_(first_server) {}

void Client::Start() { PlanStep(random_.Between(0, world_.settings.clients.think_max)); }

void Client::PlanStep(Time delay) {
  // One plan at a time: what was to come next is void when a connection breaks meanwhile.
  world_.events.After(delay, [this, plan = ++plan_] {
    if (plan == plan_) Step();
  });
}

void Client::Step() {
  if (stopping_ || succeeded_) return;
  if ((role_ == Role::kUsual || role_ == Role::kReader) &&
      world_.history.size() >= world_.settings.clients.operations_max) {
    return;
  }
  assert(waiting_.empty());
  if (role_ == Role::kHaunter) {
    Haunt();
  } else if (connection_) {
    SendPipeline();
  } else {
    Connect();
  }
}

// What such a leader would answer is old: clients that stay with it must not get it.
void Client::Haunt() {
  Disconnect();
  consensus::Term newest;
  for (const auto& server : world_.servers) {
    if (server->in_cluster() && server->up() && server->node().raft().is_leader()) {
      newest = std::max(newest, server->node().raft().current_term());
    }
  }
  for (const auto& server : world_.servers) {
    if (server->in_cluster() && server->up() && server->node().raft().is_leader() &&
        server->node().raft().current_term() < newest) {
      server_ = server->place();
      Connect();
      return;
    }
  }
  PlanStep(random_.Between(1, 100) * kMillisecond);
}

// --- The connection ---

void Client::Connect() {
  world_.events.After(world_.network.Latency(), [this, plan = ++plan_] {
    if (plan != plan_) return;
    auto connection = std::make_shared<Connection>();
    connection->id = ++connections_ << 8 | id_;
    connection->on_bytes = [this](const std::string& bytes) { OnBytes(bytes); };
    connection->on_closed = [this] { OnClosed(); };
    if (!world_.servers[server_]->Accept(connection)) {
      GoElsewhere();
      PlanStep(random_.Between(1, 50) * kMillisecond);
      return;
    }
    world_.trace.Add(Happening::kConnect, id_, server_ + 1);
    connection_ = std::move(connection);
    replies_ = {};
    if (IsReader()) {
      waiting_.push_back(std::nullopt);
      SendBytes(std::string(kReadonly));
    }
    SendPipeline();
  });
}

void Client::Disconnect() {
  if (!connection_) return;
  world_.trace.Add(Happening::kDisconnect, id_, server_ + 1);
  connection_->client_closed = true;
  world_.events.After(world_.network.Latency(),
                      [server = world_.servers[server_].get(), connection = connection_] {
                        server->ClientClosed(connection);
                      });
  connection_.reset();
  for (const std::optional<size_t>& operation : waiting_) {
    if (operation) world_.history.End(*operation, Outcome::kUnknown);
  }
  waiting_.clear();
}

void Client::OnClosed() {
  Disconnect();
  GoElsewhere();
  PlanStep(random_.Between(0, world_.settings.clients.think_max));
}

void Client::GoElsewhere() {
  // A probe of one node stays with it.
  if (role_ == Role::kReadingProbe) return;
  server_ = random_.Below(world_.servers.size());
  while (!world_.servers[server_]->in_cluster()) server_ = (server_ + 1) % world_.servers.size();
}

// --- Asking ---

void Client::SendPipeline() {
  const uint64_t pipeline = ++pipeline_;
  refused_ = false;
  moved_to_.reset();
  std::string bytes;
  for (Operation& operation : Compose()) {
    operation.client = id_;
    operation.connection = connection_->id;
    const size_t id = world_.history.Begin(std::move(operation));
    const Operation& begun = world_.history.at(id);
    bytes += Encode(begun, world_.settings.clients.value_bytes_max);
    world_.trace.Add(Happening::kRequest, id_, server_ + 1, id, static_cast<uint64_t>(begun.kind),
                     begun.keys.front());
    waiting_.push_back(id);
  }
  SendBytes(std::move(bytes));

  // Some do not wait at all, the others a little longer than the server does.
  const bool watches = role_ == Role::kWatch;
  const bool leaves = watches || role_ == Role::kHaunter ||
                      (!IsProbe() && random_.Chance(world_.settings.clients.leave_permille));
  Time patience = (world_.settings.node.request_timeout_ms + kAnswerSlackMs) * kMillisecond;
  if (leaves) patience = random_.Between(0, watches ? kSecond : 20 * kMillisecond);
  if (role_ == Role::kHaunter) patience = random_.Between(0, 4 * kSecond);
  world_.events.After(patience, [this, pipeline, leaves] {
    if (pipeline != pipeline_ || waiting_.empty()) return;
    if (!leaves) CheckUnanswered();
    GiveUpWaiting();
  });
}

// A server that runs, and has read a request, answers it in time, if only to say that the outcome
// is unknown.
void Client::CheckUnanswered() {
  const Server& server = *world_.servers[server_];
  if (!server.up() || server.paused() || connection_->server_closed || connection_->paused ||
      !connection_->session->input.empty()) {
    return;
  }
  const Time since = std::max(server.undisturbed_since(), connection_->last_read);
  const Time slack =
      (world_.settings.node.request_timeout_ms + kAnswerSlackMs) * kMillisecond - kSecond;
  if (world_.events.now() - since >= slack) {
    world_.verdict.Fail(
        fmt::format("node {} has left requests of client {} without an answer", server_ + 1, id_));
  }
}

void Client::GiveUpWaiting() {
  Disconnect();
  GoElsewhere();
  PlanStep(random_.Between(0, world_.settings.clients.think_max));
}

void Client::SendBytes(std::string bytes) {
  if (random_.Chance(world_.settings.clients.cut_permille)) {
    const size_t first = random_.Below(bytes.size());
    Deliver(bytes.substr(0, first));
    bytes.erase(0, first);
  }
  Deliver(std::move(bytes));
}

void Client::Deliver(std::string bytes) {
  Connection& connection = *connection_;
  connection.last_to_server =
      std::max(connection.last_to_server, world_.events.now() + world_.network.Latency());
  world_.events.At(connection.last_to_server,
                   [server = world_.servers[server_].get(), shared = connection_,
                    bytes = std::move(bytes)]() mutable {
                     server->ReceiveFromClient(shared, std::move(bytes));
                   });
}

std::vector<uint32_t> Client::DrawKeys(size_t count_max) {
  std::vector<uint32_t> keys;
  const size_t count = 1 + random_.Below(std::min<size_t>(count_max, key_count()));
  while (keys.size() < count) {
    const auto key = static_cast<uint32_t>(random_.Below(key_count()));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

Operation Client::ComposeOne() {
  static const std::vector<CommandKind> kReads = {CommandKind::kGet, CommandKind::kGet,
                                                  CommandKind::kGet, CommandKind::kMget,
                                                  CommandKind::kExists};
  static const std::vector<CommandKind> kWrites = {
      CommandKind::kSet,   CommandKind::kSet,      CommandKind::kSet,    CommandKind::kSet,
      CommandKind::kSetNx, CommandKind::kSetXx,    CommandKind::kSetGet, CommandKind::kSetNxGet,
      CommandKind::kMset,  CommandKind::kSetXxGet, CommandKind::kDel};
  Operation operation;
  const uint32_t write_permille = IsReader() ? 50 : world_.settings.clients.write_permille;
  operation.kind = random_.Pick(random_.Chance(write_permille) ? kWrites : kReads);
  switch (operation.kind) {
    case CommandKind::kMget:
    case CommandKind::kMset:
    case CommandKind::kExists:
    case CommandKind::kDel:
      operation.keys = DrawKeys(3);
      break;
    default:
      operation.keys = DrawKeys(1);
  }
  if (IsWrite(operation.kind) && operation.kind != CommandKind::kDel) {
    for (size_t i = 0; i < operation.keys.size(); ++i) {
      operation.values.push_back(world_.history.NextValue());
    }
  }
  return operation;
}

Operation Client::SetOf(uint32_t key) {
  Operation write;
  write.kind = CommandKind::kSet;
  write.keys = {key};
  write.values = {world_.history.NextValue()};
  return write;
}

std::vector<Operation> Client::Compose() {
  std::vector<Operation> operations;
  if (role_ == Role::kWatch) return {SetOf(key_count())};
  if (role_ == Role::kHaunter) {
    Operation read;
    read.kind = CommandKind::kGet;
    read.keys = {key_count()};
    return {read};
  }
  if (!IsProbe()) {
    const size_t count = 1 + random_.Below(world_.settings.clients.pipeline_max);
    while (operations.size() < count) operations.push_back(ComposeOne());
    return operations;
  }
  if (role_ == Role::kProbe) operations.push_back(SetOf(0));
  Operation read;
  read.kind = CommandKind::kMget;
  for (uint32_t key = 0; key < key_count(); ++key) read.keys.push_back(key);
  operations.push_back(std::move(read));
  return operations;
}

// --- Learning ---

void Client::OnBytes(const std::string& bytes) {
  replies_.Feed(bytes);
  const Connection* connection = connection_.get();
  while (std::optional<Reply> reply = replies_.Next()) {
    if (waiting_.empty()) {
      world_.verdict.Fail(fmt::format("client {} got a reply that it had not asked for", id_));
      return;
    }
    OnReply(*reply);
    if (connection_.get() != connection) return;
  }
  if (replies_.failed()) {
    world_.verdict.Fail(fmt::format("client {} got what is no reply", id_));
  }
}

void Client::OnReply(const Reply& reply) {
  const std::optional<size_t> id = waiting_.front();
  waiting_.pop_front();
  if (!id) {
    if (reply.type != Reply::Type::kSimple) {
      world_.verdict.Fail(fmt::format("READONLY was answered '{}'", reply.text));
    }
  } else if (reply.type == Reply::Type::kError) {
    OnError(*id, reply.text);
  } else if (OnResult(world_.history.at(*id), reply)) {
    world_.history.End(*id, Outcome::kDone);
  } else {
    world_.verdict.Fail(fmt::format("client {} got a reply that does not fit: {}, type {}, '{}'",
                                    id_, Describe(world_.history.at(*id)),
                                    static_cast<int>(reply.type), reply.text.substr(0, 80)));
  }
  if (id) {
    world_.trace.Add(Happening::kReply, id_, *id,
                     static_cast<uint64_t>(world_.history.at(*id).outcome));
  }
  if (waiting_.empty()) PipelineDone();
}

void Client::OnError(size_t operation, const std::string& text) {
  refused_ = true;
  if (StartsWith(text, "MOVED ")) {
    uint16_t port = 0;
    const size_t colon = text.rfind(':');
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    const size_t server = PlaceOf(port);
    if (server >= world_.servers.size()) {
      world_.verdict.Fail("a strange redirection: " + text);
      return;
    }
    moved_to_ = server;
    world_.history.End(operation, Outcome::kNotExecuted);
  } else if (StartsWith(text, "CLUSTERDOWN ")) {
    world_.history.End(operation, Outcome::kNotExecuted);
  } else if (StartsWith(text, "MISCONF No space left") &&
             IsWrite(world_.history.at(operation).kind) && world_.servers[server_]->full_lately()) {
    world_.history.End(operation, Outcome::kNotExecuted);
  } else if (StartsWith(text, "UNKNOWN ") && IsWrite(world_.history.at(operation).kind)) {
    world_.history.End(operation, Outcome::kUnknown);
  } else {
    world_.verdict.Fail(fmt::format("client {} got the error '{}' to {}", id_, text,
                                    Describe(world_.history.at(operation))));
  }
}

// The value's number, with all its bytes as they were written.
std::optional<ValueId> Client::ReadValue(const Reply& reply) {
  if (reply.type == Reply::Type::kNull) return 0;
  if (reply.type != Reply::Type::kBulk || reply.text.size() < 2) return std::nullopt;
  ValueId value = 0;
  std::from_chars(reply.text.data() + 1, reply.text.data() + reply.text.size(), value);
  if (value == 0 || value > world_.history.last_value() ||
      reply.text != ValueBytes(value, world_.settings.clients.value_bytes_max)) {
    return std::nullopt;
  }
  return value;
}

bool Client::OnResult(Operation& operation, const Reply& reply) {
  switch (operation.kind) {
    case CommandKind::kGet:
    case CommandKind::kSetGet:
    case CommandKind::kSetNxGet:
    case CommandKind::kSetXxGet: {
      const std::optional<ValueId> value = ReadValue(reply);
      if (!value) return false;
      operation.found = {*value};
      return true;
    }
    case CommandKind::kMget:
      if (reply.elements.size() != operation.keys.size()) return false;
      for (const Reply& element : reply.elements) {
        const std::optional<ValueId> value = ReadValue(element);
        if (!value) return false;
        operation.found.push_back(*value);
      }
      return true;
    case CommandKind::kExists:
    case CommandKind::kDel:
      operation.count = reply.integer;
      return reply.type == Reply::Type::kInteger && reply.integer >= 0 &&
             reply.integer <= static_cast<int64_t>(operation.keys.size());
    case CommandKind::kSet:
    case CommandKind::kMset:
      return reply.type == Reply::Type::kSimple && reply.text == "OK";
    case CommandKind::kSetNx:
    case CommandKind::kSetXx:
      operation.count = reply.type == Reply::Type::kSimple ? 1 : 0;
      return reply.type == Reply::Type::kNull || reply.text == "OK";
  }
  return false;
}

void Client::PipelineDone() {
  if (!refused_) {
    if (IsProbe()) succeeded_ = true;
  } else if (role_ != Role::kReader && role_ != Role::kReadingProbe) {
    Disconnect();
    if (moved_to_) {
      server_ = *moved_to_;
    } else {
      GoElsewhere();
    }
  } else if (role_ == Role::kReader && random_.Chance(200)) {
    Disconnect();
    GoElsewhere();
  }
  const Time think_max =
      role_ == Role::kWatch ? 200 * kMillisecond : world_.settings.clients.think_max;
  const Time think = random_.Between(0, think_max);
  PlanStep(refused_ ? think + 5 * kMillisecond : think);
}

}  // namespace quorate::simulation
