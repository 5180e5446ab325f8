// What commands of several families use.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "resp/reply_writer.h"
#include "src/requests/command.h"

namespace quorate {

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

// Of all patterns of one command together: matching takes their length times that of all names.
inline constexpr size_t kPatternBytesMax = 16 << 10;
inline constexpr std::string_view kPatternTooLong = "ERR pattern is too long (maximum 16384 bytes)";

inline bool AreTooLong(Arguments patterns) {
  size_t bytes = 0;
  for (std::string_view pattern : patterns) bytes += pattern.size();
  return bytes > kPatternBytesMax;
}

// The reply to HELP of a container: its name, then lines in pairs of usage and meaning.
inline void WriteHelp(std::string_view container, std::initializer_list<std::string_view> lines,
                      resp::ReplyWriter& writer) {
  writer.Array(lines.size() + 3);
  writer.SimpleString(
      fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container));
  for (std::string_view line : lines) writer.SimpleString(line);
  writer.SimpleString("HELP");
  writer.SimpleString("    Print this help.");
}

// Redis's rule for names that stand in CLIENT LIST: printable, without blanks.
inline bool IsClientAttribute(std::string_view text) {
  for (char byte : text) {
    if (byte < '!' || byte > '~') return false;
  }
  return true;
}

}  // namespace quorate
