// The replies owed to one client, in the order of its requests, whatever the order in which they
// become known. Loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "resp/reply_writer.h"

namespace quorate {

class ReplyQueue {
 public:
  // A place in the queue. Counts the requests that had to wait; never used twice.
  using Ticket = uint64_t;

  // A reply that is known now: written at once where nothing is owed before it, else kept in its
  // place. `fill` gets a resp::ReplyWriter& and writes exactly one reply. Gives back the reply's
  // bytes, valid until the queue next changes.
  template <typename Fill>
  std::string_view Reply(resp::Protocol protocol, Fill&& fill) {
    if (!waiting_.empty()) return Answer(Reserve(protocol), std::forward<Fill>(fill));
    const size_t start = output_.size();
    resp::ReplyWriter writer(protocol, &output_);
    fill(writer);
    return std::string_view(output_).substr(start);
  }

  // Keeps a place for a reply that is not known yet, in the protocol that the client speaks now.
  Ticket Reserve(resp::Protocol protocol) {
    waiting_.push_back({protocol, false, {}});
    return first_ + waiting_.size() - 1;
  }

  // Gives the reply of a place; `fill` and the result are as those of Reply. Precondition:
  // reserved, and not answered before.
  template <typename Fill>
  std::string_view Answer(Ticket ticket, Fill&& fill) {
    Place& place = At(ticket);
    if (ticket != first_) {
      resp::ReplyWriter writer(place.protocol, &place.reply);
      fill(writer);
      place.answered = true;
      kept_bytes_ += place.reply.size();
      return place.reply;
    }
    const size_t start = output_.size();
    resp::ReplyWriter writer(place.protocol, &output_);
    fill(writer);
    const size_t size = output_.size() - start;
    PopAnswered();
    return std::string_view(output_).substr(start, size);
  }

  // Drops all replies: they will not be sent, nor any that are still to come. Not while one is
  // written.
  void Discard();

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
  // The first place has been answered into output_: drop it, and move on over those answered
  // before.
  void PopAnswered();

  std::string output_;
  std::deque<Place> waiting_;  // the first one is not answered
  Ticket first_ = 0;           // ticket of waiting_.front()
  size_t kept_bytes_ = 0;
};

}  // namespace quorate
