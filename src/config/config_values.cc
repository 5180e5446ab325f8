#include "src/config/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "resp/integer.h"
#include "src/base/ascii.h"

namespace quorate {
namespace {

constexpr size_t kBindAddressesMax = 16;  // Redis's CONFIG_BINDADDR_MAX

constexpr std::array<std::string_view, 4> kLogLevelNames = {"debug", "verbose", "notice",
                                                            "warning"};

struct MemoryUnit {
  std::string_view name;
  uint64_t bytes;
};

constexpr std::array<MemoryUnit, 8> kMemoryUnits = {{{"", 1},
                                                     {"b", 1},
                                                     {"k", 1000},
                                                     {"kb", 1024},
                                                     {"m", uint64_t{1000} * 1000},
                                                     {"mb", uint64_t{1024} * 1024},
                                                     {"g", uint64_t{1000} * 1000 * 1000},
                                                     {"gb", uint64_t{1024} * 1024 * 1024}}};

BadValue OutOfBounds(uint64_t min, uint64_t max) {
  return {"argument must be between " + std::to_string(min) + " and " + std::to_string(max) +
          " inclusive"};
}

// Nothing if `text` is no number of bytes, or one beyond 64 bits.
std::optional<uint64_t> ReadMemory(std::string_view text) {
  uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, count);
  if (result.ec != std::errc()) {
    return std::nullopt;
  }
  const std::string_view unit_name(result.ptr, static_cast<size_t>(end - result.ptr));
  for (const MemoryUnit& unit : kMemoryUnits) {
    if (EqualsIgnoringCase(unit_name, unit.name)) {
      if (count > std::numeric_limits<uint64_t>::max() / unit.bytes) {
        return std::nullopt;
      }
      return count * unit.bytes;
    }
  }
  return std::nullopt;
}

}  // namespace

Parsed<bool> ParseYesNo(std::string_view text) {
  if (EqualsIgnoringCase(text, "yes")) {
    return true;
  }
  if (EqualsIgnoringCase(text, "no")) {
    return false;
  }
  return BadValue{"argument must be 'yes' or 'no'"};
}

Parsed<bool> ParseClusterState(std::string_view text) {
  if (EqualsIgnoringCase(text, "new")) {
    return true;
  }
  if (EqualsIgnoringCase(text, "existing")) {
    return false;
  }
  return BadValue{"argument(s) must be one of the following: new, existing"};
}

Parsed<uint64_t> ParseNumber(std::string_view text, uint64_t min, uint64_t max) {
  const std::optional<int64_t> number = resp::ParseInteger(text);
  if (!number) {
    return BadValue{"argument couldn't be parsed into an integer"};
  }
  if (*number < 0 || static_cast<uint64_t>(*number) < min || static_cast<uint64_t>(*number) > max) {
    return OutOfBounds(min, max);
  }
  return static_cast<uint64_t>(*number);
}

Parsed<uint64_t> ParseMemory(std::string_view text, uint64_t min, uint64_t max) {
  const std::optional<uint64_t> bytes = ReadMemory(text);
  if (!bytes) {
    return BadValue{"argument must be a memory value"};
  }
  if (*bytes < min || *bytes > max) {
    return OutOfBounds(min, max);
  }
  return *bytes;
}

Parsed<LogLevel> ParseLogLevel(std::string_view text) {
  for (size_t i = 0; i < kLogLevelNames.size(); ++i) {
    if (EqualsIgnoringCase(text, kLogLevelNames[i])) {
      return static_cast<LogLevel>(i);
    }
  }
  std::string reason = "argument(s) must be one of the following: ";
  for (size_t i = 0; i < kLogLevelNames.size(); ++i) {
    reason.append(i == 0 ? "" : ", ").append(kLogLevelNames[i]);
  }
  return BadValue{std::move(reason)};
}

Parsed<std::vector<BindAddress>> ParseBindAddresses(std::span<const std::string> words) {
  if (words.size() > kBindAddressesMax) {
    return BadValue{"Too many bind addresses specified."};
  }
  std::vector<BindAddress> addresses;
  for (const std::string& word : words) {
    const bool may_be_absent = word.starts_with('-');
    const std::string host = word.substr(may_be_absent ? 1 : 0);
    const bool has_blank = std::any_of(host.begin(), host.end(), [](char byte) {
      return static_cast<unsigned char>(byte) <= ' ';
    });
    if (host.empty() || has_blank) {
      return BadValue{"'" + host + "' is not an address to listen on"};
    }
    addresses.push_back({host, may_be_absent});
  }
  if (addresses.empty()) {
    return BadValue{"at least one address to listen on is needed"};
  }
  return addresses;
}

Parsed<OutputBufferLimit> ParseOutputBufferLimit(std::span<const std::string> words) {
  if (words.size() != 4) {
    return BadValue{"Wrong number of arguments in buffer limit configuration."};
  }
  if (!EqualsIgnoringCase(words[0], "normal")) {
    return BadValue{
        "Invalid client class specified in buffer limit configuration. The only class is "
        "'normal'."};
  }
  const std::optional<uint64_t> hard_bytes = ReadMemory(words[1]);
  const std::optional<uint64_t> soft_bytes = ReadMemory(words[2]);
  const std::optional<int64_t> soft_seconds = resp::ParseInteger(words[3]);
  if (!hard_bytes || !soft_bytes || !soft_seconds || *soft_seconds < 0 ||
      *soft_seconds > std::numeric_limits<int32_t>::max()) {
    return BadValue{"Error in hard, soft or soft_seconds setting in buffer limit configuration."};
  }
  return OutputBufferLimit{*hard_bytes, *soft_bytes, static_cast<uint64_t>(*soft_seconds)};
}

std::string FormatClusterState(bool is_new) { return is_new ? "new" : "existing"; }

std::string FormatYesNo(bool value) { return value ? "yes" : "no"; }

std::string FormatLogLevel(LogLevel level) {
  return std::string(kLogLevelNames.at(static_cast<size_t>(level)));
}

std::string FormatBindAddresses(const std::vector<BindAddress>& addresses) {
  std::string text;
  for (const BindAddress& address : addresses) {
    text.append(text.empty() ? "" : " ")
        .append(address.may_be_absent ? "-" : "")
        .append(address.host);
  }
  return text;
}

std::string FormatOutputBufferLimit(const OutputBufferLimit& limit) {
  return "normal " + std::to_string(limit.hard_bytes) + " " + std::to_string(limit.soft_bytes) +
         " " + std::to_string(limit.soft_seconds);
}

}  // namespace quorate
