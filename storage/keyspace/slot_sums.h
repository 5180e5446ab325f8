// How many keys each hash slot has, and the sum of their headers' digests: by these, one slot's
// rows are verified without a look at all others, and without a look at large values.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/types.h"
#include "storage/keyspace/key_slot.h"

namespace quorate::storage {

struct SlotSum {
  uint64_t digest = 0;  // sum of HeaderDigest over the slot's keys, modulo 2^64
  uint32_t key_count = 0;

  bool operator==(const SlotSum&) const = default;
};

// Takes 256 KiB. Not thread-safe.
class SlotSums {
 public:
  // On disk, the sums of so many slots make a record.
  static constexpr size_t kSlotsPerGroup = 128;
  static constexpr size_t kGroupCount = kSlotCount / kSlotsPerGroup;

  SlotSums() : slots_(kSlotCount) {}

  const SlotSum& of(uint16_t slot) const { return slots_[slot]; }

  // All digests here are HeaderDigests.
  void Add(uint16_t slot, uint64_t digest) {
    SlotSum& sum = Changed(slot);
    ++sum.key_count;
    sum.digest += digest;
  }
  void Remove(uint16_t slot, uint64_t digest) {
    SlotSum& sum = Changed(slot);
    assert(sum.key_count > 0);
    --sum.key_count;
    sum.digest -= digest;
  }
  // A key was written again.
  void Replace(uint16_t slot, uint64_t old_digest, uint64_t new_digest) {
    Changed(slot).digest += new_digest - old_digest;
  }

  // Whether a sum of the group has changed since ForgetChanges, or since this was made.
  bool group_changed(size_t group) const { return changed_[group]; }
  void ForgetChanges() { changed_.fill(false); }

  // Over all slots.
  uint64_t key_count() const;
  uint64_t digest() const;

  // A group's record, under a checksum that covers which group it is.
  std::string EncodeGroup(size_t group) const;
  // False when the record is damaged or another group's.
  bool DecodeGroup(size_t group, std::string_view record);
  static std::optional<SlotSum> DecodeSum(uint16_t slot, std::string_view record);
  static std::string GroupName(size_t group);
  static size_t GroupOf(uint16_t slot) { return slot / kSlotsPerGroup; }

  // The record that says which groups belong together: an intact one may be of an earlier
  // checkpoint. It is compared, not decoded.
  std::string EncodeTotal(consensus::Index last_applied) const;
  static constexpr std::string_view kTotalName = "slots";

 private:
  SlotSum& Changed(uint16_t slot) {
    changed_[GroupOf(slot)] = true;
    return slots_[slot];
  }

  std::vector<SlotSum> slots_;
  std::array<bool, kGroupCount> changed_{};
};

}  // namespace quorate::storage
