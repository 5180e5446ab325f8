// Time as the server sees it, so that tests can make their own.
#pragma once

#include <cstdint>

namespace quorate {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since some fixed point; never goes back. For timeouts and durations.
  virtual int64_t monotonic_ns() const = 0;
  int64_t monotonic_ms() const { return monotonic_ns() / 1'000'000; }
  // The same, and goes on while the machine is suspended. For the log's clock.
  virtual int64_t boot_ns() const { return monotonic_ns(); }
  // Microseconds since 1970 (UTC), as the system clock has it: may jump. Never used to decide
  // anything that correctness rests on.
  virtual int64_t unix_us() const = 0;
};

}  // namespace quorate
