#include "storage/keyspace/snapshot_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quorate::storage {
namespace {

struct Taken {
  std::vector<std::string> keys;
  bool damaged = false;

  bool operator==(const Taken&) const = default;
};

Taken TakeApart(std::string_view rows) {
  Taken taken;
  SnapshotRowReader reader(rows);
  while (const std::optional<SnapshotRow> row = reader.Next()) {
    taken.keys.emplace_back(KeyOfRow(row->row_key));
  }
  taken.damaged = reader.damaged();
  return taken;
}

void Append(std::string* rows, std::string_view key, std::string_view value) {
  const std::string row_key = EncodeRowKey(key);
  AppendSnapshotRow(rows, row_key, EncodeRow(row_key, {{ValueType::kString, 7, 0}, value}));
}

TEST(SnapshotRows, GiveBackWhatWentIn) {
  std::string rows;
  EXPECT_EQ(TakeApart(rows), Taken());
  Append(&rows, "", "of the empty key");
  Append(&rows, std::string(kKeyBytesMax, 'k'), "");
  SnapshotRowReader reader(rows);
  const std::optional<SnapshotRow> first = reader.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->row_key, EncodeRowKey(""));
  EXPECT_EQ(first->record.header.revision, 7U);
  EXPECT_EQ(first->record.value, "of the empty key");
  EXPECT_EQ(TakeApart(rows), (Taken{{"", std::string(kKeyBytesMax, 'k')}, false}));
}

// Whatever a peer sends: no row of it is taken that was not sent as such.
TEST(SnapshotRows, NoChangeGoesUnnoticed) {
  std::string intact;
  Append(&intact, "one", "first value");
  const size_t second = intact.size();
  Append(&intact, "two", "second value");
  for (size_t at = 0; at < intact.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string rows = intact;
      rows[at] = static_cast<char>(rows[at] ^ (1 << bit));
      const Taken taken = TakeApart(rows);
      EXPECT_TRUE(taken.damaged) << at;
      EXPECT_EQ(taken.keys.size(), at < second ? 0U : 1U) << at;
    }
  }
  for (size_t size = 1; size < intact.size(); ++size) {
    if (size == second) continue;
    EXPECT_TRUE(TakeApart(intact.substr(0, size)).damaged) << size;
  }
}

// A key that LMDB could not take, under a checksum that is right.
TEST(SnapshotRows, AKeyOfAnImpossibleLengthIsDamage) {
  const RecordView record{{ValueType::kString, 1, 0}, "value"};
  for (const size_t size : {size_t{0}, size_t{1}, sizeof(uint16_t) + kKeyBytesMax + 1}) {
    const std::string row_key(size, 'k');
    std::string rows;
    AppendSnapshotRow(&rows, row_key, EncodeRow(row_key, record));
    EXPECT_TRUE(TakeApart(rows).damaged) << size;
  }
}

}  // namespace
}  // namespace quorate::storage
