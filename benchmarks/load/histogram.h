// Durations, in buckets that are at most 1/64 wider than what they hold.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace quorate::load {

class Histogram {
 public:
  void Add(int64_t nanoseconds) {
    const auto value = static_cast<uint64_t>(std::max<int64_t>(nanoseconds, 0));
    ++buckets_[BucketOf(value)];
    ++count_;
    max_ = std::max(max_, value);
  }
  void Add(const Histogram& other) {
    for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  void Clear() { *this = {}; }

  uint64_t count() const { return count_; }
  double max_ms() const { return static_cast<double>(max_) / 1e6; }
  // The smallest duration that `share` of all do not exceed; 0 where there is none.
  double PercentileMs(double share) const {
    const auto rank = static_cast<uint64_t>(share * static_cast<double>(count_) + 0.999999);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank && seen > 0) return std::min(MiddleMs(i), max_ms());
    }
    return 0;
  }

 private:
  // Up to 128 one bucket a value; from there on 64 buckets for each power of two.
  static constexpr size_t kSteps = 64;

  static size_t BucketOf(uint64_t value) {
    if (value < 2 * kSteps) return value;
    const auto shift = static_cast<size_t>(std::bit_width(value)) - std::bit_width(kSteps);
    return shift * kSteps + (value >> shift);
  }
  static double MiddleMs(size_t bucket) {
    if (bucket < 2 * kSteps) return static_cast<double>(bucket) / 1e6;
    const size_t shift = bucket / kSteps - 1;
    const uint64_t low = (bucket - shift * kSteps) << shift;
    return (static_cast<double>(low) + static_cast<double>(uint64_t{1} << shift) / 2) / 1e6;
  }

  std::array<uint64_t, kSteps* 60> buckets_ = {};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace quorate::load
