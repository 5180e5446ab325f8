// What an input of the fuzz target stored_records is: one byte that names the record, one of
// switches, the record.
#pragma once

#include <cstdint>
#include <string_view>

#include "consensus/types.h"

namespace quorate::storage::fuzz {

enum Record : uint8_t {
  kLogHeader,
  kEntry,
  kRow,
  kStateMeta,
  kIdentity,
  kSealedRecord,
  kFolderChange,
  kSnapshotRows
};
inline constexpr uint8_t kRecordCount = kSnapshotRows + 1;

// The record comes without its checksum, which is made: to reach what it guards.
enum Switches : uint8_t { kSealed = 1 };

// What the records that are bound to a place are bound to.
inline constexpr uint64_t kTransaction = 3;
inline constexpr consensus::Index kEntryIndex(5);
inline constexpr std::string_view kRowsKey = "kkk";

}  // namespace quorate::storage::fuzz
