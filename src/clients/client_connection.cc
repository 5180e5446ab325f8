#include "src/clients/client_connection.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

#include "src/clients/client_listener.h"
#include "src/net/uv_support.h"

namespace quorate {

ClientConnection::ClientConnection(ClientListener& listener, std::shared_ptr<Session> session,
                                   uv_tcp_t* socket)
    : listener_(listener), session_(std::move(session)), socket_(socket) {
  socket_->data = this;
  write_request_.data = this;
}

void ClientConnection::StartReading() {
  if (reading_ || closing_ || input_ended_) return;
  reading_ = true;
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(socket_),
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto& shared = static_cast<ClientConnection*>(handle->data)->listener_.read_buffer_;
        *buffer = uv_buf_init(shared.data(), shared.size());
      },
      [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
        static_cast<ClientConnection*>(stream->data)->OnRead(size, buffer);
      });
}

void ClientConnection::OnRead(ssize_t size, const uv_buf_t* buffer) {
  if (size == 0) return;
  if (size == UV_EOF) {
    // A client that has only closed its sending side still gets the replies that it is owed.
    input_ended_ = true;
    session_->close_after_replies = true;
    Update();
    return;
  }
  if (size < 0) {
    Close();
    return;
  }
  listener_.dispatcher_.Receive(*session_,
                                std::string_view(buffer->base, static_cast<size_t>(size)));
  if (!listener_.dispatcher_.MayRead(*session_)) {
    uv_read_stop(reinterpret_cast<uv_stream_t*>(socket_));
    reading_ = false;
    paused_ = true;
    listener_.paused_.insert(session_->id);
    NoteWaiting();
  }
}

bool ClientConnection::Resume() {
  assert(paused_);
  if (!listener_.dispatcher_.MayRead(*session_)) {
    NoteWaiting();
    return false;
  }
  const bool had_input = !session_->input.empty();
  listener_.dispatcher_.Resume(*session_);
  if (listener_.dispatcher_.MayRead(*session_)) {
    paused_ = false;
    listener_.paused_.erase(session_->id);
    if (!listener_.reading_stopped_) StartReading();
  } else {
    NoteWaiting();
  }
  return had_input;
}

// Who waits for its own replies is looked at when they move; who waits for what all clients do
// together is told by nobody.
void ClientConnection::NoteWaiting() {
  if (listener_.instance_.node.throttled()) listener_.some_wait_for_node_ = true;
  if (listener_.instance_.sessions.replies_are_tight()) listener_.some_wait_for_room_ = true;
}

void ClientConnection::Update() {
  if (closing_) return;
  if (session_->close_now) {
    if (session_->evicted) ++listener_.instance_.statistics.clients_evicted;
    Close();
    return;
  }
  Write();
  if (closing_) return;
  if (LeavesRepliesTooLong()) {
    spdlog::warn("client {} is closed: it leaves its replies unread (client-output-buffer-limit)",
                 session_->address);
    Close();
    return;
  }
  if (session_->close_after_replies && session_->replies.waiting() == 0 && unsent_bytes() == 0) {
    Close();
  }
}

// Straight to the kernel where it takes all, which it does unless the client is slow; only the rest
// is queued.
void ClientConnection::Write() {
  std::string& output = session_->replies.output();
  if (!writing_.empty() || output.empty()) return;
  uv_buf_t buffer{output.data(), output.size()};
  auto* stream = reinterpret_cast<uv_stream_t*>(socket_);
  int sent = uv_try_write(stream, &buffer, 1);
  if (sent < 0) {
    if (sent != UV_EAGAIN) {
      Close();
      return;
    }
    sent = 0;
  }
  session_->output_bytes_total += static_cast<size_t>(sent);
  listener_.instance_.statistics.output_bytes += static_cast<size_t>(sent);
  if (static_cast<size_t>(sent) == output.size()) {
    output.clear();
    // Memory that one big reply took is not kept for ever.
    if (output.capacity() > (64 << 10)) output.shrink_to_fit();
    listener_.instance_.sessions.Count(*session_);
    return;
  }
  output.erase(0, static_cast<size_t>(sent));
  writing_ = std::exchange(output, {});
  session_->writing_bytes = writing_.size();
  listener_.instance_.sessions.Count(*session_);
  buffer = {writing_.data(), writing_.size()};
  uv_write(&write_request_, stream, &buffer, 1, [](uv_write_t* request, int status) {
    static_cast<ClientConnection*>(request->data)->OnWritten(status);
  });
}

void ClientConnection::OnWritten(int status) {
  session_->output_bytes_total += writing_.size();
  listener_.instance_.statistics.output_bytes += writing_.size();
  writing_ = {};
  session_->writing_bytes = 0;
  if (closing_) return;
  if (status < 0) {
    Close();
    return;
  }
  Update();
  // And on with its requests, if they have waited for this.
  if (!closing_) listener_.instance_.sessions.Schedule(*session_);
}

void ClientConnection::NoteProgress() {
  const size_t bytes = uv_stream_get_write_queue_size(reinterpret_cast<uv_stream_t*>(socket_));
  if (bytes == write_queue_bytes_) return;
  write_queue_bytes_ = bytes;
  write_queue_changed_ms_ = listener_.instance_.clock.monotonic_ms();
}

bool ClientConnection::IsStuck(int64_t limit_ms) const {
  return write_queue_bytes_ > 0 &&
         listener_.instance_.clock.monotonic_ms() - write_queue_changed_ms_ >= limit_ms;
}

bool ClientConnection::IsIdle(int64_t limit_ms) const {
  const int64_t active_ms = std::max(session_->last_request_at_ms, write_queue_changed_ms_);
  return session_->replies.waiting() == 0 &&
         active_ms < listener_.instance_.clock.monotonic_ms() - limit_ms;
}

bool ClientConnection::LeavesRepliesTooLong() {
  const OutputBufferLimit& limit = listener_.instance_.config.client_output_buffer_limit;
  if (limit.soft_bytes == 0 || unsent_bytes() <= limit.soft_bytes) {
    over_soft_limit_since_ms_ = 0;
    return false;
  }
  const int64_t now_ms = listener_.instance_.clock.monotonic_ms();
  if (over_soft_limit_since_ms_ == 0) over_soft_limit_since_ms_ = now_ms;
  return now_ms - over_soft_limit_since_ms_ > static_cast<int64_t>(limit.soft_seconds) * 1000;
}

void ClientConnection::Close() {
  if (closing_) return;
  spdlog::debug("client {} is gone", session_->address);
  listener_.instance_.sessions.Close(*session_);
  CloseSocket();
}

bool ClientConnection::IsQuiet() const {
  return !closing_ && !input_ended_ && !paused_ && !session_->gone() &&
         !session_->close_after_replies && session_->replies.waiting() == 0 && unsent_bytes() == 0;
}

std::optional<int> ClientConnection::Detach() {
  assert(IsQuiet());
  uv_os_fd_t own = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(socket_), &own) != 0) return std::nullopt;
  const int kept = fcntl(own, F_DUPFD_CLOEXEC, 0);
  if (kept < 0) return std::nullopt;
  CloseSocket();
  return kept;
}

void ClientConnection::CloseSocket() {
  closing_ = true;
  listener_.paused_.erase(session_->id);
  uv_close(reinterpret_cast<uv_handle_t*>(socket_), [](uv_handle_t* handle) {
    auto* connection = static_cast<ClientConnection*>(handle->data);
    delete reinterpret_cast<uv_tcp_t*>(handle);
    connection->listener_.Closed(connection);
  });
}

}  // namespace quorate
