#include "src/server/cluster_identity.h"

#include <spdlog/fmt/fmt.h>
#include <xxhash.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "src/config/initial_cluster.h"
#include "src/members/member_address.h"

namespace quorate {
namespace {

// What an identity notes of how its cluster began, in words: "MEMBERS backup:NAME
// after:CLUSTER-ID", each where there is one. Not empty, so that no other cluster takes such a node
// in.
struct Beginning {
  std::string members;  // of initial-cluster
  std::string backup;   // the one that it began with
  std::string after;    // the cluster that it was a survivor of
};

constexpr std::string_view kBackupWord = "backup:";
constexpr std::string_view kAfterWord = "after:";

Beginning ReadBeginning(std::string_view words) {
  Beginning beginning;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    const std::string_view word = words.substr(0, end);
    words.remove_prefix(std::min(end + 1, words.size()));
    if (word.starts_with(kBackupWord)) {
      beginning.backup = word.substr(kBackupWord.size());
    } else if (word.starts_with(kAfterWord)) {
      beginning.after = word.substr(kAfterWord.size());
    } else {
      beginning.members = word;
    }
  }
  return beginning;
}

std::string WriteBeginning(const Beginning& beginning) {
  std::string words = beginning.members;
  const auto add = [&words](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    if (!words.empty()) words += ' ';
    words.append(name).append(value);
  };
  add(kBackupWord, beginning.backup);
  add(kAfterWord, beginning.after);
  return words;
}

// No two backups of one cluster have the same name, and hardly any two of different ones.
std::string BackupName(const storage::StateMeta& backup) {
  return fmt::format("{}-{:016x}", backup.last_applied.value(), backup.digest());
}

std::string ClusterIdText(uint64_t cluster_id) { return fmt::format("{:016x}", cluster_id); }

// One spelling for one cluster, however the directive was written.
std::string DescribeMembers(const std::vector<Member>& members) {
  std::string text;
  for (const Member& member : members) {
    if (!text.empty()) text += ',';
    text += fmt::format("{}={}", member.id, MemberAddress(member));
  }
  return text;
}

uint64_t HashClusterId(const std::string& beginning, const std::string& token) {
  const uint64_t hash = XXH3_64bits_withSeed(beginning.data(), beginning.size(),
                                             XXH3_64bits(token.data(), token.size()));
  return hash == 0 ? 1 : hash;
}

uint32_t HashToken(const std::string& token) {
  return static_cast<uint32_t>(XXH3_64bits(token.data(), token.size()));
}

// A cluster of one draws its id: there is nobody who would have to find the same. If it grows, and
// its first member loses its folder, that cannot come back as itself, with votes that it has
// forgotten.
bool BegunAlone(const Beginning& beginning) {
  return beginning.members.find(',') == std::string::npos;
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
  return BegunAlone(ReadBeginning(stored.members))
             ? static_cast<uint32_t>(stored.cluster_id) != HashToken(token)
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
  const Beginning beginning = ReadBeginning(stored.members);
  // Nor does a survivor's cluster have anything of what the directives say.
  if (!beginning.after.empty()) return std::nullopt;
  if (!config.restore_from.empty() && beginning.backup.empty()) {
    return fmt::format(
        "the data folder belongs to {}, which was not begun with a backup: restore-from takes an "
        "empty folder",
        storage::Describe(stored));
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
        storage::Describe(stored),
        beginning.members.empty() ? "one member alone" : beginning.members);
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
    const Config& config, const std::optional<storage::Identity>& stored,
    const std::optional<storage::StateMeta>& backup) {
  ChosenIdentity chosen;
  chosen.listen_peer_port = config.peer_port();
  if (!stored) {
    chosen.first_members = config.members;
    Member& self = chosen.first_members.front();
    if (self.id == 0) self.id = 1;
    storage::Identity& identity = chosen.identity;
    identity.node_id = consensus::NodeId(config.node_id == 0 ? 1 : config.node_id);
    Beginning beginning;
    if (!config.initial_cluster.empty()) beginning.members = DescribeMembers(config.members);
    if (backup) beginning.backup = BackupName(*backup);
    identity.members = WriteBeginning(beginning);
    identity.cluster_id = BegunAlone(beginning)
                              ? RandomClusterId(config.initial_cluster_token)
                              : HashClusterId(identity.members, config.initial_cluster_token);
    chosen.address = AnnouncedAddress(config, chosen.listen_peer_port);
    return chosen;
  }

  chosen.identity = *stored;
  const std::string members = ReadBeginning(stored->members).members;
  if (!members.empty()) {
    Parsed<std::vector<Member>> parsed = ParseInitialCluster(members);
    if (const BadValue* bad = std::get_if<BadValue>(&parsed)) {
      return fmt::format("the members noted in the data folder, '{}', cannot be read: {}", members,
                         bad->reason);
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

bool MayBeAdopted(const storage::Identity& identity) {
  const Beginning beginning = ReadBeginning(identity.members);
  return !identity.joined && BegunAlone(beginning) && beginning.backup.empty() &&
         beginning.after.empty();
}

bool BeganWithInitialCluster(const storage::Identity& identity) {
  return !identity.joined && !ReadBeginning(identity.members).members.empty();
}

std::variant<std::optional<storage::Identity>, std::string> ChooseNewCluster(
    const Config& config, const std::optional<storage::Identity>& stored) {
  const std::string& given_up = config.force_new_cluster;
  if (!stored) {
    return "force-new-cluster: the data folder holds no data that a cluster could go on with";
  }
  Beginning beginning = ReadBeginning(stored->members);
  if (beginning.after == given_up) return std::nullopt;
  if (ClusterIdText(stored->cluster_id) != given_up) {
    return fmt::format("force-new-cluster names the cluster {}, but the data folder belongs to {}",
                       given_up, storage::Describe(*stored));
  }
  beginning.after = given_up;
  storage::Identity identity = *stored;
  identity.members = WriteBeginning(beginning);
  identity.cluster_id = RandomClusterId(config.initial_cluster_token);
  return identity;
}

}  // namespace quorate
