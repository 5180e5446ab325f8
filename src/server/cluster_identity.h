// Which cluster a node belongs to and as whom: what the configuration says, and what the data
// folder remembers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "src/config/config.h"
#include "src/members/member.h"
#include "storage/base/identity.h"
#include "storage/keyspace/state_store.h"

namespace quorate {

// Where this node is to be reached, as far as it has been told.
struct OwnAddress {
  std::string host;  // empty: as the cluster has it
  uint16_t port = 0;
  uint16_t peer_port = 0;
};

struct ChosenIdentity {
  storage::Identity identity;
  // The cluster's first configuration, where nothing newer is on the disk; empty for a node that
  // was taken in, which learns it from its leader.
  std::vector<Member> first_members;
  OwnAddress address;
  uint16_t listen_peer_port = 0;
};

// What a node starts as, given what the data folder already holds (nothing: it is new), and the
// backup that a new one is to begin with (nothing: with no data). Members that start with the same
// initial-cluster, initial-cluster-token and backup get the same cluster id. A node that is to
// begin alone gets a random one at its first start. Later starts keep what the folder has:
// initial-cluster and restore-from speak of the first start then, but for this node's own address.
// The reason, for an operator, where the two do not fit.
std::variant<ChosenIdentity, std::string> ChooseIdentity(
    const Config& config, const std::optional<storage::Identity>& stored,
    const std::optional<storage::StateMeta>& backup);

// Whether a cluster may take the node in as long as nothing was written to it: it was begun alone,
// with nothing.
bool MayBeAdopted(const storage::Identity& identity);

// Whether the node's cluster began with the members of initial-cluster, be it this node alone.
bool BeganWithInitialCluster(const storage::Identity& identity);

// What force-new-cluster makes of the folder's identity: the only member of a new cluster, whose id
// is drawn. Nothing: it was done already, at an earlier start. The reason, for an operator, where
// the folder is not of the cluster that is to be given up.
std::variant<std::optional<storage::Identity>, std::string> ChooseNewCluster(
    const Config& config, const std::optional<storage::Identity>& stored);

}  // namespace quorate
