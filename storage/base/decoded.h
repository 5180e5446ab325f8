// What stored bytes say, or why they say nothing: damage, or a newer version's format. The two ask
// for different things of an operator, so neither is ever reported as the other.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <utility>

namespace quorate::storage {

enum class Unreadable : uint8_t {
  kDamaged,
  kNewer,  // intact, and in a format that this version does not know
};

template <typename T>
class [[nodiscard]] Decoded {
 public:
  Decoded(T value) : value_(std::move(value)) {}
  Decoded(Unreadable why) : why_(why) {}

  bool has_value() const { return value_.has_value(); }
  explicit operator bool() const { return has_value(); }
  const T& operator*() const {
    assert(has_value());
    return *value_;
  }
  T& operator*() {
    assert(has_value());
    return *value_;
  }
  const T* operator->() const { return &**this; }
  // Precondition: there is no value.
  Unreadable why() const {
    assert(!has_value());
    return why_;
  }

 private:
  std::optional<T> value_;
  Unreadable why_ = Unreadable::kDamaged;
};

// What to say of intact data that this version does not know, behind its name.
inline constexpr const char* kWrittenByNewer =
    "was written by a newer version of Quorate: start that version, or a newer one";

}  // namespace quorate::storage
