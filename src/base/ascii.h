// Letters without regard to the locale, which names of commands and directives never depend on.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace quorate {

constexpr char ToLower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

inline std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char byte) { return ToLower(byte); });
  return lower;
}

constexpr bool EqualsIgnoringCase(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return ToLower(a) == ToLower(b); });
}

}  // namespace quorate
