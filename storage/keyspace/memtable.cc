#include "storage/keyspace/memtable.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <new>
#include <random>
#include <type_traits>
#include <utility>

#include "storage/keyspace/row_key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace quorate::storage {
namespace {

// From this size on, a value may not fit into a leaf page beside its key, but gets pages of its
// own.
constexpr size_t kLargeValueBytes = 1500;
// The same of a value with a key that the row key only stands for, and the length of that one.
constexpr size_t kLargeRowBytes = kLargeValueBytes - 8;

// A large buffer with so much more than its value needs is given back: bytes() counts the value.
constexpr size_t kSpareBytesMax = 4096;

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

Memtable::Key::Key(DatabaseId database, std::string_view bytes)
    : bytes_(bytes),
      database_(database),
      hash_(static_cast<uint32_t>(XXH3_64bits_withSeed(
          bytes.data(), bytes.size(), HashSeed() + static_cast<uint64_t>(database)))) {}

// --- Looking up ---

const Memtable::Bucket& Memtable::BucketFor(const Key& key) const {
  const size_t mask = buckets_.size() - 1;
  size_t at = key.hash() & mask;
  const auto is_its = [&](const Bucket& bucket) {
    if (bucket.hash != key.hash()) return false;
    const Change& change = At(bucket.change);
    return change.database() == key.database() && change.key() == key.bytes();
  };
  while (buckets_[at].change != 0 && !is_its(buckets_[at])) at = (at + 1) & mask;
  return buckets_[at];
}

const Memtable::Change* Memtable::Find(const Key& key) const {
  if (empty()) return nullptr;
  const Bucket& bucket = BucketFor(key);
  return bucket.change == 0 ? nullptr : &At(bucket.change);
}

void Memtable::PrefetchBucket(const Key& key) const {
  if (!buckets_.empty()) __builtin_prefetch(&buckets_[key.hash() & (buckets_.size() - 1)]);
}

void Memtable::PrefetchChange(const Key& key) const {
  if (empty()) return;
  const size_t mask = buckets_.size() - 1;
  size_t at = key.hash() & mask;
  while (buckets_[at].change != 0 && buckets_[at].hash != key.hash()) at = (at + 1) & mask;
  if (buckets_[at].change == 0) return;
  // The change with its key, and where a small value begins.
  const char* change = arena_.At(buckets_[at].change);
  __builtin_prefetch(change);
  __builtin_prefetch(change + 64);
}

// --- Changing ---

void Memtable::Reserve(size_t keys) {
  const size_t bucket_count = std::bit_ceil(2 * keys);
  if (bucket_count > buckets_.size()) Resize(bucket_count);
}

void Memtable::Resize(size_t bucket_count) {
  const std::vector<Bucket> before = std::exchange(buckets_, std::vector<Bucket>(bucket_count));
  const size_t mask = bucket_count - 1;
  for (const Bucket& bucket : before) {
    if (bucket.change == 0) continue;
    size_t at = bucket.hash & mask;
    while (buckets_[at].change != 0) at = (at + 1) & mask;
    buckets_[at] = bucket;
  }
}

Memtable::Change& Memtable::ChangeFor(const Key& key) {
  static_assert(std::is_trivially_destructible_v<Change>);
  static_assert(alignof(Change) <= Arena::kAlignment);
  static_assert(alignof(std::string_view) <= alignof(Change));
  static_assert(sizeof(Change) + kArenaKeyBytesMax <= Arena::kAllocationMax);
  static_assert(kArenaKeyBytesMax < Change::kKeyElsewhere);

  Reserve(key_count_ + 1);
  Bucket& bucket = const_cast<Bucket&>(BucketFor(key));
  if (bucket.change != 0) {
    Change& change = At(bucket.change);
    pages_max_ -= PagesMax(change);
    return change;
  }
  const std::string_view bytes = key.bytes();
  const bool fits = bytes.size() <= kArenaKeyBytesMax;
  bucket = {key.hash(),
            arena_.Allocate(sizeof(Change) + (fits ? bytes.size() : sizeof(std::string_view)))};
  ++key_count_;
  Change& change = *new (arena_.At(bucket.change)) Change();
  change.database_ = key.database();
  if (fits) {
    change.key_size_ = static_cast<uint16_t>(bytes.size());
    if (!bytes.empty()) std::memcpy(&change + 1, bytes.data(), bytes.size());
  } else {
    change.key_size_ = Change::kKeyElsewhere;
    new (&change + 1) std::string_view(long_keys_.emplace_back(bytes));
    large_bytes_ += bytes.size();
  }
  return change;
}

void Memtable::Put(const Key& key, const RecordView& record, uint64_t digest) {
  Change& change = ChangeFor(key);
  change.deleted_ = false;
  change.type_ = record.header.type;
  change.revision_ = record.header.revision;
  change.expire_at_ms_ = record.header.expire_at_ms;
  change.digest_ = digest;
  SetValue(change, record.value);
  pages_max_ += PagesMax(change);
}

void Memtable::Delete(const Key& key) {
  Change& change = ChangeFor(key);
  change.deleted_ = true;
  change.type_ = ValueType::kString;
  change.revision_ = 0;
  change.expire_at_ms_ = 0;
  change.digest_ = 0;
  SetValue(change, {});
  pages_max_ += PagesMax(change);
}

// The value may lie where the change's own lies now.
void Memtable::SetValue(Change& change, std::string_view value) {
  assert(value.size() <= UINT32_MAX);
  if (value.size() >= kLargeValueBytes) {
    SetLargeValue(change, value);
  } else {
    char* to = change.value_;
    size_t room = change.large_ ? 0 : change.room_;
    if (value.size() > room) {
      room = Arena::Rounded(value.size());
      to = arena_.At(arena_.Allocate(room));
    }
    if (!value.empty()) std::memmove(to, value.data(), value.size());
    if (change.large_) GiveUpLargeValue(change);
    change.value_ = room == 0 ? nullptr : to;
    change.room_ = static_cast<uint32_t>(room);
  }
  change.value_size_ = static_cast<uint32_t>(value.size());
}

void Memtable::SetLargeValue(Change& change, std::string_view value) {
  if (!change.large_) {
    if (free_large_values_.empty()) {
      free_large_values_.push_back(static_cast<uint32_t>(large_values_.size()));
      large_values_.emplace_back();
    }
    change.room_ = free_large_values_.back();
    free_large_values_.pop_back();
    change.large_ = true;
  }
  std::string& large = large_values_[change.room_];
  large_bytes_ -= large.size();
  if (large.capacity() > value.size() + kSpareBytesMax) {
    std::string(value).swap(large);  // an assignment would keep the buffer
  } else if (value.data() != large.data() || value.size() != large.size()) {
    large.assign(value);
  }
  large_bytes_ += large.size();
  change.value_ = large.data();
}

void Memtable::GiveUpLargeValue(Change& change) {
  std::string& large = large_values_[change.room_];
  large_bytes_ -= large.size();
  std::string().swap(large);
  free_large_values_.push_back(change.room_);
  change.large_ = false;
}

// LMDB counts the run of pages that a large value comes with as one.
size_t Memtable::PagesMax(const Change& change) {
  const size_t key_bytes = change.key().size();
  const size_t in_row = key_bytes <= kKeyInRowKeyMax ? 0 : key_bytes;
  return kLeafPagesPerKey + (in_row + change.value_size_ >= kLargeRowBytes ? 1 : 0);
}

}  // namespace quorate::storage
