#include "storage/memtable.h"

#include <cassert>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace quorate::storage {
namespace {

// The hash map's node with its two strings' own allocations, and its share of the buckets.
constexpr size_t kSlotOverheadBytes = 160;

// From this size on, a value may not fit into a leaf page beside its key, but gets pages of its
// own.
constexpr size_t kLargeValueBytes = 1500;

// A buffer much larger than its value is given back: bytes_ counts the value.
constexpr size_t kSpareBytesMax = 4096;

// A changed row dirties its leaf and one page more: a sibling when the leaf is split or merged. A
// large value comes with a run of pages, which LMDB counts as one.
size_t PagesMax(const Memtable::Slot& slot) {
  return !slot.deleted && slot.value.size() >= kLargeValueBytes ? 3 : 2;
}

size_t BytesOf(std::string_view key, const Memtable::Slot& slot) {
  return key.size() + slot.value.size() + kSlotOverheadBytes;
}

// Clients choose the keys: a seed that they cannot know keeps them from choosing ones that collide.
// Nothing that leaves this process depends on it.
uint64_t HashSeed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }();
  return seed;
}

}  // namespace

size_t Memtable::Hash::operator()(std::string_view key) const noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), HashSeed());
}

const Memtable::Slot* Memtable::Find(std::string_view key) const {
  const auto found = slots_.find(key);
  return found == slots_.end() ? nullptr : &found->second;
}

void Memtable::Put(std::string_view key, const RecordView& record) {
  Slot& slot = SlotFor(key);
  slot.deleted = false;
  slot.header = record.header;
  if (slot.value.capacity() > record.value.size() + kSpareBytesMax) {
    std::string(record.value).swap(slot.value);  // an assignment would keep the buffer
  } else {
    slot.value.assign(record.value);
  }
  Count(key, slot);
}

void Memtable::Delete(std::string_view key) {
  Slot& slot = SlotFor(key);
  slot.deleted = true;
  slot.header = {};
  std::string().swap(slot.value);
  Count(key, slot);
}

Memtable::Slot& Memtable::SlotFor(std::string_view key) {
  const auto found = slots_.find(key);
  if (found == slots_.end()) return slots_.try_emplace(std::string(key)).first->second;
  Slot& slot = found->second;
  assert(bytes_ >= BytesOf(key, slot));
  bytes_ -= BytesOf(key, slot);
  pages_max_ -= PagesMax(slot);
  return slot;
}

void Memtable::Count(std::string_view key, const Slot& slot) {
  bytes_ += BytesOf(key, slot);
  pages_max_ += PagesMax(slot);
}

}  // namespace quorate::storage
