// The configuration of a cluster, who its members are and which of them vote, and the changes from
// one to the next (section 6; dissertation, chapter 4: one server at a time). Plain functions but
// for Configurations, which remembers those that are in a log.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/types.h"

namespace quorate::consensus {

inline constexpr size_t kConfigurationMembersMax = 31;
inline constexpr size_t kAddressBytesMax = 512;

// --- As bytes ---

// Preconditions: IsValid(configuration).
std::string Encode(const Configuration& configuration);
// Nothing: the bytes are none that Encode writes.
std::optional<Configuration> DecodeConfiguration(std::string_view bytes);

// --- Questions ---

// There is a feature level. Ids ascend, none is 0 and all are below next_id; no address is too
// long, and no two members have one in common but the empty one. Without members it is valid.
bool IsValid(const Configuration& configuration);
// Nullptr: no such member. Valid as long as the configuration is not changed.
const ConfigurationMember* FindMember(const Configuration& configuration, NodeId id);
// The same. Nobody has the empty address: it says that there is none.
const ConfigurationMember* FindAddress(const Configuration& configuration,
                                       const std::string& address);
bool IsVoter(const Configuration& configuration, NodeId id);
// Whether it was a member once and is none any more; as far as ids were given out in order.
bool WasRemoved(const Configuration& configuration, NodeId id);
size_t VoterCount(const Configuration& configuration);
// How many servers vote in one and not in the other.
size_t VotersApart(const Configuration& one, const Configuration& other);

// --- Changes ---

// A server joins, as a learner with the id next_id. The leader makes a voter of it when it has
// caught up. A member that has that address is removed by the same entry: majorities of neighbours
// still overlap, since the voters differ by one.
struct AddLearner {
  std::string address;

  bool operator==(const AddLearner&) const = default;
};

struct RemoveMember {
  NodeId id;

  bool operator==(const RemoveMember&) const = default;
};

struct UpdateAddress {
  NodeId id;
  std::string address;

  bool operator==(const UpdateAddress&) const = default;
};

// A learner's folder has become known.
struct NameFolder {
  NodeId id;
  uint64_t folder = 0;

  bool operator==(const NameFolder&) const = default;
};

using Change = std::variant<AddLearner, RemoveMember, UpdateAddress, NameFolder>;

std::string Encode(const Change& change);
std::optional<Change> DecodeChange(std::string_view bytes);

enum class ChangeRefusal : uint8_t {
  kNone,
  // Nothing is wrong with these but the moment: ask again.
  kNotLeader,       // or handing leadership over
  kNotEstablished,  // no entry of this leader's term is committed yet
  kChangePending,   // the change before is not committed yet
  kMayBeThere,      // a member with that address was heard from, but perhaps before it was lost
  // It will be refused each time.
  kUnknownMember,
  kBadAddress,  // empty or too long
  kAddressInUse,
  kFolderIsKnown,  // the member has one, and has it for ever
  kTooManyMembers,
  kLastVoter,
  kNoLiveMajority,  // too few of the voters that would remain are reachable
};
inline constexpr ChangeRefusal kLastChangeRefusal = ChangeRefusal::kNoLiveMajority;

inline bool IsForTheMoment(ChangeRefusal refusal) {
  return refusal != ChangeRefusal::kNone && refusal <= ChangeRefusal::kMayBeThere;
}

// The change is in no log.
struct ChangeError {
  ChangeRefusal reason = ChangeRefusal::kNone;
  std::string text;  // for an operator
};

// The configuration that follows from the change, or why there is none: what can be said without
// regard to the cluster's state.
std::variant<Configuration, ChangeError> Changed(const Configuration& configuration,
                                                 const Change& change);

// --- Those in a log ---

// A server uses the latest configuration in its log, whether committed or not (section 6), and goes
// back to the one before when an entry is overwritten.
class Configurations {
 public:
  explicit Configurations(const Recovered& recovered);

  const Configuration& current() const { return entries_.back().second; }
  Index current_index() const { return entries_.back().first; }
  // The entry of the one before current(), if it is remembered; else that of current().
  Index previous_index() const;
  // Grows with every change of current().
  uint64_t version() const { return version_; }

  // Whether the server votes in a configuration that may be in force: the current one, or, as long
  // as that is not committed, one that a truncation would bring back.
  bool MayVote(NodeId id, Index commit_index) const;

  // Precondition: index > current_index().
  void Append(Index index, Configuration configuration);
  // The log has lost its entries from `index` on.
  void TruncateFrom(Index index);
  // Forgets what no truncation can bring back.
  void Committed(Index commit_index);

 private:
  std::deque<std::pair<Index, Configuration>> entries_;  // by ascending index, never empty
  uint64_t version_ = 0;
};

}  // namespace quorate::consensus
