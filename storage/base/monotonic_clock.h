// Time for measuring how long the disk takes; nothing depends on it.
#pragma once

#include <chrono>
#include <cstdint>

namespace quorate::storage {

inline int64_t MonotonicUsec() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace quorate::storage
