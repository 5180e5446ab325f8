#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/config.h"

namespace quorate {

// What is wrong with values that are fine one by one.
struct Conflict {
  std::vector<std::string_view> directives;  // that take part in it, the likeliest culprit first
  std::string reason;
};

// Looks for values that do not go together, in whatever directives but those of the cluster's
// members.
std::optional<Conflict> FindConflict(const Config& config);

// The last step from directives to a Config that a server can start with: looks for any conflict,
// and fills in `config.members`.
std::optional<Conflict> CompleteConfig(Config& config);

// The host that a server announces although no directive names one. The cluster has noted the host
// `noted` for it. If that is an IP address that is not in `bind` any more, the server has moved:
// returns the address in `bind`. Empty: the noted host may still be right. Precondition: completed,
// without initial-cluster and cluster-announce-ip.
std::string HostAfterMove(const Config& config, const std::string& noted);

}  // namespace quorate
