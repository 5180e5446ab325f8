// A numbered database as commands see it. Nothing that has expired is ever seen again: whether it
// has is decided by a time that is the log's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/keyspace/key_space.h"

namespace quorate::storage {

// As in Redis, a key is still there in the very millisecond at which it expires.
inline bool HasExpired(const RecordHeader& header, int64_t now_ms) {
  return header.expire_at_ms != 0 && now_ms > header.expire_at_ms;
}

// For reads. Changes nothing, so a key that has expired may still be counted.
class ReadView {
 public:
  // `keys` must outlive the view.
  ReadView(const KeySpace& keys, uint32_t database, int64_t now_ms)
      : keys_(keys), database_(database), now_ms_(now_ms) {}

  // Valid as long as that of KeySpace::Find.
  std::optional<RecordView> Find(std::string_view key) const {
    const std::optional<RecordView> record = keys_.Find(database_, key);
    if (record && HasExpired(record->header, now_ms_)) return std::nullopt;
    return record;
  }
  bool Contains(std::string_view key) const { return Find(key).has_value(); }
  uint64_t key_count() const { return keys_.key_count(database_); }

  uint32_t database() const { return database_; }
  int64_t now_ms() const { return now_ms_; }
  const KeySpace& key_space() const { return keys_; }

 private:
  const KeySpace& keys_;
  const uint32_t database_;
  const int64_t now_ms_;
};

// For writes, inside an entry, at the entry's time.
class WriteView {
 public:
  // `keys` must outlive the view.
  WriteView(KeySpace& keys, uint32_t database) : keys_(keys), database_(database) {}

  // Valid as long as that of KeySpace::Find. A key that has expired is deleted.
  std::optional<RecordView> Find(std::string_view key) {
    const std::optional<RecordView> record = keys_.Find(database_, key);
    if (!record || !HasExpired(record->header, now_ms())) return record;
    keys_.Delete(database_, key);
    return std::nullopt;
  }
  bool Contains(std::string_view key) { return Find(key).has_value(); }
  // `expire_at_ms` is 0, or later than now.
  void PutString(std::string_view key, std::string_view value, int64_t expire_at_ms = 0) {
    keys_.Put(database_, key, ValueType::kString, expire_at_ms, value);
  }
  // Writes what `record` says, of this or another key, but for its revision.
  void Put(std::string_view key, const RecordView& record) {
    keys_.Put(database_, key, record.header.type, record.header.expire_at_ms, record.value);
  }
  // Gives the key, which `record` is of, another time to expire. 0: none.
  void SetExpiry(std::string_view key, const RecordView& record, int64_t expire_at_ms) {
    keys_.Put(database_, key, record.header.type, expire_at_ms, record.value);
  }
  // False: there was none, or it had expired.
  bool Delete(std::string_view key) {
    const std::optional<RecordHeader> deleted = keys_.Delete(database_, key);
    return deleted && !HasExpired(*deleted, now_ms());
  }
  uint64_t key_count() const { return keys_.key_count(database_); }

  uint32_t database() const { return database_; }
  int64_t now_ms() const { return keys_.clock_ms(); }
  KeySpace& key_space() { return keys_; }

 private:
  KeySpace& keys_;
  const uint32_t database_;
};

}  // namespace quorate::storage
