// The keys, values and requests that the micro-benchmarks share: those of scripts/benchmark.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "resp/command_encoder.h"

namespace quorate {

// "key:000000012345", as redis-benchmark writes it.
inline std::string MakeKey(uint64_t number) {
  char key[32];
  const int size =
      std::snprintf(key, sizeof key, "key:%012llu", static_cast<unsigned long long>(number));
  return std::string(key, static_cast<size_t>(size));
}

inline const std::string& SomeValue() {
  static const std::string value(64, 'x');
  return value;
}

inline std::string SetRequest(uint64_t key_number) {
  const std::string key = MakeKey(key_number);
  const std::string_view arguments[] = {"SET", key, SomeValue()};
  std::string bytes;
  resp::AppendCommand(arguments, &bytes);
  return bytes;
}

inline std::string GetRequest(uint64_t key_number) {
  const std::string key = MakeKey(key_number);
  const std::string_view arguments[] = {"GET", key};
  std::string bytes;
  resp::AppendCommand(arguments, &bytes);
  return bytes;
}

// Numbers below `bound` without an order: the same ones in each run, each about as often.
class Scattered {
 public:
  explicit Scattered(uint64_t bound) : bound_(bound) {}
  uint64_t Next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return (state_ >> 33) % bound_;
  }

 private:
  const uint64_t bound_;
  uint64_t state_ = 1;
};

// The keys 0 to `count` - 1, made before a clock runs.
inline std::vector<std::string> MakeKeys(uint64_t count) {
  std::vector<std::string> keys;
  keys.reserve(count);
  for (uint64_t number = 0; number < count; ++number) keys.push_back(MakeKey(number));
  return keys;
}

}  // namespace quorate
