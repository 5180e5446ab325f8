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
std::optional<std::string_view> GroupBody(size_t group, std::string_view record) {
  const auto body = Unseal(SlotSums::GroupName(group), kAnyTransaction, record);
  if (!body || body->size() != SlotSums::kSlotsPerGroup * kSumBytes) return std::nullopt;
  return body;
}

}  // namespace

uint64_t SlotSums::key_count() const {
  uint64_t count = 0;
  for (const SlotSum& sum : slots_) count += sum.key_count;
  return count;
}

uint64_t SlotSums::digest() const {
  uint64_t digest = 0;
  for (const SlotSum& sum : slots_) digest += sum.digest;
  return digest;
}

std::string SlotSums::GroupName(size_t group) { return "slots " + std::to_string(group); }

std::string SlotSums::EncodeGroup(size_t group) const {
  std::string body;
  for (size_t number = 0; number < kSlotsPerGroup; ++number) {
    const SlotSum& sum = slots_[group * kSlotsPerGroup + number];
    AppendInteger(&body, sum.key_count);
    AppendInteger(&body, sum.digest);
  }
  return Seal(GroupName(group), kAnyTransaction, body);
}

bool SlotSums::DecodeGroup(size_t group, std::string_view record) {
  const auto body = GroupBody(group, record);
  if (!body) return false;
  for (size_t number = 0; number < kSlotsPerGroup; ++number) {
    slots_[group * kSlotsPerGroup + number] = DecodeAt(*body, number);
  }
  return true;
}

std::string SlotSums::EncodeTotal(consensus::Index last_applied) const {
  std::string body;
  AppendInteger(&body, last_applied.value());
  AppendInteger(&body, key_count());
  AppendInteger(&body, digest());
  return body;
}

std::optional<SlotSum> SlotSums::DecodeSum(uint16_t slot, std::string_view record) {
  const auto body = GroupBody(GroupOf(slot), record);
  if (!body) return std::nullopt;
  return DecodeAt(*body, slot % kSlotsPerGroup);
}

}  // namespace quorate::storage
