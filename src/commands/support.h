// What commands of several families use.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "resp/integer.h"
#include "resp/reply_writer.h"
#include "src/requests/command.h"

namespace quorate {

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

// How many databases there are, numbered from 0 on: as many as Redis has by default. The log and
// the state know no bound.
inline constexpr uint32_t kDatabaseCount = 16;
inline constexpr std::string_view kNoSuchDatabase = "ERR DB index is out of range";

// As Redis reads what should be a C int. The error; nothing: it is one.
inline std::optional<std::string> CheckInt(std::string_view text) {
  const auto number = resp::ParseInteger(text);
  if (!number) return std::string(kNotAnInteger);
  if (*number >= INT32_MIN && *number <= INT32_MAX) return std::nullopt;
  return "ERR value is out of range, value must between -2147483648 and 2147483647";
}

// Of a request that was checked. What the check allows may differ between versions, so what runs
// an entry takes any number. Nothing: it is none.
inline std::optional<uint32_t> ParseDatabase(std::string_view text) {
  const auto number = resp::ParseInteger(text);
  if (!number || *number < 0 || *number > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*number);
}
inline bool IsDatabase(std::string_view text) {
  return ParseDatabase(text).value_or(kDatabaseCount) < kDatabaseCount;
}
// The error of commands that name a database.
inline std::optional<std::string> CheckDatabase(std::string_view text) {
  if (std::optional<std::string> error = CheckInt(text)) return error;
  if (!IsDatabase(text)) return std::string(kNoSuchDatabase);
  return std::nullopt;
}

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
