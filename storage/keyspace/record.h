// One key's value with what belongs to it, in memory and on disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::storage {

enum class ValueType : uint8_t {
  kString = 1,  // other Redis types get numbers of their own
};

// What holds for every type of value. `revision` counts the write commands that the whole key space
// has seen when this key was last written: equal on all nodes, never the same for two writes.
struct RecordHeader {
  ValueType type = ValueType::kString;
  uint64_t revision = 0;
  int64_t expire_at_ms = 0;  // Unix time in milliseconds; 0: does not expire

  bool operator==(const RecordHeader&) const = default;
};

// Points into a memtable or an LMDB page: valid until the key space is next changed or told that a
// checkpoint has ended.
struct RecordView {
  RecordHeader header;
  std::string_view value;
};

// The bound on a key: LMDB's 511 bytes less the two bytes of the slot that the key is stored under.
inline constexpr size_t kKeyBytesMax = 509;

// The row's key in the state environment: the slot, big endian, then the key's bytes. So one slot's
// keys lie together, an empty key has a row, and a scan can go slot by slot. Lives on the stack: a
// read makes one and allocates nothing.
class RowKey {
 public:
  // Precondition: key.size() <= kKeyBytesMax.
  explicit RowKey(std::string_view key);
  // For a key whose slot is known.
  RowKey(uint16_t slot, std::string_view key);

  // Lives as long as this.
  std::string_view bytes() const { return {bytes_, size_}; }

 private:
  size_t size_;
  char bytes_[sizeof(uint16_t) + kKeyBytesMax];
};

std::string EncodeRowKey(std::string_view key);
// Precondition: row_key has at least the slot's two bytes.
std::string_view KeyOfRow(std::string_view row_key);
uint16_t SlotOfRow(std::string_view row_key);

// The row's value: a checksum over row key and all that follows, then header and value.
std::string EncodeRow(std::string_view row_key, const RecordView& record);
size_t RowBytes(const RecordView& record);
// The same into `to`, which holds RowBytes(record) bytes.
void EncodeRowTo(char* to, std::string_view row_key, const RecordView& record);
// Nothing when the checksum, the type or the length is wrong: the row is damaged. The view points
// into `row`.
std::optional<RecordView> DecodeRow(std::string_view row_key, std::string_view row);

// The header alone. Nothing when the row is too short or the type unknown; whether the row is
// intact is not looked at.
std::optional<RecordHeader> DecodeRowHeader(std::string_view row);

// A 64-bit digest of one record's key and header. No two writes of a key have the same, since they
// have different revisions: it tells which write a row is of, without a look at the value.
uint64_t HeaderDigest(std::string_view key, const RecordHeader& header);
// A 64-bit digest of one record with its key. The sum of all of them, modulo 2^64, is the key
// space's.
uint64_t RecordDigest(std::string_view key, const RecordView& record);
// The same, for whoever has the header's digest.
uint64_t RecordDigest(uint64_t header_digest, std::string_view value);

}  // namespace quorate::storage
