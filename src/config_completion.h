#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/config.h"

namespace quorate {

// What is wrong with values that are fine one by one.
struct Conflict {
  std::vector<std::string_view> directives;  // that take part in it, the likeliest culprit first
  std::string reason;
};

// The last step from directives to a Config that a server can run with: looks for conflicts, and
// fills in `config.members`.
std::optional<Conflict> CompleteConfig(Config& config);

}  // namespace quorate
