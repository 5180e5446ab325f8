// The forms that values of directives take: text to value, and back. The parsers report an error as
// the text that Redis has for it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/parsed.h"
#include "src/config/config.h"

namespace quorate {

Parsed<bool> ParseYesNo(std::string_view text);

// etcd's words for a cluster: new (true) or existing.
Parsed<bool> ParseClusterState(std::string_view text);

// A decimal integer within [min, max].
Parsed<uint64_t> ParseNumber(std::string_view text, uint64_t min, uint64_t max);

// A number of bytes within [min, max], optionally with a unit: b, k (1000), kb (1024), m, mb, g,
// gb.
Parsed<uint64_t> ParseMemory(std::string_view text, uint64_t min, uint64_t max);

Parsed<LogLevel> ParseLogLevel(std::string_view text);

// One address a word; '-' in front: may be absent.
Parsed<std::vector<BindAddress>> ParseBindAddresses(std::span<const std::string> words);

// "normal" hard soft seconds.
Parsed<OutputBufferLimit> ParseOutputBufferLimit(std::span<const std::string> words);

std::string FormatYesNo(bool value);
std::string FormatClusterState(bool is_new);
std::string FormatLogLevel(LogLevel level);
std::string FormatBindAddresses(const std::vector<BindAddress>& addresses);
std::string FormatOutputBufferLimit(const OutputBufferLimit& limit);

}  // namespace quorate
