#include "src/requests/session.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <limits>

namespace quorate {

std::string_view Session::local_host() const {
  std::string_view host(local_address);
  host = host.substr(0, host.rfind(':'));
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return host == "?" ? std::string_view() : host;
}

std::shared_ptr<Session> Sessions::Open(std::string address, std::string local_address,
                                        int64_t now_ms) {
  auto session =
      std::make_shared<Session>(++last_id_, std::move(address), std::move(local_address), limits_);
  session->connected_at_ms = now_ms;
  session->last_request_at_ms = now_ms;
  sessions_.emplace(session->id, session);
  Count(*session);
  return session;
}

void Sessions::Close(Session& session) {
  assert(!session.closed);
  session.closed = true;
  Count(session);
  sessions_.erase(session.id);
}

void Sessions::Count(Session& session) {
  const size_t replies = session.gone() ? 0 : session.reply_bytes();
  const size_t memory = session.gone() ? 0 : session.memory_bytes();
  reply_bytes_ += replies - session.counted_replies;  // modulo 2^64
  memory_bytes_ += memory - session.counted_memory;
  session.counted_replies = replies;
  session.counted_memory = memory;
}

void Sessions::Schedule(Session& session) {
  Count(session);
  Enqueue(session);
  if (!session.gone() && session.reply_bytes() > ReplyBytesMax(session)) {
    GiveUp(session, "it leaves too much of its replies unread (client-output-buffer-limit)");
  }
  KeepToMemoryBound();
}

size_t Sessions::ReplyBytesMax(const Session& session) const {
  size_t bytes_max = std::numeric_limits<size_t>::max();
  if (bounds_.reply_bytes > 0) bytes_max = bounds_.reply_bytes;
  if (bounds_.memory_bytes > 0 && !session.no_evict) {
    bytes_max = std::min(bytes_max, bounds_.memory_bytes);
  }
  return bytes_max;
}

void Sessions::KeepToMemoryBound() {
  while (bounds_.memory_bytes > 0 && memory_bytes_ > bounds_.memory_bytes) {
    Session* most = nullptr;
    for (const auto& [id, session] : sessions_) {
      if (session->gone() || session->no_evict) continue;
      if (!most || session->memory_bytes() > most->memory_bytes()) most = session.get();
    }
    if (!most) return;
    most->evicted = true;
    GiveUp(*most, "of all, which exceed maxmemory-clients together, it takes most");
  }
}

void Sessions::GiveUp(Session& session, std::string_view why) {
  spdlog::warn("client {} is closed: {}; it takes {} bytes", session.address, why,
               session.memory_bytes());
  session.close_now = true;
  session.replies.Discard();
  Count(session);
  Enqueue(session);
}

void Sessions::Enqueue(Session& session) {
  if (session.scheduled || session.closed) return;
  session.scheduled = true;
  scheduled_.push_back(session.shared_from_this());
}

std::vector<std::shared_ptr<Session>> Sessions::TakeScheduled() {
  for (const auto& session : scheduled_) session->scheduled = false;
  return std::exchange(scheduled_, {});
}

}  // namespace quorate
