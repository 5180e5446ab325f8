// A value or an error text. Storage reports what files and disks can do to us as values; it throws
// nothing.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace quorate::storage {

struct Error {
  std::string text;  // one sentence for an operator, naming the file
  // For lack of space, before anything was made durable: the same may be tried again.
  bool disk_full = false;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  T& value() {
    assert(ok());
    return std::get<0>(state_);
  }
  const T& value() const {
    assert(ok());
    return std::get<0>(state_);
  }
  const std::string& error() const {
    assert(!ok());
    return std::get<1>(state_).text;
  }
  bool disk_full() const { return !ok() && std::get<1>(state_).disk_full; }

 private:
  std::variant<T, Error> state_;
};

// Nothing, or an error.
using Status = Result<std::monostate>;
inline Status Ok() { return std::monostate(); }

}  // namespace quorate::storage
