#include "src/config/config_completion.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>
#include <variant>

#include "src/config/config_values.h"
#include "src/config/initial_cluster.h"
#include "src/members/member_address.h"

namespace quorate {
namespace {

// What a request needs besides one value of the greatest size: its key, and the lengths of its
// parts.
constexpr uint64_t kRequestOverheadBytes = uint64_t{64} * 1024;

uint16_t AnnouncedPort(const Config& config) {
  return config.cluster_announce_port == 0 ? config.port : config.cluster_announce_port;
}

// Empty: a node that listens on all addresses does not know which of them others can reach.
std::string AnnouncedHost(const Config& config) {
  if (!config.cluster_announce_ip.empty()) {
    return config.cluster_announce_ip;
  }
  // Best is an address that is certainly there, and that other machines reach.
  const auto rank = [](const BindAddress& address) {
    return std::tuple(address.may_be_absent, IsLoopbackHost(address.host), address.is_wildcard());
  };
  const BindAddress& best = *std::ranges::min_element(config.bind, {}, rank);
  const bool others_reach_it = !best.is_wildcard() && !IsLoopbackHost(best.host);
  if (!others_reach_it && std::ranges::any_of(config.bind, &BindAddress::is_wildcard)) {
    return "";
  }
  return best.host;
}

// A cluster of one, or a node that another cluster will take in.
std::optional<Conflict> CompleteAlone(Config& config) {
  const std::optional<uint16_t> peer_port =
      config.cluster_port != 0 ? config.cluster_port : DefaultPeerPort(config.port);
  if (!peer_port) {
    return Conflict{{"port"},
                    "the port for peers would be the port plus " + std::to_string(kPeerPortOffset) +
                        ", above 65535: give one with cluster-port"};
  }
  if (*peer_port == config.port) {
    return Conflict{
        {"cluster-port", "port"},
        "cluster-port is " + std::to_string(config.port) + ", which is also the port for clients"};
  }
  if (!config.join.empty()) {
    const Parsed<Member> member = ParseMemberAddress(config.join);
    if (const BadValue* bad = std::get_if<BadValue>(&member)) {
      return Conflict{{"join"}, bad->reason};
    }
  }
  const std::string host = AnnouncedHost(config);
  if (!host.empty() && !IsReachableHost(host)) {
    const std::string_view directive =
        config.cluster_announce_ip.empty() ? "bind" : "cluster-announce-ip";
    return Conflict{{directive},
                    "'" + host + "' is not a host name or an address that can be told to clients"};
  }
  config.members = {
      {config.node_id, host, AnnouncedPort(config),
       config.cluster_announce_bus_port != 0 ? config.cluster_announce_bus_port : *peer_port}};
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
  const uint16_t announced_peer_port = config.cluster_announce_bus_port != 0
                                           ? config.cluster_announce_bus_port
                                           : config.cluster_port;
  if (announced_peer_port != 0 && announced_peer_port != self.peer_port) {
    const std::string_view directive =
        config.cluster_announce_bus_port != 0 ? "cluster-announce-bus-port" : "cluster-port";
    return Conflict{{directive, "initial-cluster"},
                    entry + " the peer port " + std::to_string(self.peer_port) + ", but " +
                        std::string(directive) + " is " + std::to_string(announced_peer_port)};
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
  if (config.node_id == 0) config.node_id = 1;
  if (!config.join.empty()) {
    return Conflict{{"join", "initial-cluster"},
                    "initial-cluster begins a new cluster, and join becomes part of another"};
  }
  const auto self = std::find_if(config.members.begin(), config.members.end(),
                                 [&](const Member& member) { return member.id == config.node_id; });
  if (self == config.members.end()) {
    return Conflict{{"node-id", "initial-cluster"},
                    "node-id is " + std::to_string(config.node_id) +
                        ", but the members of initial-cluster are " + ListIds(config.members)};
  }
  return CheckSelf(config, *self);
}

bool IsClusterId(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What lies in the data folder besides backups: these names, and with something behind a dot.
bool IsNameOfData(std::string_view file_name) {
  constexpr std::array<std::string_view, 4> kNames = {"lock", "log", "state", "change"};
  const std::string_view stem = file_name.substr(0, file_name.find('.'));
  return std::find(kNames.begin(), kNames.end(), stem) != kNames.end();
}

}  // namespace

std::optional<Conflict> FindConflict(const Config& config) {
  if (config.dbfilename.find('/') != std::string::npos || config.dbfilename == "." ||
      config.dbfilename == "..") {
    return Conflict{{"dbfilename"}, "dbfilename can't be a path, just a filename"};
  }
  if (IsNameOfData(config.dbfilename)) {
    return Conflict{{"dbfilename"},
                    "'" + config.dbfilename + "' in the data folder is a name of the data itself"};
  }
  if (config.port == 0) {
    return Conflict{{"port"}, "port 0, a server without a port for clients, is not supported"};
  }
  if (!config.restore_from.empty() && !config.join.empty()) {
    return Conflict{{"restore-from", "join"},
                    "restore-from begins a new cluster, and join becomes part of another"};
  }
  if (!config.force_new_cluster.empty() && !IsClusterId(config.force_new_cluster)) {
    return Conflict{
        {"force-new-cluster"},
        "the id of a cluster is 16 hexadecimal digits, as INFO has it in raft_cluster_id"};
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

std::string HostAfterMove(const Config& config, const std::string& noted) {
  const std::string& host = config.self().host;
  const auto is_noted = [&](const BindAddress& address) { return address.host == noted; };
  if (!IsNumericHost(noted) || !IsNumericHost(host)) return "";
  if (std::ranges::any_of(config.bind, is_noted)) return "";
  // Others on other machines would look for it on their own.
  if (IsLoopbackHost(host) && !IsLoopbackHost(noted)) return "";
  return host;
}

}  // namespace quorate
