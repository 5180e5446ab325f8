#include "storage/base/identity.h"

#include <cinttypes>
#include <cstdio>

#include "storage/base/decoded.h"
#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"

namespace quorate::storage {
namespace {

constexpr std::string_view kSealName = "identity";

}  // namespace

std::string EncodeIdentity(const Identity& identity) {
  std::string body;
  AppendInteger(&body, kFormatVersion);
  AppendInteger(&body, identity.cluster_id);
  AppendInteger(&body, identity.node_id.value());
  AppendInteger(&body, static_cast<uint8_t>(identity.joined));
  AppendInteger(&body, static_cast<uint64_t>(identity.members.size()));
  body += identity.members;
  return Seal(kSealName, kAnyTransaction, body);
}

std::optional<StoredIdentity> DecodeIdentity(std::string_view record) {
  const std::optional<std::string_view> body = Unseal(kSealName, kAnyTransaction, record);
  if (!body) return std::nullopt;
  FieldReader fields(*body);
  StoredIdentity stored;
  stored.format_version = fields.Take<uint32_t>();
  if (!fields.ok()) return std::nullopt;
  // What follows may lie differently in other versions.
  if (stored.format_version != kFormatVersion) return stored;
  stored.identity.cluster_id = fields.Take<uint64_t>();
  stored.identity.node_id = consensus::NodeId(fields.Take<uint64_t>());
  stored.identity.joined = fields.Take<uint8_t>() != 0;
  const auto members_bytes = fields.Take<uint64_t>();
  stored.identity.members = std::string(fields.TakeBytes(members_bytes));
  if (!fields.finished()) return std::nullopt;
  return stored;
}

std::string UnknownFormat(uint32_t format_version) {
  if (format_version > kFormatVersion) return std::string("the data ") + kWrittenByNewer;
  return "the data was written by Quorate 0.1, whose format this version does not read: start it "
         "with Quorate 0.1, or copy its keys to a new cluster (docs/operations.md, \"Upgrade to "
         "another version\")";
}

std::string Describe(const Identity& identity) {
  char cluster_id[2 * sizeof(uint64_t) + 1];
  std::snprintf(cluster_id, sizeof(cluster_id), "%016" PRIx64, identity.cluster_id);
  return "node " + std::to_string(identity.node_id.value()) + " of cluster " + cluster_id;
}

}  // namespace quorate::storage
