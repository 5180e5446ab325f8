#include "src/peer_network.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>

#include "src/uv_support.h"

namespace quorate {
namespace {

// Connections of other members, with room for some that are about to be replaced. More are
// strangers'.
constexpr size_t kIncomingMax = 64;

}  // namespace

PeerNetwork::PeerNetwork(uv_loop_t* loop, const Config& config, uint64_t cluster_id)
    : loop_(loop), config_(config), cluster_id_(cluster_id) {
  PeerLink::Options options;
  options.cluster_id = cluster_id;
  options.node_id = config.node_id;
  options.send_timeout_ms = static_cast<unsigned>(2 * config.election_timeout_ms);
  for (const Member& member : config.members) {
    if (member.id == config.node_id) continue;
    links_.emplace(member.id, std::make_unique<PeerLink>(loop, member, options));
  }
}

PeerNetwork::~PeerNetwork() { CloseAll(); }

// --- The port ---

std::optional<std::string> PeerNetwork::Listen() {
  if (links_.empty()) return std::nullopt;
  return ListenOn(loop_, config_.bind,
                  {config_.self().peer_port, static_cast<int>(kIncomingMax), this, &OnConnection},
                  &servers_);
}

void PeerNetwork::OnConnection(uv_stream_t* server, int status) {
  if (status < 0) {
    spdlog::warn("could not accept a peer: {}", UvError(status));
    return;
  }
  static_cast<PeerNetwork*>(server->data)->Accept(server);
}

void PeerNetwork::Accept(uv_stream_t* server) {
  auto* incoming = new Incoming{this, {}, {}, {}, {}};
  uv_tcp_init(loop_, &incoming->tcp);
  incoming->tcp.data = incoming;
  incoming_.push_back(incoming);
  if (uv_accept(server, reinterpret_cast<uv_stream_t*>(&incoming->tcp)) != 0 ||
      incoming_.size() > kIncomingMax) {
    Drop(incoming);
    return;
  }
  sockaddr_storage address{};
  int size = sizeof address;
  if (uv_tcp_getpeername(&incoming->tcp, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    incoming->address = FormatAddress(address);
  }
  uv_tcp_keepalive(&incoming->tcp, 1, 10);
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&incoming->tcp),
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto& shared = static_cast<Incoming*>(handle->data)->network->read_buffer_;
        *buffer = uv_buf_init(shared.data(), shared.size());
      },
      [](uv_stream_t* stream, ssize_t read, const uv_buf_t* buffer) {
        auto* connection = static_cast<Incoming*>(stream->data);
        connection->network->OnRead(connection, read, buffer);
      });
}

// --- What arrives ---

void PeerNetwork::OnRead(Incoming* incoming, ssize_t size, const uv_buf_t* buffer) {
  if (size == 0) return;
  if (size < 0) {
    const std::optional<uint64_t> from = incoming->from;
    Drop(incoming);
    if (!from) return;
    spdlog::warn("node {} has closed its connection: {}", *from, UvError(static_cast<int>(size)));
    // A process that ends closes its sockets, which the kernel tells at once.
    node_->PeerGone(consensus::NodeId(*from));
    return;
  }
  std::string_view bytes(buffer->base, static_cast<size_t>(size));
  while (true) {
    auto result = incoming->decoder.Next(&bytes);
    if (std::holds_alternative<consensus::FrameDecoder::NeedMore>(result)) return;
    if (auto* message = std::get_if<consensus::Message>(&result)) {
      node_->Receive(consensus::NodeId(*incoming->from), std::move(*message));
    } else if (const auto* hello = std::get_if<consensus::Hello>(&result)) {
      OnHello(incoming, *hello);
      if (!incoming->from) return;  // refused, and closed
    } else {
      spdlog::warn("closing the peer connection from {}: {}", incoming->address,
                   std::get<consensus::FrameDecoder::Failure>(result).text);
      Drop(incoming);
      return;
    }
  }
}

void PeerNetwork::OnHello(Incoming* incoming, const consensus::Hello& hello) {
  std::string problem;
  if (hello.cluster_id != cluster_id_) {
    problem = fmt::format("it belongs to cluster {:016x}, this is {:016x}", hello.cluster_id,
                          cluster_id_);
  } else if (hello.to.value() != config_.node_id) {
    problem = fmt::format("it takes this for node {}, this is node {}", hello.to.value(),
                          config_.node_id);
  } else if (!links_.contains(hello.from.value())) {
    problem = fmt::format("node {} is no other member of this cluster", hello.from.value());
  }
  if (!problem.empty()) {
    spdlog::warn("refusing the peer connection from {}: {}", incoming->address, problem);
    Drop(incoming);
    return;
  }
  // A member that has started anew, or whose old connection is dead without our knowing. What the
  // old one may still deliver must not come behind what the new one has.
  for (Incoming* other : std::vector(incoming_)) {
    if (other != incoming && other->from == hello.from.value()) Drop(other);
  }
  incoming->from = hello.from.value();
  spdlog::info("node {} has connected from {}", hello.from.value(), incoming->address);
}

void PeerNetwork::Drop(Incoming* incoming) {
  std::erase(incoming_, incoming);
  incoming->from.reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&incoming->tcp),
           [](uv_handle_t* handle) { delete static_cast<Incoming*>(handle->data); });
}

// --- What is sent ---

void PeerNetwork::Connect() {
  for (auto& [id, link] : links_) link->Connect();
}

void PeerNetwork::Send(consensus::NodeId to, consensus::Message message) {
  links_.at(to.value())->Send(message);
}

void PeerNetwork::EndRound() {
  for (auto& [id, link] : links_) link->EndRound();
}

void PeerNetwork::CloseAll() {
  StopListening(&servers_);
  for (auto& [id, link] : links_) link->Close();
  while (!incoming_.empty()) Drop(incoming_.back());
}

}  // namespace quorate
