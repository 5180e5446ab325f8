#include "storage/keyspace/snapshot_rows.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "consensus/crc32c.h"
#include "storage/base/encoding.h"
#include "storage/keyspace/row_key.h"

namespace quorate::storage {
namespace {

struct Taken {
  std::vector<std::string> keys;
  std::optional<Unreadable> unreadable;

  bool operator==(const Taken&) const = default;
};

Taken TakeApart(std::string_view rows) {
  Taken taken;
  SnapshotRowReader reader(rows);
  while (const std::optional<SnapshotRow> row = reader.Next()) {
    taken.keys.emplace_back(row->content.key);
  }
  taken.unreadable = reader.unreadable();
  return taken;
}

void Append(std::string* rows, std::string_view key, std::string_view value) {
  const RowKey row_key({}, DatabaseId{}, key);
  AppendSnapshotRow(rows, row_key.bytes(),
                    EncodeRow(row_key.bytes(), {key, {{ValueType::kString, 7, 0}, value}}));
}

TEST(SnapshotRows, GiveBackWhatWentIn) {
  std::string rows;
  EXPECT_EQ(TakeApart(rows), Taken());
  Append(&rows, "", "of the empty key");
  const std::string long_key(1000, 'k');
  Append(&rows, long_key, "");
  SnapshotRowReader reader(rows);
  const std::optional<SnapshotRow> first = reader.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->row_key, RowKey({}, DatabaseId{}, "").bytes());
  EXPECT_EQ(first->content.record.header.revision, 7U);
  EXPECT_EQ(first->content.record.value, "of the empty key");
  EXPECT_EQ(TakeApart(rows), (Taken{{"", long_key}, {}}));
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
      EXPECT_EQ(taken.unreadable, Unreadable::kDamaged) << at;
      EXPECT_EQ(taken.keys.size(), at < second ? 0U : 1U) << at;
    }
  }
  for (size_t size = 1; size < intact.size(); ++size) {
    if (size == second) continue;
    EXPECT_TRUE(TakeApart(intact.substr(0, size)).unreadable) << size;
  }
}

// A key that LMDB could not take, under a checksum that is right.
TEST(SnapshotRows, AKeyOfAnImpossibleLengthIsDamage) {
  for (const size_t size : {size_t{0}, kRowKeyHeadBytes - 1, kRowKeyBytesMax + 1}) {
    const std::string row_key(size, 'k');
    const std::string body(17, '\1');
    std::string row;
    AppendInteger(&row, consensus::Crc32c(body, consensus::Crc32c(row_key)));
    std::string rows;
    AppendSnapshotRow(&rows, row_key, row + body);
    EXPECT_EQ(TakeApart(rows).unreadable, Unreadable::kDamaged) << size;
  }
}

TEST(SnapshotRows, ARowOfAnUnknownTypeIsANewerVersions) {
  const RowKey row_key({}, DatabaseId{}, "key");
  std::string rows;
  Append(&rows, "one", "value");
  AppendSnapshotRow(
      &rows, row_key.bytes(),
      EncodeRow(row_key.bytes(), {"key", {{static_cast<ValueType>(99), 7, 0}, "value"}}));
  EXPECT_EQ(TakeApart(rows), (Taken{{"one"}, Unreadable::kNewer}));
}

}  // namespace
}  // namespace quorate::storage
