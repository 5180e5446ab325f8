// Which cluster a node belongs to: what tells the data folders and messages of one cluster from
// another's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "src/config.h"
#include "storage/identity.h"

namespace quorate {

// The identity that the configuration asks for, given what the data folder already holds (nothing:
// it is new). Members that start with the same initial-cluster and initial-cluster-token get the
// same cluster id. A node without them gets a random one at its first start, and keeps the one of
// its folder later. May fill in config.members from the folder. The reason, for an operator, where
// the two do not fit.
std::variant<storage::Identity, std::string> ChooseIdentity(
    Config& config, const std::optional<storage::Identity>& stored);

}  // namespace quorate
