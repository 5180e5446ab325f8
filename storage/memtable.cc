#include "storage/memtable.h"

#include <bit>
#include <cassert>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace quorate::storage {
namespace {

// A slot with its two strings' own allocations, and its share of the buckets.
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

uint32_t Memtable::Hash(std::string_view key) {
  return static_cast<uint32_t>(XXH3_64bits_withSeed(key.data(), key.size(), HashSeed()));
}

const Memtable::Bucket& Memtable::BucketFor(std::string_view key, uint32_t hash) const {
  const size_t mask = buckets_.size() - 1;
  size_t at = hash & mask;
  while (buckets_[at].number != 0 &&
         (buckets_[at].hash != hash || slots_[buckets_[at].number - 1].first != key)) {
    at = (at + 1) & mask;
  }
  return buckets_[at];
}

Memtable::Bucket& Memtable::BucketFor(std::string_view key, uint32_t hash) {
  return const_cast<Bucket&>(std::as_const(*this).BucketFor(key, hash));
}

void Memtable::Reserve(size_t keys) {
  const size_t bucket_count = std::bit_ceil(2 * keys);
  if (bucket_count > buckets_.size()) Resize(bucket_count);
}

void Memtable::Resize(size_t bucket_count) {
  const std::vector<Bucket> before = std::exchange(buckets_, std::vector<Bucket>(bucket_count));
  const size_t mask = bucket_count - 1;
  for (const Bucket& bucket : before) {
    if (bucket.number == 0) continue;
    size_t at = bucket.hash & mask;
    while (buckets_[at].number != 0) at = (at + 1) & mask;
    buckets_[at] = bucket;
  }
}

const Memtable::Slot* Memtable::Find(std::string_view key) const {
  if (slots_.empty()) return nullptr;
  const Bucket& bucket = BucketFor(key, Hash(key));
  return bucket.number == 0 ? nullptr : &slots_[bucket.number - 1].second;
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
  Reserve(slots_.size() + 1);
  const uint32_t hash = Hash(key);
  Bucket& bucket = BucketFor(key, hash);
  if (bucket.number == 0) {
    slots_.emplace_back(key, Slot());
    bucket = {hash, static_cast<uint32_t>(slots_.size())};
    return slots_.back().second;
  }
  Slot& slot = slots_[bucket.number - 1].second;
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
