#include "src/cluster_identity.h"

#include <spdlog/fmt/fmt.h>
#include <xxhash.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "src/initial_cluster.h"
#include "src/member_address.h"

namespace quorate {
namespace {

// One spelling for one cluster, however the directive was written.
std::string DescribeMembers(const std::vector<Member>& members) {
  std::string text;
  for (const Member& member : members) {
    if (!text.empty()) text += ',';
    text += fmt::format("{}={}", member.id, MemberAddress(member));
  }
  return text;
}

uint64_t HashClusterId(const std::string& members, const std::string& token) {
  const uint64_t hash =
      XXH3_64bits_withSeed(members.data(), members.size(), XXH3_64bits(token.data(), token.size()));
  return hash == 0 ? 1 : hash;
}

uint32_t HashToken(const std::string& token) {
  return static_cast<uint32_t>(XXH3_64bits(token.data(), token.size()));
}

// The lower half tells the token, the upper one is drawn.
uint64_t RandomClusterId(const std::string& token) {
  std::random_device device;
  uint64_t id = 0;
  while (id == 0) id = (uint64_t{device()} << 32) | HashToken(token);
  return id;
}

// Whether the folder was made with another token than the one given now. A token that was not given
// says nothing.
bool TokenDiffers(const storage::Identity& stored, const std::string& token) {
  if (token == Config().initial_cluster_token) return false;
  return stored.members.empty() ? static_cast<uint32_t>(stored.cluster_id) != HashToken(token)
                                : stored.cluster_id != HashClusterId(stored.members, token);
}

const Member* FindMember(const std::vector<Member>& members, uint64_t id) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [id](const Member& member) { return member.id == id; });
  return found == members.end() ? nullptr : &*found;
}

bool HasSameIds(const std::vector<Member>& one, const std::vector<Member>& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const Member& left, const Member& right) { return left.id == right.id; });
}

// What a folder of that identity contradicts in the configuration.
std::optional<std::string> FindContradiction(const Config& config, const storage::Identity& stored,
                                             const std::vector<Member>& first_members) {
  // A node that was taken in may still be started with the words of an earlier life.
  if (stored.joined) return std::nullopt;
  if (config.node_id != 0 && config.node_id != stored.node_id.value()) {
    return fmt::format("the data folder belongs to {}, not to node {}", storage::Describe(stored),
                       config.node_id);
  }
  if (TokenDiffers(stored, config.initial_cluster_token)) {
    return fmt::format(
        "the data folder belongs to {}, a cluster whose initial-cluster-token is not '{}'",
        storage::Describe(stored), config.initial_cluster_token);
  }
  if (!config.initial_cluster.empty() && !HasSameIds(config.members, first_members)) {
    return fmt::format(
        "the data folder belongs to {}, which was begun with {} and not with the members of "
        "initial-cluster; they matter at the first start only, so leave them out if this is the "
        "right folder",
        storage::Describe(stored), stored.members.empty() ? "one member alone" : stored.members);
  }
  return std::nullopt;
}

OwnAddress AnnouncedAddress(const Config& config, uint16_t listen_peer_port) {
  OwnAddress address;
  if (!config.cluster_announce_ip.empty() || !config.initial_cluster.empty()) {
    address.host = config.self().host;
  }
  address.port = config.self().port;
  address.peer_port =
      config.cluster_announce_bus_port != 0 ? config.cluster_announce_bus_port : listen_peer_port;
  return address;
}

}  // namespace

std::variant<ChosenIdentity, std::string> ChooseIdentity(
    const Config& config, const std::optional<storage::Identity>& stored) {
  ChosenIdentity chosen;
  chosen.listen_peer_port = config.peer_port();
  if (!stored) {
    chosen.first_members = config.members;
    Member& self = chosen.first_members.front();
    if (self.id == 0) self.id = 1;
    storage::Identity& identity = chosen.identity;
    identity.node_id = consensus::NodeId(config.node_id == 0 ? 1 : config.node_id);
    if (config.initial_cluster.empty()) {
      identity.cluster_id = RandomClusterId(config.initial_cluster_token);
    } else {
      identity.members = DescribeMembers(config.members);
      identity.cluster_id = HashClusterId(identity.members, config.initial_cluster_token);
    }
    chosen.address = AnnouncedAddress(config, chosen.listen_peer_port);
    return chosen;
  }

  chosen.identity = *stored;
  if (!stored->members.empty()) {
    Parsed<std::vector<Member>> parsed = ParseInitialCluster(stored->members);
    if (const BadValue* bad = std::get_if<BadValue>(&parsed)) {
      return fmt::format("the members noted in the data folder, '{}', cannot be read: {}",
                         stored->members, bad->reason);
    }
    chosen.first_members = std::move(std::get<std::vector<Member>>(parsed));
  } else if (!stored->joined) {
    chosen.first_members = {config.self()};
    chosen.first_members.front().id = stored->node_id.value();
  }
  if (const auto contradiction = FindContradiction(config, *stored, chosen.first_members)) {
    return *contradiction;
  }
  // Where initial-cluster is left out, the port for peers is still the one that it once gave.
  const Member* first = FindMember(chosen.first_members, stored->node_id.value());
  if (first != nullptr && config.initial_cluster.empty() && config.cluster_port == 0 &&
      first->port == config.self().port) {
    chosen.listen_peer_port = first->peer_port;
  }
  chosen.address = AnnouncedAddress(config, chosen.listen_peer_port);
  return chosen;
}

}  // namespace quorate
