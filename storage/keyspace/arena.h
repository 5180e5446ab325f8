// Memory for many small things that are let go of all at once, when the arena is destroyed. No
// destructors are run. Not thread-safe.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace quorate::storage {

class Arena {
 public:
  // Where an allocation lies: half as large as a pointer. 0 is none.
  using Place = uint32_t;

  static constexpr size_t kBlockBytes = 256 << 10;
  static constexpr size_t kAlignment = 8;
  // A block's worth, less what makes place 0 none.
  static constexpr size_t kAllocationMax = kBlockBytes - kAlignment;

  static constexpr size_t Rounded(size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  // Uninitialised, aligned to kAlignment. Precondition: bytes <= kAllocationMax, and less than
  // 32 GiB in all.
  Place Allocate(size_t bytes);
  char* At(Place place) { return const_cast<char*>(std::as_const(*this).At(place)); }
  const char* At(Place place) const {
    assert(place != 0);
    return blocks_[place / kUnitsPerBlock].get() + place % kUnitsPerBlock * kAlignment;
  }
  size_t bytes() const { return bytes_; }  // handed out, with what alignment has cost

 private:
  static constexpr size_t kUnitsPerBlock = kBlockBytes / kAlignment;

  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = kBlockBytes;  // of the last block
  size_t bytes_ = 0;
};

inline Arena::Place Arena::Allocate(size_t bytes) {
  assert(bytes <= kAllocationMax);
  bytes = Rounded(bytes);
  if (bytes > kBlockBytes - used_) {
    used_ = blocks_.empty() ? kAlignment : 0;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
  }
  const size_t unit = (blocks_.size() - 1) * kUnitsPerBlock + used_ / kAlignment;
  assert(unit <= UINT32_MAX);
  used_ += bytes;
  bytes_ += bytes;
  return static_cast<Place>(unit);
}

}  // namespace quorate::storage
