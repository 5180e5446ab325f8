#include "src/clients/client_connection.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "src/clients/client_listener.h"

namespace quorate {

ClientConnection::ClientConnection(ClientListener& listener, std::shared_ptr<Session> session,
                                   Stream stream)
    : listener_(listener), session_(std::move(session)), stream_(std::move(stream)) {
  stream_.Start(*this);
}

void ClientConnection::StopReading() {
  if (!closed()) stream_.StopReading();
}

void ClientConnection::OnReceived(std::string_view bytes) {
  listener_.dispatcher_.Receive(*session_, bytes);
  if (!listener_.dispatcher_.MayRead(*session_)) {
    stream_.StopReading();
    paused_ = true;
    listener_.paused_.insert(session_->id);
    NoteWaiting();
  }
}

// A client that has only closed its sending side still gets the replies that it is owed.
void ClientConnection::OnEnd() {
  input_ended_ = true;
  session_->close_after_replies = true;
  Update();
}

void ClientConnection::OnBroken(const std::string&) { Close(); }

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
    if (!listener_.reading_stopped_) stream_.StartReading();
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
  if (closed()) return;
  if (session_->close_now) {
    if (session_->evicted) ++listener_.instance_.statistics.clients_evicted;
    Close();
    return;
  }
  Write();
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

// The kernel takes all at once unless the client is slow.
void ClientConnection::Write() {
  std::string& output = session_->replies.output();
  if (stream_.writing() || output.empty()) return;
  const size_t size = output.size();
  const size_t taken = stream_.Write(&output);
  // Memory that one big reply took is not kept for ever.
  if (output.capacity() > (64 << 10)) output.shrink_to_fit();
  session_->writing_bytes = size - taken;
  CountSent(taken);
}

void ClientConnection::OnAllSent() {
  CountSent(std::exchange(session_->writing_bytes, 0));
  Update();
  // And on with its requests, if they have waited for this.
  if (!closed()) listener_.instance_.sessions.Schedule(*session_);
}

void ClientConnection::CountSent(size_t bytes) {
  session_->output_bytes_total += bytes;
  listener_.instance_.statistics.output_bytes += bytes;
  listener_.instance_.sessions.Count(*session_);
}

void ClientConnection::NoteProgress() {
  if (closed() || stream_.unsent_bytes() == noted_unsent_bytes_) return;
  noted_unsent_bytes_ = stream_.unsent_bytes();
  progress_ms_ = listener_.instance_.clock.monotonic_ms();
}

bool ClientConnection::IsStuck(int64_t limit_ms) const {
  return !closed() && noted_unsent_bytes_ > 0 &&
         listener_.instance_.clock.monotonic_ms() - progress_ms_ >= limit_ms;
}

bool ClientConnection::IsIdle(int64_t limit_ms) const {
  const int64_t active_ms = std::max(session_->last_request_at_ms, progress_ms_);
  return !closed() && session_->replies.waiting() == 0 &&
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
  if (closed()) return;
  spdlog::debug("client {} is gone", session_->address);
  listener_.instance_.sessions.Close(*session_);
  CloseStream();
}

bool ClientConnection::IsQuiet() const {
  return !closed() && !input_ended_ && !paused_ && !session_->gone() &&
         !session_->close_after_replies && session_->replies.waiting() == 0 &&
         unsent_bytes() == 0 && !stream_.writing();
}

std::optional<int> ClientConnection::Detach() {
  assert(IsQuiet());
  const std::optional<int> kept = stream_.Duplicate();
  if (kept) CloseStream();
  return kept;
}

void ClientConnection::CloseStream() {
  stream_.Close();
  listener_.paused_.erase(session_->id);
  listener_.Closed(*this);
}

}  // namespace quorate
