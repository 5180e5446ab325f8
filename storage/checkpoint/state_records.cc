#include "storage/checkpoint/state_records.h"

#include <optional>
#include <string>
#include <utility>

#include "storage/keyspace/state_meta.h"
#include "storage/lmdb/lmdb_records.h"

namespace quorate::storage {
namespace {

constexpr std::string_view kStateMetaName = "meta";

Error DamagedSums(const Environment& environment, size_t group) {
  return environment.MakeError("the record \"" + SlotSums::GroupName(group) +
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

int PutSlotSums(MDB_txn* transaction, const SlotSums& sums, const StateMeta& meta) {
  for (size_t group = 0; group < SlotSums::kGroupCount; ++group) {
    if (!sums.group_changed(group)) continue;
    const int code = PutRecord(transaction, SlotSums::GroupName(group), sums.EncodeGroup(group));
    if (code != 0) return code;
  }
  return PutRecord(transaction, SlotSums::kTotalName, sums.EncodeTotal(meta.last_applied));
}

Result<SlotSums> GetSlotSums(MDB_txn* transaction, const Environment& environment,
                             const StateMeta& meta) {
  SlotSums sums;
  for (size_t group = 0; group < SlotSums::kGroupCount; ++group) {
    std::string_view record;
    const int code = GetRecord(transaction, SlotSums::GroupName(group), &record);
    if (code == MDB_NOTFOUND) continue;
    if (code != 0) return environment.MakeError("the state cannot be read", code);
    if (!sums.DecodeGroup(group, record)) return DamagedSums(environment, group);
  }
  std::string_view total;
  if (const int code = GetRecord(transaction, SlotSums::kTotalName, &total)) {
    return environment.MakeError("the record \"slots\" is missing", code);
  }
  if (total != sums.EncodeTotal(meta.last_applied) || sums.key_count() != meta.key_count) {
    return environment.MakeError(
        "the checkpoint is damaged: the sums of its slots are not its own");
  }
  return sums;
}

Result<SlotSum> GetSlotSum(MDB_txn* transaction, const Environment& environment, uint16_t slot) {
  std::string_view record;
  const size_t group = SlotSums::GroupOf(slot);
  const int code = GetRecord(transaction, SlotSums::GroupName(group), &record);
  if (code == MDB_NOTFOUND) return SlotSum();
  if (code != 0) return environment.MakeError("the state cannot be read", code);
  const std::optional<SlotSum> sum = SlotSums::DecodeSum(slot, record);
  if (!sum) return DamagedSums(environment, group);
  return *sum;
}

Error UnreadableRow(const Environment& environment, std::string_view row_key, Unreadable why) {
  return environment.MakeError(
      "the row with the key " + Hexadecimal(row_key) + " (hexadecimal) " +
      (why == Unreadable::kNewer ? kWrittenByNewer : "is damaged: its checksum is wrong"));
}

}  // namespace quorate::storage
