#include "storage/keyspace/siphash.h"

#include <bit>
#include <cstring>

#include "storage/base/encoding.h"

namespace quorate::storage {
namespace {

// One compression round a word and three to finish. Debian's libraries offer 2-4, at twice the
// cost.
constexpr int kFinalRounds = 3;

class State {
 public:
  explicit State(const HashSecret& secret) {
    uint64_t words[2];
    std::memcpy(words, secret.data(), sizeof(words));
    a_ = words[0] ^ 0x736f6d6570736575;
    b_ = words[1] ^ 0x646f72616e646f6d;
    c_ = words[0] ^ 0x6c7967656e657261;
    d_ = words[1] ^ 0x7465646279746573;
  }

  void ForLongOutput() { b_ ^= 0xee; }

  void Absorb(std::string_view bytes) {
    const char* at = bytes.data();
    const char* const end = at + bytes.size() / sizeof(uint64_t) * sizeof(uint64_t);
    for (; at != end; at += sizeof(uint64_t)) Compress(GetInteger<uint64_t>(at));
    // The last word has the bytes that are left, and the length's low byte at its top.
    uint64_t last = uint64_t{bytes.size()} << 56;
    for (size_t i = 0; i < bytes.size() % sizeof(uint64_t); ++i) {
      last |= uint64_t{static_cast<uint8_t>(at[i])} << (8 * i);
    }
    Compress(last);
  }

  uint64_t Finish() {
    for (int i = 0; i < kFinalRounds; ++i) Round();
    return a_ ^ b_ ^ c_ ^ d_;
  }

  void MarkFirst(uint8_t mark) { c_ ^= mark; }
  void MarkSecond(uint8_t mark) { b_ ^= mark; }

 private:
  void Round() {
    a_ += b_;
    b_ = std::rotl(b_, 13) ^ a_;
    a_ = std::rotl(a_, 32);
    c_ += d_;
    d_ = std::rotl(d_, 16) ^ c_;
    a_ += d_;
    d_ = std::rotl(d_, 21) ^ a_;
    c_ += b_;
    b_ = std::rotl(b_, 17) ^ c_;
    c_ = std::rotl(c_, 32);
  }

  void Compress(uint64_t word) {
    d_ ^= word;
    Round();
    a_ ^= word;
  }

  uint64_t a_, b_, c_, d_;
};

}  // namespace

uint64_t SipHash13(const HashSecret& secret, std::string_view bytes) {
  State state(secret);
  state.Absorb(bytes);
  state.MarkFirst(0xff);
  return state.Finish();
}

std::array<char, 16> SipHash13Of128Bits(const HashSecret& secret, std::string_view bytes) {
  State state(secret);
  state.ForLongOutput();
  state.Absorb(bytes);
  std::array<char, 16> hash;
  state.MarkFirst(0xee);
  PutInteger(hash.data(), state.Finish());
  state.MarkSecond(0xdd);
  PutInteger(hash.data() + sizeof(uint64_t), state.Finish());
  return hash;
}

}  // namespace quorate::storage
