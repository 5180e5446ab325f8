// Fixed-width integers as they lie in records: little endian, unaligned.
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace quorate::storage {

// LMDB's own pages have the byte order of the machine that wrote them, so a data folder belongs to
// little-endian machines anyway.
static_assert(std::endian::native == std::endian::little);

// Writes `value` at `to` and returns the place behind it.
template <typename Integer>
char* PutInteger(char* to, Integer value) {
  static_assert(std::is_integral_v<Integer>);
  std::memcpy(to, &value, sizeof(value));
  return to + sizeof(value);
}

template <typename Integer>
void AppendInteger(std::string* to, Integer value) {
  static_assert(std::is_integral_v<Integer>);
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Precondition: sizeof(Integer) bytes are there.
template <typename Integer>
Integer GetInteger(const char* from) {
  static_assert(std::is_integral_v<Integer>);
  Integer value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// Takes fields from the front of bytes that may be too short: the first field that is not there,
// and all after it, read as zero, and ok() turns false.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  template <typename Integer>
  Integer Take() {
    const std::string_view bytes = TakeBytes(sizeof(Integer));
    return bytes.empty() ? Integer{} : GetInteger<Integer>(bytes.data());
  }

  std::string_view TakeBytes(size_t size) {
    if (!ok_ || rest_.size() < size) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  bool ok() const { return ok_; }
  // All fields were there, and nothing else.
  bool finished() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace quorate::storage
