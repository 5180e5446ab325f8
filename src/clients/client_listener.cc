#include "src/clients/client_listener.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "src/net/uv_support.h"

namespace quorate {
ClientListener::ClientListener(Loop& loop, Instance& instance, Dispatcher& dispatcher)
    : loop_(loop), instance_(instance), dispatcher_(dispatcher) {}

std::optional<std::string> ClientListener::Listen() {
  const Config& config = instance_.config;
  return ListenOn(loop_.uv(), config.bind,
                  {config.port, static_cast<int>(config.tcp_backlog), this, &OnConnection},
                  &servers_);
}

void ClientListener::OnConnection(uv_stream_t* server, int status) {
  if (status < 0) {
    spdlog::warn("could not accept a client: {}", UvError(status));
    return;
  }
  static_cast<ClientListener*>(server->data)->Accept(server);
}

void ClientListener::Accept(uv_stream_t* server) {
  Stream stream = Stream::Accept(loop_, server);
  if (!stream) return;
  ++instance_.statistics.connections_received;
  const sockaddr_storage remote = stream.RemoteAddress();
  if (auto refusal = Refusal(remote)) {
    ++instance_.statistics.connections_rejected;
    // Best effort: a connection that was just opened takes that much, or its owner does without.
    stream.Write(&*refusal);
    return;
  }
  const uint64_t keepalive_s = instance_.config.tcp_keepalive_seconds;
  if (keepalive_s > 0) stream.SetKeepAlive(static_cast<unsigned>(keepalive_s));
  const std::string name = FormatAddress(remote);
  spdlog::debug("client {} has connected", name);
  std::shared_ptr<Session> session = instance_.sessions.Open(
      name, FormatAddress(stream.LocalAddress()), instance_.clock.monotonic_ms());
  Add(std::move(session), std::move(stream));
}

void ClientListener::Add(std::shared_ptr<Session> session, Stream stream) {
  const uint64_t id = session->id;
  connections_.emplace(
      id, std::make_unique<ClientConnection>(*this, std::move(session), std::move(stream)));
}

std::vector<KeptClient> ClientListener::Detach() {
  std::vector<KeptClient> kept;
  for (auto& [id, connection] : connections_) {
    if (!connection->IsQuiet()) continue;
    const std::shared_ptr<Session> session = connection->session().shared_from_this();
    if (const auto descriptor = connection->Detach()) kept.push_back({session, *descriptor});
  }
  return kept;
}

void ClientListener::Attach(std::vector<KeptClient> clients) {
  for (KeptClient& client : clients) {
    client.session->ForgetNode();
    Add(std::move(client.session), Stream(loop_, client.descriptor));
  }
}

std::optional<std::string> ClientListener::Refusal(const sockaddr_storage& remote) const {
  if (instance_.sessions.size() >= instance_.config.maxclients) {
    return "-ERR max number of clients reached\r\n";
  }
  if (instance_.config.protected_mode && !IsLoopback(remote)) {
    return "-DENIED Quorate is running in protected mode because protected mode is enabled and no "
           "password can be set in this version. In this mode connections are only accepted from "
           "the loopback interface. To accept them from a network that you trust, start the server "
           "with '--protected-mode no'.\r\n";
  }
  return std::nullopt;
}

bool ClientListener::EndRound() {
  bool ran = false;
  instance_.sessions.KeepToMemoryBound();  // with what has been received, too
  for (const std::shared_ptr<Session>& session : instance_.sessions.TakeScheduled()) {
    const auto found = connections_.find(session->id);
    if (found == connections_.end()) continue;
    ClientConnection& connection = *found->second;
    connection.Update();
    if (connection.paused() && !connection.session().gone()) ran |= connection.Resume();
  }
  ran |= ResumePaused();
  for (const uint64_t id : std::exchange(closed_, {})) connections_.erase(id);
  return ran;
}

bool ClientListener::ResumePaused() {
  // One does not wait for the other: where replies are tight, whoever is owed none goes on.
  const bool node_is_free = some_wait_for_node_ && !instance_.node.throttled();
  const bool there_is_room = some_wait_for_room_ && !instance_.sessions.replies_are_tight();
  if (!node_is_free && !there_is_room) return false;
  if (node_is_free) some_wait_for_node_ = false;
  if (there_is_room) some_wait_for_room_ = false;
  bool ran = false;
  for (auto it = paused_.begin(); it != paused_.end();) {
    ClientConnection& connection = *connections_.at(*it++);  // may leave paused_
    ran |= connection.Resume();
  }
  return ran;
}

void ClientListener::CloseStuck() {
  const uint64_t limit_s = instance_.config.client_output_buffer_limit.soft_seconds;
  if (limit_s == 0 || !instance_.sessions.replies_are_tight()) return;
  for (auto& [id, connection] : connections_) {
    if (!connection->IsStuck(static_cast<int64_t>(limit_s) * 1000)) continue;
    spdlog::warn("client {} is closed: it leaves its replies unread, and others wait for that",
                 connection->session().address);
    connection->Close();
  }
}

void ClientListener::CloseIdle() {
  for (auto& [id, connection] : connections_) connection->NoteProgress();
  CloseStuck();
  const uint64_t timeout_s = instance_.config.timeout_seconds;
  if (timeout_s == 0) return;
  for (auto& [id, connection] : connections_) {
    if (!connection->IsIdle(static_cast<int64_t>(timeout_s) * 1000)) continue;
    spdlog::debug("client {} was idle for longer than timeout", connection->session().address);
    connection->Close();
  }
}

void ClientListener::StopListening() { quorate::StopListening(&servers_); }

void ClientListener::StopReading() {
  reading_stopped_ = true;
  for (auto& [id, connection] : connections_) connection->StopReading();
}

void ClientListener::CloseAll() {
  StopListening();
  for (auto& [id, connection] : connections_) connection->Close();
}

bool ClientListener::AllSent() const {
  for (const auto& [id, connection] : connections_) {
    if (connection->unsent_bytes() > 0) return false;
  }
  return true;
}

void ClientListener::Closed(ClientConnection& connection) {
  closed_.push_back(connection.session().id);
}

}  // namespace quorate
