#include "storage/keyspace/record.h"

#include <cassert>
#include <cstring>

#include "consensus/crc32c.h"
#include "storage/base/encoding.h"
#include "storage/keyspace/row_key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace quorate::storage {
namespace {

constexpr size_t kChecksumBytes = sizeof(uint32_t);
constexpr size_t kRowHeaderBytes =
    kChecksumBytes + sizeof(uint8_t) + sizeof(uint64_t) + sizeof(int64_t);

// Covers the row's key too: a good row under a wrong key is damage as well.
uint32_t RowChecksum(std::string_view row_key, std::string_view row) {
  return consensus::Crc32c(row.substr(kChecksumBytes), consensus::Crc32c(row_key));
}

bool IsKnown(uint8_t type) { return type == static_cast<uint8_t>(ValueType::kString); }

// What stands before the value.
size_t KeyBytesInRow(std::string_view key) {
  return key.size() <= kKeyInRowKeyMax ? 0 : sizeof(uint32_t) + key.size();
}

bool IsIntact(std::string_view row_key, std::string_view row) {
  return GetInteger<uint32_t>(row.data()) == RowChecksum(row_key, row);
}

}  // namespace

size_t RowBytes(const Row& row) {
  return kRowHeaderBytes + KeyBytesInRow(row.key) + row.record.value.size();
}

void EncodeRowTo(char* to, std::string_view row_key, const Row& row) {
  assert(KeyIsInRow(row_key) == (row.key.size() > kKeyInRowKeyMax));
  const RecordView& record = row.record;
  char* next = to + kChecksumBytes;
  next = PutInteger(next, static_cast<uint8_t>(record.header.type));
  next = PutInteger(next, record.header.revision);
  next = PutInteger(next, record.header.expire_at_ms);
  if (KeyIsInRow(row_key)) {
    next = PutInteger(next, static_cast<uint32_t>(row.key.size()));
    std::memcpy(next, row.key.data(), row.key.size());
    next += row.key.size();
  }
  if (!record.value.empty()) std::memcpy(next, record.value.data(), record.value.size());
  PutInteger(to, RowChecksum(row_key, {to, RowBytes(row)}));
}

std::string EncodeRow(std::string_view row_key, const Row& row) {
  std::string bytes(RowBytes(row), '\0');
  EncodeRowTo(bytes.data(), row_key, row);
  return bytes;
}

Decoded<Row> DecodeRow(std::string_view row_key, std::string_view row) {
  const Decoded<RowHead> head = DecodeRowHead(row_key, row);
  if (!head) return head.why();
  if (!IsIntact(row_key, row)) return Unreadable::kDamaged;
  const size_t value_at = kRowHeaderBytes + KeyBytesInRow(head->key);
  return Row{head->key, {head->header, row.substr(value_at)}};
}

Decoded<RowHead> DecodeRowHead(std::string_view row_key, std::string_view row) {
  if (!IsRowKey(row_key) || row.size() < kRowHeaderBytes) return Unreadable::kDamaged;
  FieldReader fields(row.substr(kChecksumBytes));
  const auto type = fields.Take<uint8_t>();
  if (!IsKnown(type)) {
    return IsIntact(row_key, row) ? Unreadable::kNewer : Unreadable::kDamaged;
  }
  RowHead head;
  head.header.type = static_cast<ValueType>(type);
  head.header.revision = fields.Take<uint64_t>();
  head.header.expire_at_ms = fields.Take<int64_t>();
  if (!KeyIsInRow(row_key)) {
    head.key = KeyInRowKey(row_key);
    return head;
  }
  const auto key_bytes = fields.Take<uint32_t>();
  head.key = fields.TakeBytes(key_bytes);
  // A key that the row key could hold is never here.
  if (!fields.ok() || key_bytes <= kKeyInRowKeyMax) return Unreadable::kDamaged;
  return head;
}

uint64_t HeaderDigest(std::string_view key, const RecordHeader& record_header) {
  // The key's length separates key from value: "ab" = "c" and "a" = "bc" are different records.
  char header[sizeof(uint64_t) * 3 + sizeof(uint8_t)];
  char* next = PutInteger(header, static_cast<uint64_t>(key.size()));
  next = PutInteger(next, record_header.revision);
  next = PutInteger(next, record_header.expire_at_ms);
  PutInteger(next, static_cast<uint8_t>(record_header.type));
  const uint64_t of_header = XXH3_64bits(header, sizeof(header));
  return XXH3_64bits_withSeed(key.data(), key.size(), of_header);
}

uint64_t RecordDigest(std::string_view key, const RecordView& record) {
  return RecordDigest(HeaderDigest(key, record.header), record.value);
}

uint64_t RecordDigest(uint64_t header_digest, std::string_view value) {
  return XXH3_64bits_withSeed(value.data(), value.size(), header_digest);
}

}  // namespace quorate::storage
