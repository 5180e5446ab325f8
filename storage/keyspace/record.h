// One key's value with what belongs to it, in memory and on disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/decoded.h"

namespace quorate::storage {

// The numbers that rows carry. Those that are not in use yet are reserved: a row with one of them
// is a newer version's.
enum class ValueType : uint8_t {
  kString = 1,
  kStringInChunks = 2,
  kHash = 3,
  kList = 4,
  kSet = 5,
  kSortedSet = 6,
  kStream = 7,
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

// What a row of the database "keys" says: the row's value is
//
//   crc32c u32 | type u8 | revision u64 | expire_at_ms i64 | [key bytes u32 | key] | value
//
// with a checksum over the row key and all that follows it. The key is there where the row key only
// stands for it.
struct Row {
  std::string_view key;
  RecordView record;
};
struct RowHead {
  std::string_view key;
  RecordHeader header;
};

size_t RowBytes(const Row& row);
std::string EncodeRow(std::string_view row_key, const Row& row);
// The same into `to`, which holds RowBytes(row) bytes.
void EncodeRowTo(char* to, std::string_view row_key, const Row& row);
// What it gives points into `row_key` and `row`. Whether the row key is the key's is not looked at.
Decoded<Row> DecodeRow(std::string_view row_key, std::string_view row);

// Key and header alone. Whether the row is intact is not looked at, unless its type is unknown.
Decoded<RowHead> DecodeRowHead(std::string_view row_key, std::string_view row);

// A 64-bit digest of one record's key and header. No two writes of a key have the same, since they
// have different revisions: it tells which write a row is of, without a look at the value.
uint64_t HeaderDigest(std::string_view key, const RecordHeader& header);
// A 64-bit digest of one record with its key. The sum of all of them, modulo 2^64, is the key
// space's.
uint64_t RecordDigest(std::string_view key, const RecordView& record);
// The same, for whoever has the header's digest.
uint64_t RecordDigest(uint64_t header_digest, std::string_view value);

}  // namespace quorate::storage
