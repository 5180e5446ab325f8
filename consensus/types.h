// The words that consensus and storage share: strong integer types, log entries, and the writes
// that consensus asks storage to make durable. Plain values; no function here has a side effect.
#pragma once

#ifdef NDEBUG
#error "Quorate's assertions guard data: build it without NDEBUG"
#endif

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::consensus {

// A 64-bit number of one kind. Kinds do not convert into one another or into plain integers, so
// that a term can never be compared with an index.
template <typename Tag>
class Number {
 public:
  constexpr Number() = default;
  constexpr explicit Number(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  constexpr auto operator<=>(const Number&) const = default;
  constexpr Number& operator++() {
    ++value_;
    return *this;
  }
  constexpr Number operator+(uint64_t steps) const { return Number(value_ + steps); }
  // Precondition: steps <= value().
  constexpr Number operator-(uint64_t steps) const { return Number(value_ - steps); }
  // How far this number is past `earlier`. Precondition: earlier <= *this.
  constexpr uint64_t DistanceFrom(Number earlier) const { return value_ - earlier.value_; }

 private:
  uint64_t value_ = 0;
};

using Term = Number<struct TermTag>;      // 0: before the first election
using Index = Number<struct IndexTag>;    // position in the log; the first entry is 1, 0 is "none"
using NodeId = Number<struct NodeIdTag>;  // a server's identity; 0 is "none"
using PersistSeq = Number<struct PersistTag>;   // counts the writes handed to storage; 0 is "none"
using ReadToken = Number<struct ReadTokenTag>;  // the driver's name for a read; opaque to consensus
// A hash over a log from its origin up to one of its entries. Two logs with equal chains at an
// index have the same entries up to there.
using Chain = Number<struct ChainTag>;          // 0 at the origin
using FoundingId = Number<struct FoundingTag>;  // drawn when a cluster is founded; 0 is "none"

// The bytes of a log entry: immutable, shared between the log writer's thread, the messages to
// every follower and the apply loop without a copy. The checksum is computed once, where the entry
// is made, and travels with it to every disk and back (end to end).
class Payload {
 public:
  Payload() = default;
  // Takes the bytes and computes their CRC32C.
  explicit Payload(std::string bytes);
  // For bytes that come from a disk or a peer together with their checksum; Intact() tells whether
  // they still belong together.
  Payload(std::string bytes, uint32_t crc32c);

  std::string_view bytes() const { return bytes_ ? std::string_view(*bytes_) : std::string_view(); }
  size_t size() const { return bytes_ ? bytes_->size() : 0; }
  uint32_t crc32c() const { return crc32c_; }
  bool Intact() const;
  // Equal bytes.
  bool operator==(const Payload& other) const { return bytes() == other.bytes(); }

 private:
  std::shared_ptr<const std::string> bytes_;
  uint32_t crc32c_ = 0;  // CRC32C of nothing is 0
};

enum class EntryKind : uint8_t {
  kNoop = 0,           // what a new leader commits first (Raft paper, section 8)
  kBatch = 1,          // the state machine's commands; opaque to consensus
  kConfiguration = 2,  // a whole Configuration, as Encode writes it
  kFounding = 3,       // whose log it is (consensus/founding.h); the first entry of a cluster's log
};

inline constexpr EntryKind kLastEntryKind = EntryKind::kFounding;

struct Entry {
  Term term;
  Index index;
  EntryKind kind = EntryKind::kNoop;
  Payload payload;
  // Of the log up to and including this entry. Computed where the entry is appended to a log, and
  // kept with it on disk. Not sent to peers, who compute it from the chain before the entry.
  Chain chain = {};

  // The same entry, whatever the log before it.
  bool operator==(const Entry& other) const {
    return term == other.term && index == other.index && kind == other.kind &&
           payload == other.payload;
  }
};

// The chain of a log that ends with `entry`, where `before` is the chain of the entries before it.
// Covers the payload by its size and checksum.
Chain ExtendChain(Chain before, const Entry& entry);
Chain ExtendChain(Chain before, Term term, Index index, EntryKind kind, size_t payload_bytes,
                  uint32_t payload_crc32c);

// Persistent state other than the log (Raft paper, figure 2).
struct HardState {
  Term current_term;
  NodeId voted_for;  // 0: no vote given in current_term

  bool operator==(const HardState&) const = default;
};

// One write that storage makes durable as a whole, in the order of `seq`. Storage may join several
// into one transaction.
struct Persist {
  PersistSeq seq;
  // The cluster's founding is committed: to be noted durably beside the log, and kept for ever.
  std::optional<FoundingId> founding = {};
  std::optional<HardState> hard_state;
  // Drop every entry with an index >= this, before `entries` is appended. Given only where the log
  // of a follower conflicts with its leader's (section 5.3).
  std::optional<Index> truncate_from;
  std::vector<Entry> entries;  // contiguous; the first follows what is left of the log
  // What the driver keeps beside the log, in place of what it kept before; opaque to consensus and
  // storage.
  std::optional<std::string> ledger = {};
};

// A run of neighbouring entries with one term. A log is known by few of these, which lets consensus
// answer every question about terms without touching the disk.
struct TermRun {
  Term term;
  Index first;  // the run goes up to the next run's `first` - 1, or to the log's end

  bool operator==(const TermRun&) const = default;
};

struct ConfigurationMember {
  NodeId id;
  bool voter = false;   // otherwise a learner: it is sent the log, and counts in no majority
  std::string address;  // opaque to consensus
  // Names the empty data folder with which this member began, in the words of the driver that has
  // drawn it; 0: not known yet, or one of those that the cluster began with. What is named once
  // stays: whoever has lost the folder has forgotten its votes, and is this member no more.
  uint64_t folder = 0;

  bool operator==(const ConfigurationMember&) const = default;
};

// What the log may hold: rules of applying and commands that are newer than the first version. A
// member applies what its level allows, so the level never falls, and rises only when every member
// has said that it knows more.
inline constexpr uint32_t kFirstFeatureLevel = 1;

// Who belongs to the cluster (section 6). Consensus has functions for it in configuration.h.
struct Configuration {
  std::vector<ConfigurationMember> members;  // by ascending id
  // No member has ever had this id or a higher one: ids are not used again.
  NodeId next_id;
  uint32_t feature_level = kFirstFeatureLevel;

  bool operator==(const Configuration&) const = default;
};

// A founding in the log, where it is not known whether it was committed.
struct FoundingEntry {
  Index index;
  FoundingId id;

  bool operator==(const FoundingEntry&) const = default;
};

// What storage found at start-up.
struct Recovered {
  HardState hard_state;
  // The position just before the log's first entry: index and term of the last entry that was
  // trimmed away, or zeros.
  Index base_index;
  Term base_term;
  Chain base_chain = {};
  Index last_index;  // base_index when the log is empty
  Chain last_chain = {};
  std::vector<TermRun> terms;  // of the entries base_index + 1 .. last_index
  Index last_applied;  // up to here the state machine has everything: base_index <= last_applied

  // The configuration as of last_applied, and the entry that holds it (0: the cluster began with
  // it). Without members on a server that is to join a cluster and knows nothing of it yet.
  Configuration configuration = {};
  Index configuration_index = {};
  // Those in the log behind last_applied, by ascending index.
  std::vector<std::pair<Index, Configuration>> configurations = {};
  // Where the cluster's log began: 0, or the entry that the backup ended with which it was made of.
  Index origin_index = {};
  // This server was added to a cluster that existed. An empty log is no sign of a loss then.
  bool joined = false;
  // Of which cluster all of this is, where it is known for certain.
  FoundingId founding = {};
  std::optional<FoundingEntry> founding_entry = {};  // the latest in the log
  std::string ledger = {};                           // see Persist; empty: none was kept
};

// Reads entries that are durable and no longer held in memory. Called on the thread that drives
// consensus; may touch the disk, so consensus asks only for followers that lag and for a replay.
class LogReader {
 public:
  virtual ~LogReader() = default;
  // Entries from `first` on, at least one, then as many as are at hand until `last` or `bytes_max`
  // of payload is reached. Precondition: base_index < first <= last <= the last durable index. A
  // record that is missing or damaged is fatal inside: it never returns less than one entry.
  virtual std::vector<Entry> Read(Index first, Index last, size_t bytes_max) const = 0;
};

}  // namespace quorate::consensus

template <typename Tag>
struct std::hash<quorate::consensus::Number<Tag>> {
  size_t operator()(quorate::consensus::Number<Tag> number) const noexcept {
    return std::hash<uint64_t>()(number.value());
  }
};
