#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/config.h"
#include "src/config/config_values.h"

namespace quorate {

// A write waits for a majority, so every member beyond the usual three or five only adds work.
inline constexpr size_t kMembersMax = 15;

// Reads the members of a cluster from `id=host:port[@peer-port],...`, the form of the directive
// initial-cluster, by ascending id. An IPv6 address stands in [brackets]. Refuses what could not
// work as a cluster: no two ids and no two addresses, of clients and peers together, are the same.
Parsed<std::vector<Member>> ParseInitialCluster(std::string_view text);

}  // namespace quorate
