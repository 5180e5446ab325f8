// The chance in a simulation. Every part has a stream of its own, forked from the seed's, so that a
// part that draws one number more does not change what the others draw.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "consensus/random.h"

namespace quorate::simulation {

class Random {
 public:
  explicit Random(uint64_t seed) : numbers_(seed) {}

  uint64_t Next() { return numbers_.Next(); }
  // From 0 up to `bound` - 1. Precondition: bound > 0.
  uint64_t Below(uint64_t bound) { return numbers_.Below(bound); }
  // From `low` up to and including `high`.
  int64_t Between(int64_t low, int64_t high) {
    assert(low <= high);
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  bool Chance(uint32_t permille) { return permille > 0 && Below(1000) < permille; }
  template <typename T>
  const T& Pick(const std::vector<T>& values) {
    return values[Below(values.size())];
  }
  Random Fork() { return Random(Next()); }

 private:
  consensus::Random numbers_;
};

}  // namespace quorate::simulation
