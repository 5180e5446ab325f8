// CLUSTER MEET on a node that nobody has used yet: it asks the node at that address to take it in
// (CLUSTER ADMIT), and serves nobody meanwhile. This is what the node knows of it: whom it asks,
// who waits for the answer, and what has come of it so far. JoinRequest asks. No socket, no clock;
// loop thread.
//
// Nodes that are told to meet each other must not take each other in: each would then be a member
// of two clusters. So a node that has asked takes nobody in until it knows that it was refused; and
// of two that ask each other, the one with the smaller cluster id is taken in by the other. In a
// ring of such nodes, the one with the greatest id is refused by the one that it asks, and takes in
// the one that asks it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/members/member.h"
#include "src/node/change_requests.h"
#include "src/requests/pending.h"

namespace quorate {

class Joining {
 public:
  // A CLUSTER MEET that waits for its answer.
  struct Meet {
    PendingRequest request;
    MembershipChange change;  // what it comes to once this node is in use
    int64_t deadline_ms = 0;
  };

  // Precondition: !active(). `target` is the node to ask.
  void Begin(Meet meet, Member target);
  bool active() const { return meet_.has_value(); }
  // Whom to ask; null when this node asks nobody. Valid until the next Begin.
  const Member* target() const { return active() ? &target_ : nullptr; }
  // Another with each Begin.
  uint64_t number() const { return number_; }

  // --- For the one who asks ---

  // The question is about to be sent; false: not now.
  bool MayAsk(int64_t now_ms);
  // It was answered with an error: the node was not taken in, and will not be.
  void Refused(std::string_view error);
  // There is no connection, or it was lost: the question may have been understood.
  void Lost(std::string_view reason);

  // --- For the node ---

  // Another node with that cluster id asks to be taken in by this one. False: not while this node
  // asks to be taken in itself. True: this node may have to give its own question up, see End.
  bool MayAdmit(uint64_t other_id, uint64_t own_id, int64_t now_ms);
  // Whether the question may be followed: it was asked, and not refused since.
  bool has_asked() const { return has_asked_; }
  // Why the node gives up, as the reply; nothing: it goes on.
  std::optional<std::string> Failure(int64_t now_ms) const;
  // What waits. Precondition: active(), and not any more.
  Meet End();

 private:
  std::string Address() const;

  std::optional<Meet> meet_;
  Member target_;
  uint64_t number_ = 0;
  int64_t waits_until_ms_ = 0;  // gives way to a node that asks this one
  bool has_asked_ = false;      // and was not refused, as far as this node knows
  bool is_final_ = false;       // asking again would not help
  std::string last_reason_;
};

}  // namespace quorate
