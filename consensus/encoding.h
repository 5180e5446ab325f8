// Numbers and texts as bytes, little endian: for what consensus itself stores in log entries.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::consensus {

template <std::unsigned_integral Integer>
void Put(Integer value, std::string* out) {
  for (size_t byte = 0; byte < sizeof(Integer); ++byte) {
    out->push_back(static_cast<char>(value >> (8 * byte)));
  }
}

// Precondition: the text has less than 64 KiB.
inline void PutText(std::string_view text, std::string* out) {
  Put(static_cast<uint16_t>(text.size()), out);
  *out += text;
}

// Takes values off the front of bytes that are not trusted. After the first that is not there, all
// are 0 and ok() is false.
class Taker {
 public:
  explicit Taker(std::string_view bytes) : bytes_(bytes) {}

  template <std::unsigned_integral Integer>
  Integer Take() {
    const std::string_view taken = TakeBytes(sizeof(Integer));
    Integer value = 0;
    for (size_t byte = 0; byte < taken.size(); ++byte) {
      const auto bits = static_cast<Integer>(static_cast<unsigned char>(taken[byte]));
      value = static_cast<Integer>(value | bits << (8 * byte));
    }
    return value;
  }
  std::string TakeText() { return std::string(TakeBytes(Take<uint16_t>())); }
  bool TakeBool() {
    const auto value = Take<uint8_t>();
    ok_ = ok_ && value <= 1;
    return value == 1;
  }
  // They point into the bytes that are being taken apart.
  std::string_view TakeBytes(size_t count) {
    if (!ok_ || bytes_.size() < count) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  bool ok() const { return ok_; }
  bool complete() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace quorate::consensus
