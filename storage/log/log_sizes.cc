#include "storage/log/log_sizes.h"

#include <algorithm>
#include <cassert>

namespace quorate::storage {

using consensus::Index;

void LogSizes::Reset(Index base) {
  const std::lock_guard lock(mutex_);
  base_ = base;
  base_end_ = 0;
  ends_.clear();
}

void LogSizes::Append(size_t payload_bytes) {
  const std::lock_guard lock(mutex_);
  ends_.push_back(end() + payload_bytes);
}

void LogSizes::Truncate(Index from) {
  const std::lock_guard lock(mutex_);
  assert(from > base_);
  assert(from <= base_ + ends_.size() + 1);
  ends_.resize(from.DistanceFrom(base_) - 1);
}

void LogSizes::Trim(Index to) {
  const std::lock_guard lock(mutex_);
  assert(to <= base_ + ends_.size());
  for (; base_ < to; ++base_) {
    base_end_ = ends_.front();
    ends_.pop_front();
  }
}

size_t LogSizes::bytes() const {
  const std::lock_guard lock(mutex_);
  return end() - base_end_;
}

Index LogSizes::StartOfTail(size_t payload_bytes_max) const {
  const std::lock_guard lock(mutex_);
  if (end() - base_end_ <= payload_bytes_max) return base_;
  const uint64_t needed = end() - payload_bytes_max;
  const auto found = std::lower_bound(ends_.begin(), ends_.end(), needed);
  return base_ + (static_cast<uint64_t>(found - ends_.begin()) + 1);
}

}  // namespace quorate::storage
