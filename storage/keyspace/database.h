// The numbered databases (https://redis.io/docs/latest/commands/select/), as the replicated state
// has them.
#pragma once

#include <cstdint>
#include <map>

namespace quorate::storage {

// Which rows are a database's. A database that is flushed goes on under a new id: its old rows are
// nobody's from then on, however many there are, and are deleted when there is time for it. Ids
// count up and are never used twice in a cluster's life.
enum class DatabaseId : uint32_t {};

// A flush takes ids below this one; the rest are left for numbers that have had no key before.
inline constexpr DatabaseId kDatabaseIdsForFlushes{UINT32_MAX - 65536};

// What is known of one without a look at its rows.
struct Database {
  DatabaseId id{};
  uint64_t key_count = 0;
  uint64_t expires = 0;  // keys that have a time to live
  uint64_t digest = 0;   // sum of RecordDigest over its keys, modulo 2^64

  bool operator==(const Database&) const = default;
};

// By the number that SELECT takes. One that has never been written to is not there, which is the
// same as an empty one.
using Databases = std::map<uint32_t, Database>;

}  // namespace quorate::storage
