// What simulated clients ask for, and what they learn of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quorate::simulation {

enum class CommandKind : uint8_t {
  kGet,
  kMget,
  kExists,
  kSet,
  kSetNx,
  kSetXx,
  kSetGet,
  kSetNxGet,
  kSetXxGet,
  kMset,
  kDel,
};

enum class Outcome : uint8_t {
  kPending,
  kDone,         // answered with a result
  kNotExecuted,  // answered that it certainly has no effect
  kUnknown,      // the server does not know, or the connection has broken
};

// The number of a written value. Each is written by one operation only. 0: no value.
using ValueId = uint64_t;

// One command of one client. Operations of one connection are numbered in the order of sending.
struct Operation {
  uint64_t id = 0;
  uint64_t client = 0;
  uint64_t connection = 0;
  CommandKind kind = CommandKind::kGet;
  std::vector<uint32_t> keys;
  std::vector<ValueId> values;  // one for each key; writes of values only
  Outcome outcome = Outcome::kPending;
  // Moments in the order of all that clients did; no two are equal.
  uint64_t invoked = 0;
  uint64_t completed = 0;
  // Of kDone: what each key held (kGet, kMget, and commands with GET)...
  std::vector<ValueId> found;
  // ...how many keys there were (kExists, kDel), or whether SET answered OK.
  int64_t count = 0;
};

bool IsWrite(CommandKind kind);
const char* NameOf(CommandKind kind);
const char* NameOf(Outcome outcome);

std::string KeyName(uint32_t key);
// The bytes of a value: its number, and some more to make values of different sizes.
std::string ValueBytes(ValueId value, uint32_t bytes_max);
// The operation as RESP, its id given. A DEL names one more key, which never exists, so that it can
// be told from another in the log.
std::string Encode(const Operation& operation, uint32_t value_bytes_max);
// One line for people.
std::string Describe(const Operation& operation);

}  // namespace quorate::simulation
