#include "redis-tests/faults/pauses.h"

#include <algorithm>
#include <cassert>
#include <cstdio>

namespace quorate::redis_tests {

Clock::duration LongestPause(std::span<const CompletedWrite> writes, Clock::time_point begin,
                             Clock::time_point end) {
  Clock::duration longest{};
  Clock::time_point last = begin;
  for (const CompletedWrite& write : writes) {
    if (write.time > begin && write.time < end) {
      longest = std::max(longest, write.time - last);
      last = write.time;
    }
  }
  return std::max(longest, end - last);
}

Clock::duration FirstWriteElsewhere(std::span<const CompletedWrite> writes, Clock::time_point begin,
                                    int node) {
  for (const CompletedWrite& write : writes) {
    if (write.time > begin && write.node != node) {
      return write.time - begin;
    }
  }
  return Clock::duration(-1);
}

void Distribution::Add(Clock::duration time) {
  const double time_ms = std::chrono::duration<double, std::milli>(time).count();
  times_ms_.insert(std::ranges::upper_bound(times_ms_, time_ms), time_ms);
}

double Distribution::PercentileMs(int percent) const {
  assert(count() > 0);
  const size_t rank = (count() * static_cast<size_t>(percent) + 99) / 100;
  return times_ms_[std::max<size_t>(rank, 1) - 1];
}

std::string Distribution::Columns() const {
  char text[64];
  if (count() == 0) {
    std::snprintf(text, sizeof text, "%8s %8s %8s", "-", "-", "-");
  } else {
    std::snprintf(text, sizeof text, "%8.1f %8.1f %8.1f", PercentileMs(50), PercentileMs(90),
                  PercentileMs(100));
  }
  return text;
}

}  // namespace quorate::redis_tests
