// What is done to the data folder before a node begins to live in it.
#pragma once

#include <string>
#include <variant>

#include "src/config/config.h"
#include "src/server/cluster_identity.h"
#include "storage/folder/data_directory.h"

namespace quorate {

// Finds out who this node is, and makes of the data folder what restore-from and force-new-cluster
// ask for; each is done once, however often the server is started with it. Sets the initial
// configuration of `options`, with which the folder is to be opened. The error, for an operator.
std::variant<ChosenIdentity, std::string> PrepareFolder(const Config& config,
                                                        storage::StorageOptions& options);

}  // namespace quorate
