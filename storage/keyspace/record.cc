#include "storage/keyspace/record.h"

#include <cassert>
#include <cstring>

#include "consensus/crc32c.h"
#include "storage/base/encoding.h"
#include "storage/keyspace/key_slot.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace quorate::storage {
namespace {

// crc32c u32, type u8, revision u64, expire_at_ms i64, value.
constexpr size_t kChecksumBytes = sizeof(uint32_t);
constexpr size_t kRowHeaderBytes =
    kChecksumBytes + sizeof(uint8_t) + sizeof(uint64_t) + sizeof(int64_t);

// Covers the row's key too: a good row under a wrong key is damage as well.
uint32_t RowChecksum(std::string_view row_key, std::string_view row) {
  return consensus::Crc32c(row.substr(kChecksumBytes), consensus::Crc32c(row_key));
}

bool IsKnown(uint8_t type) { return type == static_cast<uint8_t>(ValueType::kString); }

}  // namespace

RowKey::RowKey(std::string_view key) : RowKey(KeySlot(key), key) {}

RowKey::RowKey(uint16_t slot, std::string_view key) : size_(sizeof(slot) + key.size()) {
  assert(key.size() <= kKeyBytesMax);
  bytes_[0] = static_cast<char>(slot >> 8);
  bytes_[1] = static_cast<char>(slot & 0xff);
  if (!key.empty()) std::memcpy(bytes_ + sizeof(slot), key.data(), key.size());
}

std::string EncodeRowKey(std::string_view key) { return std::string(RowKey(key).bytes()); }

std::string_view KeyOfRow(std::string_view row_key) {
  assert(row_key.size() >= sizeof(uint16_t));
  return row_key.substr(sizeof(uint16_t));
}

uint16_t SlotOfRow(std::string_view row_key) {
  assert(row_key.size() >= sizeof(uint16_t));
  const auto high = static_cast<uint8_t>(row_key[0]);
  const auto low = static_cast<uint8_t>(row_key[1]);
  return static_cast<uint16_t>(high << 8 | low);
}

size_t RowBytes(const RecordView& record) { return kRowHeaderBytes + record.value.size(); }

void EncodeRowTo(char* to, std::string_view row_key, const RecordView& record) {
  char* next = to + kChecksumBytes;
  next = PutInteger(next, static_cast<uint8_t>(record.header.type));
  next = PutInteger(next, record.header.revision);
  next = PutInteger(next, record.header.expire_at_ms);
  if (!record.value.empty()) std::memcpy(next, record.value.data(), record.value.size());
  PutInteger(to, RowChecksum(row_key, {to, RowBytes(record)}));
}

std::string EncodeRow(std::string_view row_key, const RecordView& record) {
  std::string row(RowBytes(record), '\0');
  EncodeRowTo(row.data(), row_key, record);
  return row;
}

std::optional<RecordView> DecodeRow(std::string_view row_key, std::string_view row) {
  const std::optional<RecordHeader> header = DecodeRowHeader(row);
  if (!header) return std::nullopt;
  FieldReader fields(row);
  if (fields.Take<uint32_t>() != RowChecksum(row_key, row)) return std::nullopt;
  return RecordView{*header, row.substr(kRowHeaderBytes)};
}

std::optional<RecordHeader> DecodeRowHeader(std::string_view row) {
  if (row.size() < kRowHeaderBytes) return std::nullopt;
  FieldReader fields(row.substr(kChecksumBytes));
  const auto type = fields.Take<uint8_t>();
  if (!IsKnown(type)) return std::nullopt;
  RecordHeader header;
  header.type = static_cast<ValueType>(type);
  header.revision = fields.Take<uint64_t>();
  header.expire_at_ms = fields.Take<int64_t>();
  return header;
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
