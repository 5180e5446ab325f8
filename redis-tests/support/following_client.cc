#include "redis-tests/support/following_client.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

namespace quorate::redis_tests {

namespace {

constexpr int kRedirectionsMax = 5;
constexpr std::chrono::milliseconds kPause{20};

}  // namespace

Reply FollowingClient::Try(const Arguments& arguments) {
  Reply reply;
  for (int i = 0; i < kRedirectionsMax; ++i) {
    if (!client_.has_value()) {
      client_.emplace(ports_[next_]);
    }
    reply = client_->Command(arguments);
    if (!reply.IsError("MOVED")) {
      break;
    }
    client_.emplace(static_cast<uint16_t>(std::stoi(reply.text.substr(reply.text.rfind(':') + 1))));
  }
  if (!reply.answered() || reply.IsError("MOVED") || reply.IsError("CLUSTERDOWN")) {
    GoToNextNode();
  }
  return reply;
}

void FollowingClient::GoToNextNode() {
  next_ = (next_ + 1) % ports_.size();
  client_.reset();
  std::this_thread::sleep_for(kPause);
}

}  // namespace quorate::redis_tests
