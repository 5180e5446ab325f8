// Is there an order in which the operations on one key could have happened one after another, each
// between its call and its return, with just these results? (Herlihy and Wing 1990; the search is
// Wing and Gong's 1993 with Lowe's memory of states seen, 2017.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/simulation/operation.h"

namespace quorate::simulation {

// An operation as one key sees it: what it saw, and then what it did.
struct KeyOperation {
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  enum class Seen : uint8_t { kNothing, kValue, kPresent, kMissing };
  enum class Condition : uint8_t { kAlways, kIfMissing, kIfPresent };
  enum class Effect : uint8_t { kNone, kSet, kDelete };

  uint64_t call = 0;
  // kNever: nobody knows whether it happened. It may have no effect, or one at any time after the
  // call.
  uint64_t ret = 0;
  // Operations of one connection happen in the order in which they were sent, if they happen.
  uint64_t connection = 0;
  Seen seen = Seen::kNothing;  // kNothing where `ret` is kNever
  ValueId value_seen = 0;
  Condition condition = Condition::kAlways;
  Effect effect = Effect::kNone;
  ValueId value = 0;  // no other operation has the same
  size_t source = 0;  // opaque; for messages
};

enum class Judgement : uint8_t { kLinearizable, kNotLinearizable, kUndecided };

// The operations in the order of their calls. The key has no value at the beginning. `steps_max`
// bounds the search: beyond it the answer is kUndecided.
// Calls and returns are different moments, all of them.
Judgement CheckKey(std::span<const KeyOperation> operations, uint64_t steps_max);

// The parts of an operation that concern its i-th key. Preconditions: kDone or kUnknown.
KeyOperation PartOf(const Operation& operation, size_t i);

// Checks all keys. `undecided` counts those whose search was given up. The keys that cannot be
// explained, each with its operations.
struct HistoryReport {
  size_t keys = 0;
  size_t undecided = 0;
  std::optional<uint32_t> bad_key;
  uint64_t bad_moment = 0;  // what was seen until then cannot be explained, all but the last can
  std::vector<std::string> bad_operations;  // of that key up to then, in the order of their calls
};
HistoryReport CheckHistory(const std::vector<Operation>& operations, uint32_t key_count,
                           uint64_t steps_max);

}  // namespace quorate::simulation
