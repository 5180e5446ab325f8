// A connection through hiredis.
#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/reply.h"

namespace quorate::redis_tests {

using Arguments = std::vector<std::string>;

// How long a test waits for one reply before it calls that a failure; no test depends on it being
// short.
inline constexpr int kReplyTimeoutMs = 30'000;

// One connection, to 127.0.0.1 unless a host is named, through hiredis. For one thread. A
// connection that failed stays failed: every further command gives kNoReply.
class Client {
 public:
  explicit Client(uint16_t port, int timeout_ms = kReplyTimeoutMs)
      : Client("127.0.0.1", port, timeout_ms) {}
  Client(const std::string& host, uint16_t port, int timeout_ms = kReplyTimeoutMs);

  bool connected() const { return context_ != nullptr && context_->err == 0; }
  Reply Command(const Arguments& arguments);

  // A pipeline: any number of Append, then a Read for each.
  void Append(const Arguments& arguments);
  Reply Read();

 private:
  struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, FreeContext> context_;
};

}  // namespace quorate::redis_tests
