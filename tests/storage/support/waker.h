// A thread of a test that waits for what other threads do, as a loop does.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace quorate::storage {

// Waits, as a loop does, to be woken.
class Waker {
 public:
  void Wake() {
    const std::lock_guard lock(mutex_);
    ++wakes_;
    changed_.notify_all();
  }
  // Returns when `condition` holds, which it is asked after each wake-up only.
  template <typename Condition>
  void WaitUntil(const Condition& condition) {
    std::unique_lock lock(mutex_);
    while (!condition()) {
      const uint64_t seen = wakes_;
      changed_.wait(lock, [&] { return wakes_ != seen; });
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t wakes_ = 0;
};

}  // namespace quorate::storage
