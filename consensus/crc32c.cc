#include "consensus/crc32c.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstring>

#include "consensus/crc32c_implementations.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

// Both implementations work on the register's raw state, which is the complement of the checksum:
// on it, the function is linear over xor, which the tables and the joining of streams rest on.

namespace quorate::consensus {

namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // Castagnoli, bits reversed

// kTables[n][b]: what a byte b does to the state once n zero bytes have followed it.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t state = byte;
    for (int bit = 0; bit < 8; ++bit) {
      state = (state >> 1) ^ ((state & 1) != 0 ? kPolynomial : 0);
    }
    tables[0][byte] = state;
  }
  for (size_t zeros = 1; zeros < tables.size(); ++zeros) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[zeros - 1][byte];
      tables[zeros][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint32_t UpdateByte(uint32_t state, char byte) {
  return (state >> 8) ^ kTables[0][(state ^ static_cast<unsigned char>(byte)) & 0xFF];
}

#if defined(__x86_64__)

// The instruction takes three cycles but one can start each cycle, so three streams run side by
// side: neighbouring stretches of kStretch bytes, joined by moving the first past the second and
// both past the third. Moving a state past n zero bytes is linear, hence a table lookup for each of
// its four bytes.
using ShiftTable = std::array<std::array<uint32_t, 256>, 4>;

template <size_t kZeros>
constexpr ShiftTable MakeShiftTable() {
  std::array<uint32_t, 32> images{};  // of the state's single bits
  for (size_t bit = 0; bit < images.size(); ++bit) {
    uint32_t state = uint32_t{1} << bit;
    for (size_t zero = 0; zero < kZeros; ++zero) {
      state = (state >> 8) ^ kTables[0][state & 0xFF];
    }
    images[bit] = state;
  }
  ShiftTable table{};
  for (size_t position = 0; position < table.size(); ++position) {
    for (size_t byte = 0; byte < 256; ++byte) {
      for (size_t bit = 0; bit < 8; ++bit) {
        if ((byte >> bit & 1) != 0) {
          table[position][byte] ^= images[position * 8 + bit];
        }
      }
    }
  }
  return table;
}

uint32_t Shift(const ShiftTable& table, uint32_t state) {
  return table[0][state & 0xFF] ^ table[1][state >> 8 & 0xFF] ^ table[2][state >> 16 & 0xFF] ^
         table[3][state >> 24];
}

__attribute__((target("sse4.2"))) inline uint64_t UpdateWord(uint64_t state, const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return _mm_crc32_u64(state, word);
}

// Takes whole groups of three stretches off the front of `bytes`.
template <size_t kStretch>
__attribute__((target("sse4.2"))) uint32_t UpdateStretches(uint32_t state,
                                                           std::string_view* bytes) {
  static_assert(kStretch % sizeof(uint64_t) == 0);
  static constexpr ShiftTable kShift = MakeShiftTable<kStretch>();
  while (bytes->size() >= 3 * kStretch) {
    const char* data = bytes->data();
    uint64_t first = state;
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t at = 0; at < kStretch; at += sizeof(uint64_t)) {
      first = UpdateWord(first, data + at);
      second = UpdateWord(second, data + kStretch + at);
      third = UpdateWord(third, data + 2 * kStretch + at);
    }
    const uint32_t first_two =
        Shift(kShift, static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
    state = Shift(kShift, first_two) ^ static_cast<uint32_t>(third);
    bytes->remove_prefix(3 * kStretch);
  }
  return state;
}

#endif

}  // namespace

uint32_t Crc32cByTables(std::string_view bytes, uint32_t seed) {
  uint32_t state = ~seed;
  while (bytes.size() >= 8) {
    const auto at = [&bytes](size_t position) {
      return static_cast<uint32_t>(static_cast<unsigned char>(bytes[position]));
    };
    state ^= at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24;
    state = kTables[7][state & 0xFF] ^ kTables[6][state >> 8 & 0xFF] ^
            kTables[5][state >> 16 & 0xFF] ^ kTables[4][state >> 24] ^ kTables[3][at(4)] ^
            kTables[2][at(5)] ^ kTables[1][at(6)] ^ kTables[0][at(7)];
    bytes.remove_prefix(8);
  }
  for (const char byte : bytes) {
    state = UpdateByte(state, byte);
  }
  return ~state;
}

#if defined(__x86_64__)

bool HasCrc32cInstruction() { return __builtin_cpu_supports("sse4.2") != 0; }

__attribute__((target("sse4.2"))) uint32_t Crc32cByInstruction(std::string_view bytes,
                                                               uint32_t seed) {
  uint32_t state = ~seed;
  state = UpdateStretches<1024>(state, &bytes);
  state = UpdateStretches<128>(state, &bytes);
  uint64_t wide_state = state;
  while (bytes.size() >= sizeof(uint64_t)) {
    wide_state = UpdateWord(wide_state, bytes.data());
    bytes.remove_prefix(sizeof(uint64_t));
  }
  state = static_cast<uint32_t>(wide_state);
  for (const char byte : bytes) {
    state = _mm_crc32_u8(state, static_cast<unsigned char>(byte));
  }
  return ~state;
}

#else

bool HasCrc32cInstruction() { return false; }

uint32_t Crc32cByInstruction(std::string_view bytes, uint32_t seed) {
  assert(HasCrc32cInstruction());
  return Crc32cByTables(bytes, seed);
}

#endif

uint32_t Crc32c(std::string_view bytes, uint32_t seed) {
  // Not remembered in a variable of ours: the answer is one load away, and valid before any of our
  // initializers ran.
  return HasCrc32cInstruction() ? Crc32cByInstruction(bytes, seed) : Crc32cByTables(bytes, seed);
}

}  // namespace quorate::consensus
