// Which of a request's arguments are keys, and what becomes of them: Redis's key specifications
// (https://redis.io/docs/latest/develop/reference/key-specs/). What redirects, checks, answers
// COMMAND GETKEYS, or decides who may do what finds the keys here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "src/base/enum_set.h"

namespace quorate {

struct Command;

// The whole request, the command's name (and a subcommand's) included.
using Arguments = std::span<const std::string_view>;

// What a command does to the value of a key, and what it tells of it.
enum class KeyFlag : uint8_t {
  kReadOnly,       // RO
  kReadWrite,      // RW
  kOverwrite,      // OW: whatever was there before is of no account
  kRemove,         // RM
  kAccess,         // tells something of the value
  kUpdate,         // makes the value another, by data from the request or from another key
  kInsert,         // adds data, and changes none that is there
  kDelete,         // takes data away
  kNotKey,         // is no key, but is routed like one
  kIncomplete,     // the specification does not find all keys
  kVariableFlags,  // what becomes of the key depends on other arguments
};
using KeyFlags = EnumSet<KeyFlag>;
inline constexpr std::array<std::string_view, 11> kKeyFlagNames = {
    "RO",     "RW",     "OW",      "RM",         "access",        "update",
    "insert", "delete", "not_key", "incomplete", "variable_flags"};

// Where the keys of one kind are.
struct KeySpecification {
  // Where the search begins: at the argument `index`; behind the first argument that is `keyword`,
  // in any case of letters, from `index` on (negative: from the end, backwards); or nobody can say.
  enum class Begin : uint8_t { kIndex, kKeyword, kUnknown };
  // From there: a range up to `last` arguments further (negative: from the request's end), each
  // `step`-th of them, where `limit` above 1 takes only the first of so many parts of what is left;
  // or a number, `count_at` arguments further, says how many keys follow, `last` arguments further.
  enum class Find : uint8_t { kRange, kCount };

  KeyFlags flags = {};
  Begin begin = Begin::kIndex;
  Find find = Find::kRange;
  int index = 0;
  int last = 0;
  int step = 1;
  int limit = 0;
  int count_at = 0;
  std::string_view keyword = {};
  std::string_view notes = {};  // for COMMAND INFO
};

// One key at `index`.
constexpr KeySpecification KeyAt(int index, KeyFlags flags, std::string_view notes = {}) {
  return {.flags = flags, .index = index, .notes = notes};
}
// Each `step`-th argument from `index` to the request's end.
constexpr KeySpecification KeysFrom(int index, KeyFlags flags, int step = 1) {
  return {.flags = flags, .index = index, .last = -1, .step = step};
}
// The argument at `index` says how many keys follow it.
constexpr KeySpecification CountedKeysAt(int index, KeyFlags flags, std::string_view notes = {}) {
  return {.flags = flags,
          .find = KeySpecification::Find::kCount,
          .index = index,
          .last = 1,
          .notes = notes};
}

// All specifications of a command: a few, in place, so that a row of the table is one constant.
class KeySpecifications {
 public:
  static constexpr size_t kCountMax = 3;

  constexpr KeySpecifications() = default;
  constexpr KeySpecifications(std::initializer_list<KeySpecification> all) {
    for (const KeySpecification& one : all) all_[count_++] = one;
  }
  constexpr const KeySpecification* begin() const { return all_.data(); }
  constexpr const KeySpecification* end() const { return all_.data() + count_; }
  constexpr size_t size() const { return count_; }
  constexpr bool empty() const { return count_ == 0; }

 private:
  std::array<KeySpecification, kCountMax> all_ = {};
  size_t count_ = 0;
};

// The range of positions that clients know from before there were specifications: first key, last
// (negative: from the end), step; all 0 where there is none. `movable`: it does not say all.
struct LegacyKeyRange {
  int first = 0;
  int last = 0;
  int step = 0;
  bool movable = false;
};
LegacyKeyRange LegacyRangeOf(const KeySpecifications& specifications);

// The places of keys by one specification: first, behind the last, step.
struct KeyPlaces {
  size_t first = 0;
  size_t end = 0;
  size_t step = 1;
};
// Nothing: the request does not fit the specification. No places: it has none of these keys.
std::optional<KeyPlaces> FindPlaces(const KeySpecification& specification, Arguments arguments);

// Calls `use(key)` for each key that the specifications find. False: the request does not fit them,
// and not all were found. A row of the table is enough for it: allocates nothing.
template <typename Use>
bool ForEachKey(const KeySpecifications& specifications, Arguments arguments, Use&& use) {
  for (const KeySpecification& specification : specifications) {
    const std::optional<KeyPlaces> places = FindPlaces(specification, arguments);
    if (!places) return false;
    for (size_t at = places->first; at < places->end; at += places->step) use(arguments[at]);
  }
  return true;
}

// The key that says where a request belongs; null: it has none.
const std::string_view* FirstKey(const KeySpecifications& specifications, Arguments arguments);

struct KeyUse {
  std::string_view key;
  KeyFlags flags;
};
// For commands whose specifications do not say all: their keys are elsewhere, or the flags depend
// on the request. Nothing: the request does not say which.
using KeyFunction = std::optional<std::vector<KeyUse>> (*)(Arguments);

// All keys of a request, in their order, and what becomes of them. Nothing: the request does not
// say which. Precondition: the number of arguments is one that the command takes.
std::optional<std::vector<KeyUse>> KeysOf(const Command& command, Arguments arguments);

}  // namespace quorate
