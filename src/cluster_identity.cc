#include "src/cluster_identity.h"

#include <spdlog/fmt/fmt.h>
#include <xxhash.h>

#include <random>
#include <utility>
#include <vector>

#include "src/initial_cluster.h"

namespace quorate {
namespace {

// One spelling for one cluster, however the directive was written.
std::string DescribeMembers(const Config& config) {
  std::string text;
  for (const Member& member : config.members) {
    const bool v6 = member.host.find(':') != std::string::npos;
    if (!text.empty()) text += ',';
    text += fmt::format("{}={}{}{}:{}@{}", member.id, v6 ? "[" : "", member.host, v6 ? "]" : "",
                        member.port, member.peer_port);
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

}  // namespace

std::variant<storage::Identity, std::string> ChooseIdentity(
    Config& config, const std::optional<storage::Identity>& stored) {
  storage::Identity identity;
  identity.node_id = consensus::NodeId(config.node_id);
  if (!config.initial_cluster.empty()) {
    identity.members = DescribeMembers(config);
    identity.cluster_id = HashClusterId(identity.members, config.initial_cluster_token);
    return identity;
  }
  if (!stored) {
    identity.cluster_id = RandomClusterId(config.initial_cluster_token);
    return identity;
  }
  if (TokenDiffers(*stored, config.initial_cluster_token)) {
    return fmt::format(
        "the data folder belongs to {}, a cluster whose initial-cluster-token is not '{}'",
        storage::Describe(*stored), config.initial_cluster_token);
  }
  identity.cluster_id = stored->cluster_id;
  identity.members = stored->members;
  if (stored->members.empty()) return identity;

  // A member of a larger cluster that is started without being told so again.
  Parsed<std::vector<Member>> parsed = ParseInitialCluster(stored->members);
  if (const BadValue* bad = std::get_if<BadValue>(&parsed)) {
    return fmt::format("the members noted in the data folder, '{}', cannot be read: {}",
                       stored->members, bad->reason);
  }
  auto& members = std::get<std::vector<Member>>(parsed);
  for (const Member& member : members) {
    if (member.id != config.node_id) continue;
    if (member.port != config.self().port) {
      return fmt::format(
          "the data folder belongs to node {} of the cluster {}, whose port is {}, not {}",
          config.node_id, stored->members, member.port, config.self().port);
    }
  }
  config.members = std::move(members);
  return identity;
}

}  // namespace quorate
