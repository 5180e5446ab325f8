// How many keys each hash slot of a database has, and the sum of their headers' digests: by these,
// one slot's rows are verified without a look at all others, and without a look at large values.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/keyspace/database.h"
#include "storage/keyspace/key_slot.h"

namespace quorate::storage {

struct SlotSum {
  uint64_t digest = 0;  // sum of HeaderDigest over the slot's keys, modulo 2^64
  uint32_t key_count = 0;

  bool operator==(const SlotSum&) const = default;
};

// Takes 256 KiB when there are keys in all slots, and next to nothing when there are none. Not
// thread-safe.
class SlotSums {
 public:
  // In memory, and on disk as a record, the sums of so many slots lie together.
  static constexpr size_t kSlotsPerGroup = 128;
  static constexpr size_t kGroupCount = kSlotCount / kSlotsPerGroup;

  SlotSums() = default;
  SlotSums(SlotSums&&) = default;
  SlotSums& operator=(SlotSums&&) = default;
  SlotSums(const SlotSums& other);
  SlotSums& operator=(const SlotSums&) = delete;

  SlotSum of(uint16_t slot) const {
    const Group* group = groups_[GroupOf(slot)].get();
    return group ? (*group)[slot % kSlotsPerGroup] : SlotSum();
  }

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

  // A group's record, under a checksum that covers which group of which database it is.
  std::string EncodeGroup(DatabaseId database, size_t group) const;
  // False when the record is damaged or another group's.
  bool DecodeGroup(DatabaseId database, size_t group, std::string_view record);
  static std::optional<SlotSum> DecodeSum(DatabaseId database, uint16_t slot,
                                          std::string_view record);
  static std::string GroupName(DatabaseId database, size_t group);
  static size_t GroupOf(uint16_t slot) { return slot / kSlotsPerGroup; }

 private:
  using Group = std::array<SlotSum, kSlotsPerGroup>;

  Group& GroupAt(size_t number) {
    if (!groups_[number]) groups_[number] = std::make_unique<Group>();
    return *groups_[number];
  }
  SlotSum& Changed(uint16_t slot) {
    changed_[GroupOf(slot)] = true;
    return GroupAt(GroupOf(slot))[slot % kSlotsPerGroup];
  }

  std::array<std::unique_ptr<Group>, kGroupCount> groups_;
  std::array<bool, kGroupCount> changed_{};
};

using DatabaseSums = std::map<DatabaseId, SlotSums>;

}  // namespace quorate::storage
