// The replies owed to one client, in the order of its requests, whatever the order in which they become
// known. Loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "resp/reply_writer.h"

namespace quorate {

class ReplyQueue {
 public:
  // A place in the queue. Counts the requests that had to wait; never used twice.
  using Ticket = uint64_t;

  // A reply that is known now: written at once where nothing is owed before it, else kept in its place.
  // `fill` gets a resp::ReplyWriter& and writes exactly one reply.
  template <typename Fill>
  void Reply(resp::Protocol protocol, Fill&& fill) {
    if (waiting_.empty()) {
      resp::ReplyWriter writer(&output_, protocol);
      fill(writer);
    } else {
      Answer(Reserve(protocol), std::forward<Fill>(fill));
    }
  }

  // Keeps a place for a reply that is not known yet, in the protocol that the client speaks now.
  Ticket Reserve(resp::Protocol protocol) {
    waiting_.push_back({protocol, false, {}});
    return first_ + waiting_.size() - 1;
  }

  // Gives the reply of a place. Precondition: reserved, and not answered before.
  template <typename Fill>
  void Answer(Ticket ticket, Fill&& fill) {
    Place& place = At(ticket);
    if (ticket == first_) {
      resp::ReplyWriter writer(&output_, place.protocol);
      fill(writer);
      PopAnswered();
    } else {
      resp::ReplyWriter writer(&place.reply, place.protocol);
      fill(writer);
      place.answered = true;
      kept_bytes_ += place.reply.size();
    }
  }

  // Bytes that may be sent. The owner takes them from the front.
  std::string& output() { return output_; }
  const std::string& output() const { return output_; }
  size_t waiting() const { return waiting_.size(); }
  // Memory held by replies, sent or not.
  size_t bytes() const { return output_.size() + kept_bytes_; }

 private:
  struct Place {
    resp::Protocol protocol;
    bool answered;
    std::string reply;
  };

  Place& At(Ticket ticket);
  // The first place has been answered into output_: drop it, and move on over those answered before.
  void PopAnswered();

  std::string output_;
  std::deque<Place> waiting_;  // the first one is not answered
  Ticket first_ = 0;           // ticket of waiting_.front()
  size_t kept_bytes_ = 0;
};

}  // namespace quorate
