// Valid messages with random contents, for tests of the codec.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "consensus/message.h"

namespace quorate::consensus {

class RandomMessages {
 public:
  explicit RandomMessages(uint64_t seed) : random_(seed) {}

  // Of any type; an AppendEntries has up to `entries_max` entries of up to `payload_bytes_max`
  // each.
  Message Next(size_t entries_max, size_t payload_bytes_max);
  // Of the type at this position in Message.
  Message OfType(size_t alternative, size_t entries_max, size_t payload_bytes_max);
  std::string Bytes(size_t count);
  // 0 .. below - 1.
  uint64_t Below(uint64_t below) { return random_() % below; }

 private:
  // Numbers of all magnitudes.
  uint64_t Number() { return random_() >> Below(64); }
  Term SomeTerm() { return Term(1 + (Number() >> 1)); }
  bool Coin() { return Below(2) == 1; }
  std::string Text();
  Change SomeChange();
  AppendEntries Append(size_t entries_max, size_t payload_bytes_max);

  std::mt19937_64 random_;
};

}  // namespace quorate::consensus
