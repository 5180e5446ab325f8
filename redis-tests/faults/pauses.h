// How long clients were without service.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "redis-tests/faults/recording_load.h"

namespace quorate::redis_tests {

// The longest time between `begin` and `end` in which no write was completed. `writes`: in the
// order of time.
Clock::duration LongestPause(std::span<const CompletedWrite> writes, Clock::time_point begin,
                             Clock::time_point end);

// How long after `begin` a write was completed by another node than this one; negative when none
// was.
Clock::duration FirstWriteElsewhere(std::span<const CompletedWrite> writes, Clock::time_point begin,
                                    int node);

// Times, for a table.
class Distribution {
 public:
  void Add(Clock::duration time);
  size_t count() const { return times_ms_.size(); }
  // The smallest time that at least `percent` of all do not exceed. Precondition: count() > 0.
  double PercentileMs(int percent) const;
  // "p50  p90  max", or dashes where there is none.
  std::string Columns() const;

 private:
  std::vector<double> times_ms_;  // ascending
};

}  // namespace quorate::redis_tests
