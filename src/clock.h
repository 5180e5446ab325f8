// Time as the server sees it, so that tests can make their own.
#pragma once

#include <cstdint>

namespace quorate {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since some fixed point; never goes back. For timeouts.
  virtual int64_t monotonic_ms() const = 0;
  // Microseconds since 1970 (UTC), as the system clock has it: may jump. Never used to decide anything
  // that correctness rests on.
  virtual int64_t unix_us() const = 0;
};

}  // namespace quorate
