// SplitMix64 (Steele, Lea and Flood 2014): the only source of chance in consensus. The same seed
// gives the same numbers on every machine, which the standard distributions do not.
#pragma once

#include <cassert>
#include <cstdint>

namespace quorate::consensus {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }

  // From 0 up to `bound` - 1. Precondition: bound > 0.
  uint64_t Below(uint64_t bound) {
    assert(bound > 0);
    return Next() % bound;
  }

 private:
  uint64_t state_;
};

}  // namespace quorate::consensus
