#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace quorate::resp {

// The number that `text` spells in the one canonical way: an optional '-', then digits without a
// leading zero, all of `text`, in the range of int64_t. Anything else ("", "+4", "04", "-0", " 4")
// is nothing. This is how Redis 7.0 reads the lengths of its protocol as well as the integer
// arguments and values of its commands.
std::optional<int64_t> ParseInteger(std::string_view text);

}  // namespace quorate::resp
