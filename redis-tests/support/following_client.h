// A client that goes where the leader is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/reply.h"

namespace quorate::redis_tests {

// The least that a cluster client does: it goes where MOVED sends it, and tries the next node when
// one cannot be reached or knows no leader. It never sends a command twice whose outcome is
// unknown. For one thread.
class FollowingClient {
 public:
  explicit FollowingClient(std::vector<uint16_t> ports) : ports_(std::move(ports)) {}

  // One attempt: the reply of the node that took the command; or, when it was certainly not
  // executed, the MOVED or CLUSTERDOWN error; or kNoReply when the connection broke, and the
  // outcome is unknown.
  Reply Try(const Arguments& arguments);

 private:
  void GoToNextNode();

  const std::vector<uint16_t> ports_;
  size_t next_ = 0;
  std::optional<Client> client_;
};

}  // namespace quorate::redis_tests
