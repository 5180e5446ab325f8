#include "src/peers/peer_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "src/net/uv_support.h"

namespace quorate {

struct PeerLink::Socket {
  PeerLink* link;  // null: nobody is interested any more
  uv_tcp_t tcp;
  uv_write_t write;
  consensus::FrameBuffer sending;
  char buffer[512];
  std::string answer;  // a Welcome or a part of one, or a line of text, which refuses
};

struct PeerLink::Timer {
  PeerLink* link;
  uv_timer_t timer;
};

PeerLink::PeerLink(uv_loop_t* loop, const Member& peer, Options options)
    : loop_(loop),
      peer_(peer),
      options_(std::move(options)),
      dialer_(loop, options_.connect_timeout_ms,
              {[this](int descriptor) { OnConnected(descriptor); },
               [this](const std::string& reason) { Fail(reason); }}),
      timer_(new Timer{this, {}}),
      retry_ms_(options_.retry_ms_min) {
  uv_timer_init(loop, &timer_->timer);
  timer_->timer.data = timer_;
}

PeerLink::~PeerLink() { Close(); }

void PeerLink::Close() {
  if (state_ == State::kClosed) return;
  DropSocket();
  state_ = State::kClosed;
  timer_->link = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_->timer),
           [](uv_handle_t* handle) { delete static_cast<Timer*>(handle->data); });
  timer_ = nullptr;
}

// --- Connecting ---

void PeerLink::Connect() {
  assert(state_ == State::kWaiting);
  if (peer_.host.empty()) {
    Fail("its address becomes known when it connects to this node");
    return;
  }
  state_ = State::kConnecting;
  uv_timer_stop(&timer_->timer);
  dialer_.Dial(peer_.host, peer_.peer_port);
}

void PeerLink::MayAlsoBeAt(const Member& place) {
  if (!peer_.SameAddress(place)) {
    other_place_ = place;
    other_place_->id = peer_.id;
    other_place_->folder = peer_.folder;
    if (state_ != State::kWaiting) return;  // it is tried when this fails
    std::swap(peer_, *other_place_);
  }
  RetryNow();
}

void PeerLink::RetryNow() {
  if (state_ != State::kWaiting || refused_) return;
  retry_ms_ = options_.retry_ms_min;
  Connect();
}

void PeerLink::OnConnected(int descriptor) {
  socket_ = new Socket{};
  socket_->link = this;
  uv_tcp_init(loop_, &socket_->tcp);
  socket_->tcp.data = socket_;
  socket_->write.data = socket_;
  uv_tcp_open(&socket_->tcp, descriptor);
  state_ = State::kGreeting;
  connected_at_ms_ = uv_now(loop_);
  uv_tcp_nodelay(&socket_->tcp, 1);
  const unsigned timeout_ms = options_.send_timeout_ms;
  setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
  // Reading finds out that the other side has closed, or refuses this one.
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&socket_->tcp),
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto* socket = static_cast<Socket*>(handle->data);
        *buffer = uv_buf_init(socket->buffer, sizeof socket->buffer);
      },
      [](uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
        auto* socket = static_cast<Socket*>(stream->data);
        if (size != 0 && socket->link != nullptr) socket->link->OnRead(size);
      });
  StartTimer(options_.connect_timeout_ms);
  if (options_.expect) expectation_ = options_.expect();
  queued_.Clear();
  queued_.Add(OwnHello());
}

void PeerLink::OnRead(ssize_t size) {
  if (size < 0) {
    Fail(UvError(static_cast<int>(size)));
    return;
  }
  std::string& answer = socket_->answer;
  answer.append(socket_->buffer, static_cast<size_t>(size));
  // A frame begins with its length, which is far below 2^24. No text has a byte of 0.
  constexpr size_t kLengthBytes = 4;
  if (answer.size() < kLengthBytes) return;
  if (answer[kLengthBytes - 1] != '\0') {
    OnRefused(answer);
    return;
  }
  std::string_view rest = answer;
  consensus::FrameDecoder decoder(consensus::FrameDecoder::First::kHelloReply);
  const consensus::FrameDecoder::Result result = decoder.Next(&rest);
  if (std::holds_alternative<consensus::FrameDecoder::NeedMore>(result)) return;
  const auto* reply = std::get_if<consensus::HelloReply>(&result);
  if (reply == nullptr || state_ != State::kGreeting) {
    Fail("its answer is not that of a Quorate server of this version");
    return;
  }
  answer.erase(0, answer.size() - rest.size());
  OnWelcome(*reply);
}

void PeerLink::OnWelcome(const consensus::HelloReply& reply) {
  uv_timer_stop(&timer_->timer);
  if (!consensus::CanSpeak(reply.abilities, {})) {
    Fail("it speaks other versions of the protocol between members");
    return;
  }
  state_ = State::kConnected;
  nonce_ = reply.welcome.nonce;
  const std::string reason =
      options_.welcomed ? options_.welcomed(expectation_, reply.welcome) : std::string();
  if (!reason.empty()) {
    refused_ = true;
    Fail(reason);
    return;
  }
  if (!refused_) NoteConnected();
}

void PeerLink::OnRefused(std::string_view line) {
  // From outside, and on its way into a log: one line, printable.
  std::string reason(line);
  reason.erase(
      std::find_if(reason.begin(), reason.end(), [](char c) { return c < ' ' || c > '~'; }),
      reason.end());
  refused_ = true;  // and will be each time, for a while: that is said once
  Fail("it says: " + reason);
  if (options_.refused) options_.refused(reason);
}

void PeerLink::NoteConnected() {
  spdlog::info("connected to node {} at {}:{}", peer_.id, peer_.host, peer_.peer_port);
  failure_logged_ = false;
  refused_ = false;
}

void PeerLink::Fail(const std::string& reason) {
  if (!failure_logged_) {
    spdlog::warn("no connection to node {} at {}:{}: {}; will go on trying", peer_.id, peer_.host,
                 peer_.peer_port, reason);
    failure_logged_ = true;
  }
  // A connection that held for a while is tried again at once, and where it was; not so one that
  // the other side refuses each time.
  const bool held =
      state_ == State::kConnected && uv_now(loop_) - connected_at_ms_ >= options_.retry_ms_max;
  if (held) retry_ms_ = options_.retry_ms_min;
  DropSocket();
  if (other_place_ && !held) std::swap(peer_, *other_place_);
  state_ = State::kWaiting;
  StartTimer(retry_ms_);
  retry_ms_ = std::min(2 * retry_ms_, options_.retry_ms_max);
}

void PeerLink::DropSocket() {
  dialer_.Stop();
  if (socket_ != nullptr) {
    socket_->link = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&socket_->tcp),
             [](uv_handle_t* handle) { delete static_cast<Socket*>(handle->data); });
    socket_ = nullptr;
  }
  writing_ = false;
  said_ = {};
  queued_.Clear();
}

void PeerLink::StartTimer(unsigned after_ms) {
  uv_timer_start(
      &timer_->timer,
      [](uv_timer_t* timer) {
        auto* owner = static_cast<Timer*>(timer->data);
        if (owner->link != nullptr) owner->link->OnTimer();
      },
      after_ms, 0);
}

void PeerLink::OnTimer() {
  if (state_ == State::kGreeting) {
    Fail("it does not answer");
    return;
  }
  assert(state_ == State::kWaiting);
  Connect();
}

std::string PeerLink::local_host() const {
  return socket_ == nullptr ? "" : LocalHost(&socket_->tcp);
}

// --- Sending ---

bool PeerLink::MayQueue() const {
  return said_ != consensus::Start() && queued_.bytes() <= options_.queued_bytes_max;
}

void PeerLink::Say(const consensus::Statement& statement) {
  assert(state_ == State::kConnected);
  queued_.Add(statement);
  said_ = statement.starts.back();
}

void PeerLink::Confirm(const consensus::StartNoted& noted) {
  if (MayQueue()) queued_.Add(noted);
}

void PeerLink::Send(const consensus::Message& message) {
  if (MayQueue()) queued_.Add(message);
}

void PeerLink::PassOn(const consensus::Hello& of_another) {
  if (MayQueue()) queued_.Add(of_another);
}

void PeerLink::SayHelloAgain() {
  if (state_ == State::kGreeting || state_ == State::kConnected) queued_.Add(OwnHello());
}

consensus::Hello PeerLink::OwnHello() const {
  return {.cluster_id = options_.cluster_id,
          .from = consensus::NodeId(options_.node_id),
          .to = consensus::NodeId(peer_.id),
          .address = options_.own_address,
          .folder = peer_.folder,
          .founding = options_.founding ? options_.founding() : consensus::FoundingId(),
          .process = options_.process};
}

void PeerLink::EndRound() {
  if (socket_ == nullptr || writing_ || queued_.empty()) return;
  if (refused_ && connected() && uv_now(loop_) - connected_at_ms_ >= options_.retry_ms_max)
    NoteConnected();
  const auto collect = [this](const consensus::FrameBuffer& frames, size_t skip) {
    pieces_.clear();
    frames.AppendPieces(&pieces_);
    buffers_.clear();
    for (std::string_view piece : pieces_) {
      const size_t skipped = std::min(skip, piece.size());
      skip -= skipped;
      piece.remove_prefix(skipped);
      if (piece.empty()) continue;
      buffers_.push_back(
          uv_buf_init(const_cast<char*>(piece.data()), static_cast<unsigned>(piece.size())));
    }
  };
  auto* stream = reinterpret_cast<uv_stream_t*>(&socket_->tcp);
  collect(queued_, 0);
  const int sent = uv_try_write(stream, buffers_.data(), static_cast<unsigned>(buffers_.size()));
  if (sent < 0 && sent != UV_EAGAIN) {
    Fail(UvError(sent));
    return;
  }
  const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (taken == queued_.bytes()) {
    queued_.Clear();
    return;
  }
  // What the kernel did not take stays with the socket, and what comes meanwhile waits behind it.
  std::swap(socket_->sending, queued_);
  queued_.Clear();
  collect(socket_->sending, taken);
  writing_ = true;
  uv_write(&socket_->write, stream, buffers_.data(), static_cast<unsigned>(buffers_.size()),
           [](uv_write_t* request, int status) {
             auto* socket = static_cast<Socket*>(request->data);
             socket->sending.Clear();
             if (socket->link != nullptr) socket->link->OnWritten(status);
           });
}

void PeerLink::OnWritten(int status) {
  writing_ = false;
  if (status != 0) {
    Fail(UvError(status));
    return;
  }
  EndRound();
}

}  // namespace quorate
