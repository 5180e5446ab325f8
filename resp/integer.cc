#include "resp/integer.h"

#include <charconv>
#include <system_error>

namespace quorate::resp {

std::optional<int64_t> ParseInteger(std::string_view text) {
  if (text == "0") {
    return 0;
  }
  // What remains begins with 1 to 9, so "-0" and leading zeros go here; from_chars itself refuses
  // '+' and blanks.
  const size_t first_digit = text.starts_with('-') ? 1 : 0;
  if (first_digit == text.size() || text[first_digit] < '1' || text[first_digit] > '9') {
    return std::nullopt;
  }
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) {
    return std::nullopt;
  }
  return value;
}

}  // namespace quorate::resp
