// Whose data a folder holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/types.h"

namespace quorate::storage {

struct Identity {
  uint64_t cluster_id = 0;
  consensus::NodeId node_id;
  std::string members;  // the cluster's first members, in the caller's own words
  bool joined = false;  // was added to a cluster that was there already

  bool operator==(const Identity&) const = default;
};

// The version of everything on disk. A folder of another version is refused.
inline constexpr uint32_t kFormatVersion = 4;

struct StoredIdentity {
  uint32_t format_version = kFormatVersion;
  Identity identity;  // not set for another format version
};

std::string EncodeIdentity(const Identity& identity);
// Nothing when the record is damaged.
std::optional<StoredIdentity> DecodeIdentity(std::string_view record);

// Why data of that version is refused.
std::string UnknownFormat(uint32_t format_version);

// "node 1 of cluster 00c0ffee00c0ffee", for error texts.
std::string Describe(const Identity& identity);

}  // namespace quorate::storage
