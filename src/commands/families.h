// The families of commands, each in a file of its own. table.cc puts them together.
#pragma once

#include <span>

#include "src/requests/command.h"

namespace quorate {

std::span<const Command> StringCommands();      // strings.cc
std::span<const Command> KeyCommands();         // keys.cc: whatever the type of the value
std::span<const Command> ConnectionCommands();  // connection.cc
std::span<const Command> ServerCommands();      // server.cc

// Containers of subcommands and larger ones, one a file.
extern const Command kClientCommand;   // client.cc
extern const Command kClusterCommand;  // cluster.cc
extern const Command kCommandCommand;  // introspection.cc
extern const Command kConfigCommand;   // config.cc
extern const Command kInfoCommand;     // info.cc

// Of CLUSTER, for redis-cli --cluster.
extern const Command kClusterManagerSubcommands[8];  // cluster_manager.cc

}  // namespace quorate
