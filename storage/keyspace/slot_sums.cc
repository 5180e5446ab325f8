#include "storage/keyspace/slot_sums.h"

#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"

namespace quorate::storage {
namespace {

// A group's body: of each slot its key count u32 and digest u64.
constexpr size_t kSumBytes = sizeof(uint32_t) + sizeof(uint64_t);

SlotSum DecodeAt(std::string_view body, size_t number) {
  FieldReader fields(body.substr(number * kSumBytes, kSumBytes));
  SlotSum sum;
  sum.key_count = fields.Take<uint32_t>();
  sum.digest = fields.Take<uint64_t>();
  assert(fields.finished());
  return sum;
}

// Written by whichever checkpoint changed the group last.
std::optional<std::string_view> GroupBody(DatabaseId database, size_t group,
                                          std::string_view record) {
  const auto body = Unseal(SlotSums::GroupName(database, group), kAnyTransaction, record);
  if (!body || body->size() != SlotSums::kSlotsPerGroup * kSumBytes) return std::nullopt;
  return body;
}

}  // namespace

SlotSums::SlotSums(const SlotSums& other) : changed_(other.changed_) {
  for (size_t group = 0; group < kGroupCount; ++group) {
    if (other.groups_[group]) groups_[group] = std::make_unique<Group>(*other.groups_[group]);
  }
}

uint64_t SlotSums::key_count() const {
  uint64_t count = 0;
  for (const auto& group : groups_) {
    if (!group) continue;
    for (const SlotSum& sum : *group) count += sum.key_count;
  }
  return count;
}

uint64_t SlotSums::digest() const {
  uint64_t digest = 0;
  for (const auto& group : groups_) {
    if (!group) continue;
    for (const SlotSum& sum : *group) digest += sum.digest;
  }
  return digest;
}

std::string SlotSums::GroupName(DatabaseId database, size_t group) {
  return "slots " + std::to_string(static_cast<uint32_t>(database)) + " " + std::to_string(group);
}

std::string SlotSums::EncodeGroup(DatabaseId database, size_t group) const {
  const Group sums = groups_[group] ? *groups_[group] : Group();
  std::string body;
  for (const SlotSum& sum : sums) {
    AppendInteger(&body, sum.key_count);
    AppendInteger(&body, sum.digest);
  }
  return Seal(GroupName(database, group), kAnyTransaction, body);
}

bool SlotSums::DecodeGroup(DatabaseId database, size_t group, std::string_view record) {
  const auto body = GroupBody(database, group, record);
  if (!body) return false;
  Group& sums = GroupAt(group);
  for (size_t number = 0; number < kSlotsPerGroup; ++number) sums[number] = DecodeAt(*body, number);
  return true;
}

std::optional<SlotSum> SlotSums::DecodeSum(DatabaseId database, uint16_t slot,
                                           std::string_view record) {
  const auto body = GroupBody(database, GroupOf(slot), record);
  if (!body) return std::nullopt;
  return DecodeAt(*body, slot % kSlotsPerGroup);
}

}  // namespace quorate::storage
