#include "src/session.h"

#include <cassert>

namespace quorate {

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
  const size_t replies = session.closed ? 0 : session.reply_bytes();
  const size_t memory = session.closed ? 0 : session.memory_bytes();
  reply_bytes_ += replies - session.counted_replies;  // modulo 2^64
  memory_bytes_ += memory - session.counted_memory;
  session.counted_replies = replies;
  session.counted_memory = memory;
}

void Sessions::Schedule(Session& session) {
  Count(session);
  if (session.scheduled || session.closed) return;
  session.scheduled = true;
  scheduled_.push_back(session.shared_from_this());
}

std::vector<std::shared_ptr<Session>> Sessions::TakeScheduled() {
  for (const auto& session : scheduled_) session->scheduled = false;
  return std::exchange(scheduled_, {});
}

}  // namespace quorate
