#include "storage/keyspace/state_meta.h"

#include <set>

#include "consensus/founding.h"
#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace quorate::storage {
namespace {

constexpr std::string_view kSealName = "state meta";

}  // namespace

uint64_t StateMeta::key_count() const {
  uint64_t count = 0;
  for (const auto& [number, database] : databases) count += database.key_count;
  return count;
}

// An empty database is as good as none, so it adds nothing.
uint64_t StateMeta::digest() const {
  uint64_t sum = 0;
  for (const auto& [number, database] : databases) {
    if (database.key_count == 0) continue;
    sum += XXH3_64bits_withSeed(&database.digest, sizeof(database.digest), number);
  }
  return sum;
}

std::string EncodeStateMeta(const StateMeta& meta, uint64_t transaction) {
  std::string body;
  AppendInteger(&body, meta.last_applied.value());
  AppendInteger(&body, meta.last_applied_term.value());
  AppendInteger(&body, meta.last_applied_chain.value());
  AppendInteger(&body, meta.revision);
  AppendInteger(&body, meta.clock_ms);
  AppendInteger(&body, static_cast<uint32_t>(meta.next_database));
  AppendInteger(&body, static_cast<uint32_t>(meta.databases.size()));
  for (const auto& [number, database] : meta.databases) {
    AppendInteger(&body, number);
    AppendInteger(&body, static_cast<uint32_t>(database.id));
    AppendInteger(&body, database.key_count);
    AppendInteger(&body, database.expires);
    AppendInteger(&body, database.digest);
  }
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
  meta.next_database = static_cast<DatabaseId>(fields.Take<uint32_t>());
  std::set<DatabaseId> ids;
  for (auto databases = fields.Take<uint32_t>(); databases > 0; --databases) {
    if (!fields.ok()) return Unreadable::kDamaged;
    const auto number = fields.Take<uint32_t>();
    Database database;
    database.id = static_cast<DatabaseId>(fields.Take<uint32_t>());
    database.key_count = fields.Take<uint64_t>();
    database.expires = fields.Take<uint64_t>();
    database.digest = fields.Take<uint64_t>();
    const bool ascends = meta.databases.empty() || number > meta.databases.rbegin()->first;
    // Ids are never shared, nor taken ahead.
    if (database.id >= meta.next_database || !ids.insert(database.id).second || !ascends) {
      return Unreadable::kDamaged;
    }
    meta.databases.emplace(number, database);
  }
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
