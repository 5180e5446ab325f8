// The corpus of the fuzz target stored_records follows the format.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "storage/base/identity.h"
#include "storage/folder/folder_recovery.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/keyspace/state_meta.h"
#include "storage/log/log_record.h"
#include "tests/fuzz/stored_records_input.h"

namespace quorate::storage {
namespace {

bool IsUnderstood(int kind, std::string_view bytes) {
  switch (kind) {
    case fuzz::kLogHeader:
      return DecodeLogHeader(bytes, fuzz::kTransaction).has_value();
    case fuzz::kEntry:
      return DecodeEntryRow(fuzz::kEntryIndex, bytes).has_value();
    case fuzz::kRow:
      return DecodeRow(RowKey({}, DatabaseId{}, fuzz::kRowsKey).bytes(), bytes).has_value();
    case fuzz::kStateMeta:
      return DecodeStateMeta(bytes, fuzz::kTransaction).has_value();
    case fuzz::kIdentity:
      return DecodeIdentity(bytes).has_value();
    case fuzz::kFolderChange:
      return DecodeFolderChange(bytes).has_value();
    case fuzz::kSnapshotRows:
      return SnapshotRowReader(bytes).Next().has_value();
    default:
      return true;
  }
}

// A fuzzer that starts from records which are all refused finds little behind their checksums.
TEST(StoredRecordsCorpus, HasValidRecordsOfEachKind) {
  std::set<int> kinds;
  for (const auto& path : std::filesystem::directory_iterator(QUORATE_CORPUS)) {
    std::ifstream file(path.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (bytes.size() < 2 || bytes[1] != 0) continue;
    const int kind = static_cast<uint8_t>(bytes[0]) % fuzz::kRecordCount;
    if (IsUnderstood(kind, std::string_view(bytes).substr(2))) kinds.insert(kind);
  }
  EXPECT_EQ(kinds.size(), size_t{fuzz::kRecordCount}) << "write some with stored_seeds";
}

}  // namespace
}  // namespace quorate::storage
