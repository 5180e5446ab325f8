// The key of a row in the state's database "keys":
//
//   database u32 | slot u16 | order, 5 bytes | the key, or what stands for a long one
//
// all big endian, so that the rows of one database lie together, in it those of one slot, and in a
// slot in the order of a keyed hash. This order is the same on all nodes and after restarts, and
// clients cannot choose it.
//
// LMDB takes keys of up to 511 bytes. A key of up to kKeyInRowKeyMax bytes stands in the row key as
// it is. Of a longer one stand its first bytes and a keyed hash of 128 bits, 511 bytes in all,
// which no other row key has; the key itself stands in the row. So keys may have any length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/keyspace/database.h"
#include "storage/keyspace/siphash.h"

namespace quorate::storage {

inline constexpr size_t kRowKeyBytesMax = 511;

// Database, slot and order.
inline constexpr size_t kRowKeyHeadBytes = sizeof(uint32_t) + sizeof(uint16_t) + 5;
inline constexpr size_t kKeyInRowKeyMax = kRowKeyBytesMax - kRowKeyHeadBytes - 1;

// Where a key lies in its database: its slot and then its order. Ascends as row keys do.
uint64_t KeyPlace(const HashSecret& secret, std::string_view key);

// Lives on the stack: a read makes one and allocates nothing.
class RowKey {
 public:
  RowKey(const HashSecret& secret, DatabaseId database, std::string_view key)
      : RowKey(secret, database, KeyPlace(secret, key), key) {}
  // For whoever knows KeyPlace(secret, key).
  RowKey(const HashSecret& secret, DatabaseId database, uint64_t place, std::string_view key);

  // Lives as long as this.
  std::string_view bytes() const { return {bytes_, size_}; }
  static size_t BytesFor(std::string_view key) {
    return key.size() <= kKeyInRowKeyMax ? kRowKeyHeadBytes + key.size() : kRowKeyBytesMax;
  }

 private:
  size_t size_;
  char bytes_[kRowKeyBytesMax];
};

// What a slot's row keys begin with. That of kSlotCount lies behind all slots.
std::string RowKeyPrefix(DatabaseId database, uint16_t slot);
// What a database's row keys begin with.
std::string RowKeyPrefix(DatabaseId database);

// Whether the bytes can be a row key, by their length. Precondition of what follows.
bool IsRowKey(std::string_view row_key);
DatabaseId DatabaseOfRow(std::string_view row_key);
uint16_t SlotOfRow(std::string_view row_key);
// Whether the row key stands for a long key, which is in the row.
bool KeyIsInRow(std::string_view row_key);
// Precondition: it does not.
std::string_view KeyInRowKey(std::string_view row_key);

}  // namespace quorate::storage
