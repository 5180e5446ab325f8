#include "storage/checkpoint/state_records.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"
#include "storage/keyspace/state_meta.h"
#include "storage/lmdb/lmdb_records.h"

namespace quorate::storage {
namespace {

constexpr std::string_view kStateMetaName = "meta";

// Which groups of sums belong together: an intact one may be of an earlier checkpoint. It is
// compared, not decoded.
constexpr std::string_view kTotalName = "slots";

std::string EncodeTotal(const DatabaseSums& sums, const StateMeta& meta) {
  std::string body;
  AppendInteger(&body, meta.last_applied.value());
  for (const auto& [number, database] : meta.databases) {
    const auto slots = sums.find(database.id);
    AppendInteger(&body, number);
    AppendInteger(&body, database.key_count);
    AppendInteger(&body, slots == sums.end() ? uint64_t{0} : slots->second.digest());
  }
  return body;
}

constexpr std::string_view kGarbageName = "garbage";

Error DamagedSums(const Environment& environment, DatabaseId database, size_t group) {
  return environment.MakeError("the record \"" + SlotSums::GroupName(database, group) +
                               "\" is damaged: its checksum is wrong");
}

}  // namespace

int PutStateMeta(MDB_txn* transaction, const StateMeta& meta) {
  return PutRecord(transaction, kStateMetaName, EncodeStateMeta(meta, mdb_txn_id(transaction)));
}

Result<StateMeta> GetStateMeta(MDB_txn* transaction, const Environment& environment) {
  std::string_view record;
  if (const int code = GetRecord(transaction, kStateMetaName, &record)) {
    return environment.MakeError("the checkpoint's meta record is missing", code);
  }
  Decoded<StateMeta> meta = DecodeStateMeta(record, mdb_txn_id(transaction));
  if (!meta && meta.why() == Unreadable::kNewer) {
    return environment.MakeError(std::string("the checkpoint's meta record ") + kWrittenByNewer);
  }
  if (!meta) {
    return environment.MakeError(
        "the checkpoint's meta record is damaged, or not of the last commit: its checksum is "
        "wrong");
  }
  return std::move(*meta);
}

int PutSlotSums(MDB_txn* transaction, const DatabaseSums& sums, const StateMeta& meta) {
  for (const auto& [database, slots] : sums) {
    for (size_t group = 0; group < SlotSums::kGroupCount; ++group) {
      if (!slots.group_changed(group)) continue;
      const int code = PutRecord(transaction, SlotSums::GroupName(database, group),
                                 slots.EncodeGroup(database, group));
      if (code != 0) return code;
    }
  }
  return PutRecord(transaction, kTotalName, EncodeTotal(sums, meta));
}

Result<DatabaseSums> GetSlotSums(MDB_txn* transaction, const Environment& environment,
                                 const StateMeta& meta) {
  DatabaseSums sums;
  for (const auto& [number, database] : meta.databases) {
    SlotSums& slots = sums[database.id];
    for (size_t group = 0; group < SlotSums::kGroupCount; ++group) {
      std::string_view record;
      const int code = GetRecord(transaction, SlotSums::GroupName(database.id, group), &record);
      if (code == MDB_NOTFOUND) continue;
      if (code != 0) return environment.MakeError("the state cannot be read", code);
      if (!slots.DecodeGroup(database.id, group, record)) {
        return DamagedSums(environment, database.id, group);
      }
    }
  }
  std::string_view total;
  if (const int code = GetRecord(transaction, kTotalName, &total)) {
    return environment.MakeError("the record \"slots\" is missing", code);
  }
  const bool add_up = std::ranges::all_of(meta.databases, [&](const auto& entry) {
    return sums.at(entry.second.id).key_count() == entry.second.key_count;
  });
  if (total != EncodeTotal(sums, meta) || !add_up) {
    return environment.MakeError(
        "the checkpoint is damaged: the sums of its slots are not its own");
  }
  return sums;
}

Result<SlotSum> GetSlotSum(MDB_txn* transaction, const Environment& environment,
                           DatabaseId database, uint16_t slot) {
  std::string_view record;
  const size_t group = SlotSums::GroupOf(slot);
  const int code = GetRecord(transaction, SlotSums::GroupName(database, group), &record);
  if (code == MDB_NOTFOUND) return SlotSum();
  if (code != 0) return environment.MakeError("the state cannot be read", code);
  const std::optional<SlotSum> sum = SlotSums::DecodeSum(database, slot, record);
  if (!sum) return DamagedSums(environment, database, group);
  return *sum;
}

int DeleteSlotSums(MDB_txn* transaction, DatabaseId database) {
  for (size_t group = 0; group < SlotSums::kGroupCount; ++group) {
    const int code = DeleteRecord(transaction, SlotSums::GroupName(database, group));
    if (code != 0 && code != MDB_NOTFOUND) return code;
  }
  return 0;
}

int PutGarbage(MDB_txn* transaction, const Garbage& garbage) {
  if (garbage.empty()) {
    const int code = DeleteRecord(transaction, kGarbageName);
    return code == MDB_NOTFOUND ? 0 : code;
  }
  std::string body;
  for (const auto& [database, rows] : garbage) {
    AppendInteger(&body, static_cast<uint32_t>(database));
    AppendInteger(&body, rows);
  }
  return PutRecord(transaction, kGarbageName, Seal(kGarbageName, kAnyTransaction, body));
}

Result<Garbage> GetGarbage(MDB_txn* transaction, const Environment& environment) {
  std::string_view record;
  const int code = GetRecord(transaction, kGarbageName, &record);
  if (code == MDB_NOTFOUND) return Garbage();
  if (code != 0) return environment.MakeError("the state cannot be read", code);
  const auto body = Unseal(kGarbageName, kAnyTransaction, record);
  FieldReader fields(body.value_or(std::string_view()));
  Garbage garbage;
  while (fields.ok() && !fields.finished()) {
    const auto database = static_cast<DatabaseId>(fields.Take<uint32_t>());
    garbage[database] = fields.Take<uint64_t>();
  }
  if (!body || !fields.ok()) {
    return environment.MakeError("the record \"garbage\" is damaged: its checksum is wrong");
  }
  return garbage;
}

Error UnreadableRow(const Environment& environment, std::string_view row_key, Unreadable why) {
  return environment.MakeError(
      "the row with the key " + Hexadecimal(row_key) + " (hexadecimal) " +
      (why == Unreadable::kNewer ? kWrittenByNewer : "is damaged: its checksum is wrong"));
}

}  // namespace quorate::storage
