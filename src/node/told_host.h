// The host by which a client is told of a member.
#pragma once

#include <string_view>

#include "src/members/member.h"
#include "src/requests/session.h"

namespace quorate {

// For CLUSTER SLOTS, SHARDS and NODES. Empty where the member's host is unknown: Redis's clients
// take that for the address that they have connected to. A loopback address is for clients on this
// machine; one that came from elsewhere is told the address of this machine that it has used.
// Valid as long as both arguments.
std::string_view ToldHost(const Session& client, const Member& member);

// For redirections, INFO and ROLE, in which an empty host has no meaning that all clients know: the
// address that the client has used stands for an unknown host, which can only be this node's. Empty
// where that is not known either.
std::string_view ReachableHost(const Session& client, const Member& member);

}  // namespace quorate
