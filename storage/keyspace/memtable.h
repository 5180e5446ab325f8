// Changes that are applied but not yet in a checkpoint: the newest record of each changed key, or
// the fact that it was deleted. Not thread-safe; once frozen it is const and may be read by two
// threads.
//
// Made for memory's latency, which is what a write costs most of: a lookup reads one place of the
// hash table and one change, which has the key beside it; writing the value again goes to where it
// was. Keys and small values lie in an arena, so that no key costs an allocation, and letting go of
// a memtable costs next to nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "storage/keyspace/arena.h"
#include "storage/keyspace/database.h"
#include "storage/keyspace/record.h"

namespace quorate::storage {

class Memtable {
 public:
  // A key of a database with its hash, which is the same for all memtables of this process.
  class Key {
   public:
    Key(DatabaseId database, std::string_view bytes);
    DatabaseId database() const { return database_; }
    std::string_view bytes() const { return bytes_; }
    uint32_t hash() const { return hash_; }

   private:
    std::string_view bytes_;
    DatabaseId database_;
    uint32_t hash_;
  };

  // What has become of a key. Its views live until the key's next Put or Delete.
  class Change {
   public:
    DatabaseId database() const { return database_; }
    std::string_view key() const {
      const char* behind = reinterpret_cast<const char*>(this + 1);
      if (key_size_ != kKeyElsewhere) return {behind, key_size_};
      return *reinterpret_cast<const std::string_view*>(behind);
    }
    bool deleted() const { return deleted_; }
    RecordView view() const { return {{type_, revision_, expire_at_ms_}, {value_, value_size_}}; }
    // As it was given to Put; 0 for a deleted key.
    uint64_t digest() const { return digest_; }

   private:
    friend class Memtable;

    static constexpr uint16_t kKeyElsewhere = UINT16_MAX;

    uint64_t revision_ = 0;
    int64_t expire_at_ms_ = 0;
    uint64_t digest_ = 0;
    char* value_ = nullptr;
    uint32_t value_size_ = 0;
    // Of a small value, what there is of room at value_; of a large one, its place in
    // large_values_.
    uint32_t room_ = 0;
    DatabaseId database_{};
    uint16_t key_size_ = 0;
    ValueType type_ = ValueType::kString;
    bool deleted_ : 1 = false;
    bool large_ : 1 = false;
    // The key's bytes follow, or a view of them.
  };

  // Keys up to here lie in the arena.
  static constexpr size_t kArenaKeyBytesMax = 4096;

  // Null when this memtable knows nothing of the key. The change lives as long as the memtable.
  const Change* Find(const Key& key) const;
  // Precondition: the value is smaller than 4 GiB.
  void Put(const Key& key, const RecordView& record, uint64_t digest);
  void Delete(const Key& key);
  // Makes room for that many keys at once, so that no later Put pays for moving all of them.
  void Reserve(size_t keys);

  // Asks for the memory that a lookup of the key is going to read: first for the hash table's, some
  // time later for the change's, and then, later again, look it up.
  void PrefetchBucket(const Key& key) const;
  void PrefetchChange(const Key& key) const;

  // Calls visit(const Change&) for all, in no particular order: sort before anything depends on it.
  template <typename Visit>
  void VisitAll(Visit visit) const {
    for (const Bucket& bucket : buckets_) {
      if (bucket.change != 0) visit(At(bucket.change));
    }
  }

  size_t key_count() const { return key_count_; }
  // What it takes of memory, values that were overwritten by larger ones included.
  size_t bytes() const { return arena_.bytes() + large_bytes_ + key_count_ * kBucketBytesPerKey; }
  // How many pages a checkpoint of this can dirty at most, not counting the tree's branch pages:
  // for each key its leaf and a sibling, when that is split or merged, and a large value's own.
  size_t pages_max() const { return pages_max_; }
  static constexpr size_t kLeafPagesPerKey = 2;
  bool empty() const { return key_count_ == 0; }

 private:
  // A place of the hash table. The hash beside the place tells nearly all other keys apart without
  // a look at them, which would be a look into memory that is nowhere near.
  struct Bucket {
    uint32_t hash = 0;
    Arena::Place change = 0;  // 0: free
  };
  static constexpr size_t kBucketBytesPerKey = 3 * sizeof(Bucket);  // between 2 and 4 for each key

  const Change& At(Arena::Place place) const {
    return *reinterpret_cast<const Change*>(arena_.At(place));
  }
  Change& At(Arena::Place place) { return *reinterpret_cast<Change*>(arena_.At(place)); }

  // The key's bucket, or the free one where it would be. Precondition: there is a free one.
  const Bucket& BucketFor(const Key& key) const;
  void Resize(size_t bucket_count);
  // The key's change, made if there is none, no longer counted in pages_max_.
  Change& ChangeFor(const Key& key);
  void SetValue(Change& change, std::string_view value);
  void SetLargeValue(Change& change, std::string_view value);
  void GiveUpLargeValue(Change& change);
  static size_t PagesMax(const Change& change);

  Arena arena_;
  // Open addressing with linear probing: the size is a power of two, or 0, and at most half of it
  // is in use. Nothing is ever taken out.
  std::vector<Bucket> buckets_;
  // Keys that are too long for the arena.
  std::deque<std::string> long_keys_;
  // Values that are too large for the arena, where an overwritten one would stay.
  std::deque<std::string> large_values_;
  std::vector<uint32_t> free_large_values_;  // places of those that have become small
  size_t key_count_ = 0;
  size_t large_bytes_ = 0;  // of long_keys_ and large_values_
  size_t pages_max_ = 0;
};

}  // namespace quorate::storage
