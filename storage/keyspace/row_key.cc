#include "storage/keyspace/row_key.h"

#include <array>
#include <cassert>
#include <cstring>

#include "storage/keyspace/key_slot.h"

namespace quorate::storage {
namespace {

constexpr int kOrderBits = 40;

// The first bytes of a long key that stand before its hash.
constexpr size_t kPrefixBytes = kRowKeyBytesMax - kRowKeyHeadBytes - 16;

char* PutBigEndian(char* to, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i > 0; --i) *to++ = static_cast<char>(value >> (8 * (i - 1)));
  return to;
}

uint64_t TakeBigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

}  // namespace

uint64_t KeyPlace(const HashSecret& secret, std::string_view key) {
  return uint64_t{KeySlot(key)} << kOrderBits | SipHash13(secret, key) >> (64 - kOrderBits);
}

RowKey::RowKey(const HashSecret& secret, DatabaseId database, uint64_t place, std::string_view key)
    : size_(BytesFor(key)) {
  char* to = PutBigEndian(bytes_, static_cast<uint32_t>(database), sizeof(database));
  to = PutBigEndian(to, place, sizeof(uint16_t) + kOrderBits / 8);
  if (key.size() <= kKeyInRowKeyMax) {
    if (!key.empty()) std::memcpy(to, key.data(), key.size());
    return;
  }
  std::memcpy(to, key.data(), kPrefixBytes);
  const std::array<char, 16> hash = SipHash13Of128Bits(secret, key);
  std::memcpy(to + kPrefixBytes, hash.data(), hash.size());
}

std::string RowKeyPrefix(DatabaseId database, uint16_t slot) {
  std::string prefix = RowKeyPrefix(database);
  prefix.resize(prefix.size() + sizeof(slot));
  PutBigEndian(prefix.data() + sizeof(database), slot, sizeof(slot));
  return prefix;
}

std::string RowKeyPrefix(DatabaseId database) {
  std::string prefix(sizeof(database), '\0');
  PutBigEndian(prefix.data(), static_cast<uint32_t>(database), sizeof(database));
  return prefix;
}

bool IsRowKey(std::string_view row_key) {
  return row_key.size() >= kRowKeyHeadBytes && row_key.size() <= kRowKeyBytesMax;
}

DatabaseId DatabaseOfRow(std::string_view row_key) {
  assert(IsRowKey(row_key));
  return static_cast<DatabaseId>(TakeBigEndian(row_key.substr(0, sizeof(uint32_t))));
}

uint16_t SlotOfRow(std::string_view row_key) {
  assert(IsRowKey(row_key));
  return static_cast<uint16_t>(TakeBigEndian(row_key.substr(sizeof(uint32_t), sizeof(uint16_t))));
}

bool KeyIsInRow(std::string_view row_key) {
  assert(IsRowKey(row_key));
  return row_key.size() == kRowKeyBytesMax;
}

std::string_view KeyInRowKey(std::string_view row_key) {
  assert(!KeyIsInRow(row_key));
  return row_key.substr(kRowKeyHeadBytes);
}

}  // namespace quorate::storage
