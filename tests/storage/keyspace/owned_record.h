// A record that owns its value, for tests' states in memory.
#pragma once

#include <string>

#include "storage/keyspace/record.h"

namespace quorate::storage {

struct OwnedRecord {
  explicit OwnedRecord(const RecordView& record) : header(record.header), value(record.value) {}
  RecordView view() const { return {header, value}; }

  RecordHeader header;
  std::string value;
};

}  // namespace quorate::storage
