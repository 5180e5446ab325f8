#include "storage/keyspace/state_meta.h"

#include "consensus/founding.h"
#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"

namespace quorate::storage {
namespace {

constexpr std::string_view kSealName = "state meta";

}  // namespace

std::string EncodeStateMeta(const StateMeta& meta, uint64_t transaction) {
  std::string body;
  AppendInteger(&body, meta.last_applied.value());
  AppendInteger(&body, meta.last_applied_term.value());
  AppendInteger(&body, meta.last_applied_chain.value());
  AppendInteger(&body, meta.revision);
  AppendInteger(&body, meta.clock_ms);
  AppendInteger(&body, meta.key_count);
  AppendInteger(&body, meta.digest);
  AppendInteger(&body, meta.configuration_index.value());
  AppendInteger(&body, meta.origin_index.value());
  AppendInteger(&body, meta.snapshot_index.value());
  AppendInteger(&body, meta.snapshot_term.value());
  AppendInteger(&body, meta.snapshot_chain.value());
  AppendInteger(&body, static_cast<uint64_t>(meta.configuration.size()));
  body += meta.configuration;
  AppendInteger(&body, static_cast<uint64_t>(meta.founding.size()));
  body += meta.founding;
  return Seal(kSealName, transaction, body);
}

Decoded<StateMeta> DecodeStateMeta(std::string_view record, uint64_t transaction) {
  const std::optional<std::string_view> body = Unseal(kSealName, transaction, record);
  if (!body) return Unreadable::kDamaged;
  FieldReader fields(*body);
  StateMeta meta;
  meta.last_applied = consensus::Index(fields.Take<uint64_t>());
  meta.last_applied_term = consensus::Term(fields.Take<uint64_t>());
  meta.last_applied_chain = consensus::Chain(fields.Take<uint64_t>());
  meta.revision = fields.Take<uint64_t>();
  meta.clock_ms = fields.Take<int64_t>();
  meta.key_count = fields.Take<uint64_t>();
  meta.digest = fields.Take<uint64_t>();
  meta.configuration_index = consensus::Index(fields.Take<uint64_t>());
  meta.origin_index = consensus::Index(fields.Take<uint64_t>());
  meta.snapshot_index = consensus::Index(fields.Take<uint64_t>());
  meta.snapshot_term = consensus::Term(fields.Take<uint64_t>());
  meta.snapshot_chain = consensus::Chain(fields.Take<uint64_t>());
  const auto configuration_bytes = fields.Take<uint64_t>();
  meta.configuration = std::string(fields.TakeBytes(configuration_bytes));
  const auto founding_bytes = fields.Take<uint64_t>();
  meta.founding = std::string(fields.TakeBytes(founding_bytes));
  if (!fields.finished()) return Unreadable::kDamaged;
  return meta;
}

Result<HashSecret> HashSecretOf(const StateMeta& meta) {
  if (meta.founding.empty()) return HashSecret{};
  const auto founding = consensus::DecodeFounding(meta.founding);
  if (!founding) return Error{std::string("the cluster's founding record ") + kWrittenByNewer};
  return founding->hash_secret;
}

}  // namespace quorate::storage
