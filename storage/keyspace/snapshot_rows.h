// The bytes of a snapshot's chunk: rows as they lie in the state, each with its key. A row's own
// checksum covers both, so a chunk needs none of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/keyspace/record.h"

namespace quorate::storage {

// Adds a row to the chunk. `row` is as EncodeRow makes it.
void AppendSnapshotRow(std::string* rows, std::string_view row_key, std::string_view row);

struct SnapshotRow {
  std::string_view row_key;
  std::string_view row;
  Row content;  // what both say
};

// Takes a chunk apart and verifies each row. What it gives points into the chunk.
class SnapshotRowReader {
 public:
  explicit SnapshotRowReader(std::string_view rows) : rest_(rows) {}

  // Nothing: there are no more rows, or the rest cannot be read.
  std::optional<SnapshotRow> Next();
  // Why the rest cannot be read.
  std::optional<Unreadable> unreadable() const { return unreadable_; }

 private:
  std::string_view rest_;
  std::optional<Unreadable> unreadable_;
};

}  // namespace quorate::storage
