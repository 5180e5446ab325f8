#include "src/config_completion.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "src/config_values.h"
#include "src/initial_cluster.h"

namespace quorate {
namespace {

// What a request needs besides one value of the greatest size: its key, and the lengths of its
// parts.
constexpr uint64_t kRequestOverheadBytes = uint64_t{64} * 1024;

uint16_t AnnouncedPort(const Config& config) {
  return config.cluster_announce_port == 0 ? config.port : config.cluster_announce_port;
}

std::string AnnouncedHost(const Config& config) {
  if (!config.cluster_announce_ip.empty()) {
    return config.cluster_announce_ip;
  }
  const auto reachable =
      std::find_if(config.bind.begin(), config.bind.end(),
                   [](const BindAddress& address) { return !address.is_wildcard(); });
  return reachable == config.bind.end() ? "127.0.0.1" : reachable->host;
}

// A cluster of one.
std::optional<Conflict> CompleteAlone(Config& config) {
  const std::optional<uint16_t> peer_port = DefaultPeerPort(config.port);
  if (!peer_port) {
    return Conflict{{"port"},
                    "the peer port would be the port plus " + std::to_string(kPeerPortOffset) +
                        ", above 65535: give one with initial-cluster, as in " +
                        std::to_string(config.node_id) +
                        "=127.0.0.1:" + std::to_string(config.port) + "@50000"};
  }
  const std::string host = AnnouncedHost(config);
  if (!IsReachableHost(host)) {
    const std::string_view directive =
        config.cluster_announce_ip.empty() ? "bind" : "cluster-announce-ip";
    return Conflict{{directive},
                    "'" + host + "' is not a host name or an address that can be told to clients"};
  }
  config.members = {{config.node_id, host, AnnouncedPort(config), *peer_port}};
  return std::nullopt;
}

std::string ListIds(const std::vector<Member>& members) {
  std::string ids;
  for (const Member& member : members) {
    ids.append(ids.empty() ? "" : ", ").append(std::to_string(member.id));
  }
  return ids;
}

// Says where this server's own entry contradicts its other directives.
std::optional<Conflict> CheckSelf(const Config& config, const Member& self) {
  const std::string entry = "initial-cluster gives node " + std::to_string(self.id);
  if (self.port != AnnouncedPort(config)) {
    const std::string_view directive =
        config.cluster_announce_port == 0 ? "port" : "cluster-announce-port";
    return Conflict{{directive, "initial-cluster"},
                    entry + " the port " + std::to_string(self.port) + ", but " +
                        std::string(directive) + " is " + std::to_string(AnnouncedPort(config))};
  }
  if (!config.cluster_announce_ip.empty() && config.cluster_announce_ip != self.host) {
    return Conflict{{"cluster-announce-ip", "initial-cluster"},
                    entry + " the host " + self.host + ", but cluster-announce-ip is " +
                        config.cluster_announce_ip};
  }
  if (self.peer_port == config.port) {
    return Conflict{{"initial-cluster", "port"},
                    entry + " the peer port " + std::to_string(self.peer_port) +
                        ", which is also its port for clients"};
  }
  return std::nullopt;
}

std::optional<Conflict> CompleteFromInitialCluster(Config& config) {
  Parsed<std::vector<Member>> members = ParseInitialCluster(config.initial_cluster);
  if (const BadValue* bad = std::get_if<BadValue>(&members)) {
    return Conflict{{"initial-cluster"}, bad->reason};
  }
  config.members = std::move(std::get<std::vector<Member>>(members));
  const auto self = std::find_if(config.members.begin(), config.members.end(),
                                 [&](const Member& member) { return member.id == config.node_id; });
  if (self == config.members.end()) {
    return Conflict{{"node-id", "initial-cluster"},
                    "node-id is " + std::to_string(config.node_id) +
                        ", but the members of initial-cluster are " + ListIds(config.members)};
  }
  return CheckSelf(config, *self);
}

}  // namespace

std::optional<Conflict> FindConflict(const Config& config) {
  if (config.port == 0) {
    return Conflict{{"port"}, "port 0, a server without a port for clients, is not supported"};
  }
  if (config.client_query_buffer_limit_bytes < config.proto_max_bulk_len + kRequestOverheadBytes) {
    return Conflict{
        {"client-query-buffer-limit", "proto-max-bulk-len"},
        "client-query-buffer-limit (" + std::to_string(config.client_query_buffer_limit_bytes) +
            ") must be at least proto-max-bulk-len (" + std::to_string(config.proto_max_bulk_len) +
            ") plus " + std::to_string(kRequestOverheadBytes)};
  }
  if (config.election_timeout_ms < config.heartbeat_interval_ms * kElectionTimeoutPerHeartbeat) {
    return Conflict{{"election-timeout", "heartbeat-interval"},
                    "election-timeout (" + std::to_string(config.election_timeout_ms) +
                        ") must be at least " + std::to_string(kElectionTimeoutPerHeartbeat) +
                        " times heartbeat-interval (" +
                        std::to_string(config.heartbeat_interval_ms) + ")"};
  }
  return std::nullopt;
}

std::optional<Conflict> CompleteConfig(Config& config) {
  if (std::optional<Conflict> conflict = FindConflict(config)) {
    return conflict;
  }
  return config.initial_cluster.empty() ? CompleteAlone(config)
                                        : CompleteFromInitialCluster(config);
}

}  // namespace quorate
