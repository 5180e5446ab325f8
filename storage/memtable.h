// Changes that are applied but not yet in a checkpoint: the newest record of each changed key, or
// the fact that it was deleted. Not thread-safe; once frozen it is const and may be read by two
// threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/record.h"

namespace quorate::storage {

class Memtable {
 public:
  struct Slot {
    bool deleted = false;
    RecordHeader header;
    std::string value;

    RecordView view() const { return {header, value}; }
  };

  // Null when this memtable knows nothing of the key. The pointer lives until the next Put or
  // Delete.
  const Slot* Find(std::string_view key) const;
  void Put(std::string_view key, const RecordView& record);
  void Delete(std::string_view key);
  // Makes room for that many keys at once, so that no later Put pays for moving all of them.
  void Reserve(size_t keys);

  size_t key_count() const { return slots_.size(); }
  size_t bytes() const { return bytes_; }  // keys, values and an estimate of the overhead
  // How many pages a checkpoint of this can dirty at most, not counting the tree's branch pages.
  size_t pages_max() const { return pages_max_; }
  bool empty() const { return slots_.empty(); }

 private:
  using Slots = std::deque<std::pair<std::string, Slot>>;

 public:
  // In no particular order: sort before anything depends on it.
  Slots::const_iterator begin() const { return slots_.begin(); }
  Slots::const_iterator end() const { return slots_.end(); }

 private:
  // A place of the hash table. The hash beside the number tells nearly all other keys apart without
  // a look at them, which would be a look into memory that is nowhere near.
  struct Bucket {
    uint32_t hash = 0;
    uint32_t number = 0;  // of the slot, from 1 on; 0: free
  };

  static uint32_t Hash(std::string_view key);
  // The key's bucket, or the free one where it would be. Precondition: there is a free one.
  Bucket& BucketFor(std::string_view key, uint32_t hash);
  const Bucket& BucketFor(std::string_view key, uint32_t hash) const;
  void Resize(size_t bucket_count);
  // The slot to be overwritten, no longer counted in bytes_ and pages_max_.
  Slot& SlotFor(std::string_view key);
  void Count(std::string_view key, const Slot& slot);

  // Open addressing with linear probing: the size is a power of two, or 0, and at most half of it
  // is in use. Nothing is ever taken out.
  std::vector<Bucket> buckets_;
  Slots slots_;
  size_t bytes_ = 0;
  size_t pages_max_ = 0;
};

}  // namespace quorate::storage
