#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace quorate::resp {

// Appends a command to `output` as a RESP array of bulk strings: what RequestParser reads, and what
// the log holds. `arguments` has at least one element, none of them within `output`.
void AppendCommand(std::span<const std::string_view> arguments, std::string* output);

// How many bytes AppendCommand appends.
size_t EncodedCommandBytes(std::span<const std::string_view> arguments);

}  // namespace quorate::resp
