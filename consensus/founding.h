// The founding record: what is drawn once when a cluster is founded, and is the same on all members
// for ever. The cluster's first leader proposes it as the log's first entry, in the place of its
// no-op, and it counts once it is committed. What the members are told at their start, an address
// list or a token, is repeated at each start, and says nothing of which life of a cluster a disk is
// from.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/types.h"

namespace quorate::consensus {

// The rules of applying that all members follow. A founding names the newest that its leader knows.
inline constexpr uint32_t kFeatureLevel = 1;

struct Founding {
  FoundingId id;  // 0: not drawn yet, in a backup that a new cluster begins with
  // Keys hashes that are stored or that clients see, so that nobody can choose keys that collide.
  std::array<uint8_t, 16> hash_secret = {};
  uint32_t feature_level = kFeatureLevel;
  // The physical number of each numbered database, by its logical number.
  std::vector<uint32_t> databases = {0};

  bool operator==(const Founding&) const = default;
};

// With random bytes of the operating system.
Founding DrawFounding();
// Another cluster's, which goes on with the data of the one that `before` founded: an id of its
// own, the rest is kept.
Founding DrawFoundingAfter(const Founding& before);

// Fields are tagged, so that later versions can add some.
std::string Encode(const Founding& founding);
// Nothing: the bytes are none that Encode writes, or a newer version's.
std::optional<Founding> DecodeFounding(std::string_view bytes);

// The founding as this server's log has it: proposed, and then known for good. A later one replaces
// it: the survivor of a cluster has founded a new one.
class KnownFounding {
 public:
  explicit KnownFounding(const Recovered& recovered);

  void Append(const Entry& entry);
  void TruncateFrom(Index index);
  // True when the id has become known, or another one.
  bool Committed(Index commit_index);

  // One is in the log that is not known to be committed: until it is, nothing else is proposed, so
  // whoever has a client's entry on its disk knows durably of which cluster it is.
  bool is_pending() const { return entry_.has_value(); }
  FoundingId id() const { return id_; }  // 0: not known

 private:
  std::optional<FoundingEntry> entry_;
  FoundingId id_;
};

}  // namespace quorate::consensus
