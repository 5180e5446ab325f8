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
  return session;
}

void Sessions::Close(Session& session) {
  assert(!session.closed);
  session.closed = true;
  sessions_.erase(session.id);
}

void Sessions::Schedule(Session& session) {
  if (session.scheduled || session.closed) return;
  session.scheduled = true;
  scheduled_.push_back(session.shared_from_this());
}

std::vector<std::shared_ptr<Session>> Sessions::TakeScheduled() {
  for (const auto& session : scheduled_) session->scheduled = false;
  return std::exchange(scheduled_, {});
}

}  // namespace quorate
