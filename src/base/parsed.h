// What reading a text gives: the value, or why the text was refused.
#pragma once

#include <string>
#include <variant>

namespace quorate {

// The reason why a value was refused, as the operator reads it.
struct BadValue {
  std::string reason;
};
template <typename T>
using Parsed = std::variant<T, BadValue>;

}  // namespace quorate
