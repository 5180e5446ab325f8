// Waiting for a condition, with a bound.
#pragma once

#include <chrono>
#include <thread>

namespace quorate::redis_tests {

// How long a test waits for something that normally takes a second at most. Only a bound for
// failing: wide enough for a sanitizer build on a busy machine.
inline constexpr int kDeadlineMs = 60'000;

// Asks `condition` until it is true, at least once and for at most `timeout_ms`. Returns its last
// answer.
template <typename Condition>
bool Eventually(int timeout_ms, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace quorate::redis_tests
