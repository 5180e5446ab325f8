#include "storage/state_meta.h"

#include "storage/encoding.h"
#include "storage/sealed_record.h"

namespace quorate::storage {
namespace {

constexpr std::string_view kSealName = "state meta";

}  // namespace

std::string EncodeStateMeta(const StateMeta& meta, uint64_t transaction) {
  std::string body;
  AppendInteger(&body, meta.last_applied.value());
  AppendInteger(&body, meta.last_applied_term.value());
  AppendInteger(&body, meta.revision);
  AppendInteger(&body, meta.clock_ms);
  AppendInteger(&body, meta.key_count);
  AppendInteger(&body, meta.digest);
  return Seal(kSealName, transaction, body);
}

std::optional<StateMeta> DecodeStateMeta(std::string_view record, uint64_t transaction) {
  const std::optional<std::string_view> body = Unseal(kSealName, transaction, record);
  if (!body) return std::nullopt;
  FieldReader fields(*body);
  StateMeta meta;
  meta.last_applied = consensus::Index(fields.Take<uint64_t>());
  meta.last_applied_term = consensus::Term(fields.Take<uint64_t>());
  meta.revision = fields.Take<uint64_t>();
  meta.clock_ms = fields.Take<int64_t>();
  meta.key_count = fields.Take<uint64_t>();
  meta.digest = fields.Take<uint64_t>();
  if (!fields.finished()) return std::nullopt;
  return meta;
}

}  // namespace quorate::storage
