// Randomness for tests: one seed gives one run, everywhere. The environment variable
// QUORATE_TEST_SEED repeats a run, and QUORATE_TEST_ROUNDS makes it longer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

namespace quorate::storage {

inline uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

inline uint64_t TestSeed(uint64_t otherwise) {
  return FromEnvironment("QUORATE_TEST_SEED", otherwise);
}

// Under the thread sanitizer a tenth: a fork takes the better part of a second there.
inline uint64_t TestRounds(uint64_t otherwise) {
#ifdef __SANITIZE_THREAD__
  otherwise = otherwise / 10 + 1;
#endif
  return FromEnvironment("QUORATE_TEST_ROUNDS", otherwise);
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // 0 .. bound - 1.
  uint64_t Below(uint64_t bound) { return engine_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
      const uint64_t word = engine_();
      std::memcpy(bytes.data() + at, &word, std::min(sizeof(word), size - at));
    }
    return bytes;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace quorate::storage
