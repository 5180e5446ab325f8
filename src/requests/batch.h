// The payload of a log entry: the write commands that arrived in one round, as units behind a short
// header. Batch format 2; integers are little endian, a varint is 7 bits a byte, lowest first:
//
//   u8 format   u64 clock_ms   u64 seed   u32 count of units   fields   units
//
// A unit is a command and what it needs to run the same on every member:
//
//   u8 flags           what follows
//   varint database    the logical database; else 0
//   varint user        who has sent it; else 0, the default user
//   varint budget      how much work a script may do
//   fields
//   varint count       of the nested units, which follow the request: those of a transaction or
//                      script
//   the request        RESP, as in Redis's append-only file
//
// Fields are how the format grows: a varint with their size in bytes, then {varint tag, varint
// size, bytes} for each. Code that does not know a tag skips the field if the tag is even, and must
// not apply the batch if it is odd. The same holds for a flag that it does not know, and for a
// format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace quorate {

struct BatchHeader {
  int64_t clock_ms = 0;  // the log's clock, Unix time; the present time to all its commands
  uint64_t seed = 0;     // where the commands' randomness comes from
  uint32_t command_count = 0;

  bool operator==(const BatchHeader&) const = default;
};

// What a unit says beside its request.
struct UnitFacts {
  uint32_t database = 0;
  uint32_t user = 0;
  std::optional<uint64_t> budget = {};
  uint32_t nested = 0;  // units directly inside it

  bool operator==(const UnitFacts&) const = default;
};

// How deep units may be nested: a transaction's script that calls commands takes three.
inline constexpr size_t kUnitDepthMax = 4;

// A batch being filled.
class BatchBuilder {
 public:
  BatchBuilder();

  // With `facts.nested`, the next so many calls add the units inside this one. Precondition: they
  // are no deeper than kUnitDepthMax.
  void Add(const resp::Request& request, const UnitFacts& facts = {});
  // Those that are in no other.
  uint32_t command_count() const { return command_count_; }
  size_t bytes() const { return bytes_.size(); }
  // The finished payload; the builder is empty again. Precondition: no nested unit is missing.
  std::string Finish(int64_t clock_ms, uint64_t seed);

 private:
  std::string bytes_;
  uint32_t command_count_ = 0;
  std::vector<uint32_t> missing_;  // nested units, for each unit that is not complete
};

struct BatchUnit {
  UnitFacts facts;
  std::string_view request;  // RESP; without nested units
  // Among the arguments of the whole batch.
  size_t first_argument = 0;
  size_t arguments = 0;
};

// A batch taken apart, without a copy. Keeps its memory from one batch to the next.
class Batch {
 public:
  enum class Status : uint8_t {
    kOk,
    kNewer,    // intact as far as this version can tell, and made by a newer one: not to be applied
    kDamaged,  // no batch
  };

  Batch();

  // What the other functions return is valid until the next Decode, and as long as the payload.
  Status Decode(std::string_view payload);

  // The rest is for after kOk.
  const BatchHeader& header() const { return header_; }
  // All units, each before those that are nested in it.
  std::span<const BatchUnit> units() const { return units_; }
  std::span<const std::string_view> arguments(const BatchUnit& unit) const {
    return std::span(arguments_).subspan(unit.first_argument, unit.arguments);
  }

 private:
  Status DecodeUnit(std::string_view* rest, size_t depth);
  Status DecodeRequest(std::string_view* rest, BatchUnit* unit);

  const resp::Limits no_limits_ = resp::Limits::None();
  std::optional<resp::RequestParser> parser_;
  BatchHeader header_;
  std::vector<BatchUnit> units_;
  std::vector<std::string_view> arguments_;  // of all units, one after another
};

// The time in a batch's header. Nothing: these bytes are no batch of this format.
std::optional<int64_t> BatchClock(std::string_view payload);

// The seed of the command at `position` in a batch.
uint64_t CommandSeed(uint64_t batch_seed, uint32_t position);

}  // namespace quorate
