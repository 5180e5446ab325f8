#include "storage/keyspace/snapshot_rows.h"

#include <cassert>
#include <cstdint>

#include "storage/base/encoding.h"

namespace quorate::storage {

// Row key bytes u16, row bytes u32, row key, row.
void AppendSnapshotRow(std::string* rows, std::string_view row_key, std::string_view row) {
  assert(row_key.size() <= UINT16_MAX);
  assert(row.size() <= UINT32_MAX);
  AppendInteger(rows, static_cast<uint16_t>(row_key.size()));
  AppendInteger(rows, static_cast<uint32_t>(row.size()));
  rows->append(row_key);
  rows->append(row);
}

std::optional<SnapshotRow> SnapshotRowReader::Next() {
  if (rest_.empty() || unreadable_) return std::nullopt;
  FieldReader fields(rest_);
  const auto row_key_bytes = fields.Take<uint16_t>();
  const auto row_bytes = fields.Take<uint32_t>();
  SnapshotRow next;
  next.row_key = fields.TakeBytes(row_key_bytes);
  next.row = fields.TakeBytes(row_bytes);
  unreadable_ = Unreadable::kDamaged;  // until all has gone well
  if (!fields.ok()) return std::nullopt;
  const Decoded<Row> content = DecodeRow(next.row_key, next.row);
  if (!content) {
    unreadable_ = content.why();
    return std::nullopt;
  }
  next.content = *content;
  rest_.remove_prefix(sizeof(row_key_bytes) + sizeof(row_bytes) + row_key_bytes + row_bytes);
  unreadable_.reset();
  return next;
}

}  // namespace quorate::storage
