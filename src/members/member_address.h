// A member's addresses as one text, `host:port@peer-port`: as CLUSTER NODES writes it, as
// initial-cluster takes it, and as the cluster's configuration carries it through the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/parsed.h"
#include "src/members/member.h"

namespace quorate {

// An IPv6 address stands in [brackets]. An unknown host is left out: ":7001@17001".
std::string MemberAddress(const Member& member);

// Whether the text must name a host.
enum class HostPart : uint8_t { kNeeded, kMayBeUnknown };

// Reads `host:port` or `host:port@peer-port`; the id of the result is 0.
Parsed<Member> ParseMemberAddress(std::string_view text, HostPart host_part = HostPart::kNeeded);

// Whether `host` can be told to clients and peers: a name or an address, an IPv6 one without
// brackets, that is no wildcard.
bool IsReachableHost(const std::string& host);

// An IPv4 or IPv6 address, and not a name.
bool IsNumericHost(const std::string& host);

// Whether only this machine can connect to it: "localhost", 127.x.x.x, ::1.
bool IsLoopbackHost(const std::string& host);

// Where no peer port is given, it is the client port plus this (Redis's distance of the cluster
// bus).
inline constexpr uint16_t kPeerPortOffset = 10000;
// The peer port that goes with a client port unless another one is given. Nothing: it would be
// above 65535.
std::optional<uint16_t> DefaultPeerPort(uint16_t port);

}  // namespace quorate
