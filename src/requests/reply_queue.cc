#include "src/requests/reply_queue.h"

#include <cassert>

namespace quorate {

ReplyQueue::Place& ReplyQueue::At(Ticket ticket) {
  assert(ticket >= first_);
  assert(ticket - first_ < waiting_.size());
  Place& place = waiting_[ticket - first_];
  assert(!place.answered);
  return place;
}

void ReplyQueue::Discard() {
  output_ = {};
  for (Place& place : waiting_) place.reply = {};
  kept_bytes_ = 0;
}

void ReplyQueue::PopAnswered() {
  waiting_.pop_front();
  ++first_;
  while (!waiting_.empty() && waiting_.front().answered) {
    kept_bytes_ -= waiting_.front().reply.size();
    output_ += waiting_.front().reply;
    waiting_.pop_front();
    ++first_;
  }
}

}  // namespace quorate
