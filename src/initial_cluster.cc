#include "src/initial_cluster.h"

#include <arpa/inet.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "resp/integer.h"

namespace quorate {
namespace {

constexpr uint64_t kPortMax = std::numeric_limits<uint16_t>::max();
constexpr uint64_t kNodeIdMax = std::numeric_limits<uint32_t>::max();

// A number within [1, max].
std::optional<uint64_t> ReadPositive(std::string_view text, uint64_t max) {
  const std::optional<int64_t> number = resp::ParseInteger(text);
  if (!number || *number < 1 || static_cast<uint64_t>(*number) > max) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(*number);
}

bool IsIPv6Address(const std::string& host) {
  in6_addr address;
  // The C string ends at the first NUL, which would hide what follows it.
  return host.find('\0') == std::string::npos && inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsNameOrIPv4Address(std::string_view host) {
  constexpr std::string_view kHostBytes =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
  return !host.empty() && host.find_first_not_of(kHostBytes) == std::string_view::npos;
}

// A host as written in `host:port`, without brackets.
Parsed<std::string> ParseHost(std::string_view written) {
  const bool bracketed = written.size() >= 2 && written.front() == '[' && written.back() == ']';
  const std::string host(bracketed ? written.substr(1, written.size() - 2) : written);
  if (bracketed && !IsIPv6Address(host)) {
    return BadValue{"'" + host + "' is not an IPv6 address"};
  }
  if (!bracketed && host.find(':') != std::string::npos) {
    return BadValue{"an IPv6 address must be in brackets, as in [::1]:7001"};
  }
  if (!IsReachableHost(host)) {
    return BadValue{"'" + host + "' is not a host name or an address that others can connect to"};
  }
  return host;
}

// One member: `id=host:port` or `id=host:port@peer-port`.
Parsed<Member> ParseMember(std::string_view text) {
  const size_t equals = text.find('=');
  const std::string_view address = equals == std::string_view::npos ? "" : text.substr(equals + 1);
  const size_t at = std::min(address.find('@'), address.size());
  const std::string_view host_and_port = address.substr(0, at);
  const size_t colon = host_and_port.rfind(':');
  if (equals == std::string_view::npos || colon == std::string_view::npos) {
    return BadValue{"expected id=host:port or id=host:port@peer-port"};
  }

  const std::optional<uint64_t> id = ReadPositive(text.substr(0, equals), kNodeIdMax);
  if (!id) {
    return BadValue{"the id must be a number between 1 and " + std::to_string(kNodeIdMax)};
  }
  Parsed<std::string> host = ParseHost(host_and_port.substr(0, colon));
  if (BadValue* bad = std::get_if<BadValue>(&host)) {
    return std::move(*bad);
  }
  const std::optional<uint64_t> port = ReadPositive(host_and_port.substr(colon + 1), kPortMax);
  if (!port) {
    return BadValue{"the port must be a number between 1 and 65535"};
  }
  Member member = {*id, std::get<std::string>(host), static_cast<uint16_t>(*port), 0};
  if (at < address.size()) {
    const std::optional<uint64_t> peer_port = ReadPositive(address.substr(at + 1), kPortMax);
    if (!peer_port) {
      return BadValue{"the peer port must be a number between 1 and 65535"};
    }
    member.peer_port = static_cast<uint16_t>(*peer_port);
    return member;
  }
  const std::optional<uint16_t> peer_port = DefaultPeerPort(member.port);
  if (!peer_port) {
    return BadValue{"the peer port would be the port plus " + std::to_string(kPeerPortOffset) +
                    ", above 65535: give one, as in id=host:port@peer-port"};
  }
  member.peer_port = *peer_port;
  return member;
}

// Why these members, sorted by id, cannot be one cluster.
std::optional<BadValue> FindClash(const std::vector<Member>& members) {
  const auto same_id = std::adjacent_find(
      members.begin(), members.end(),
      [](const Member& left, const Member& right) { return left.id == right.id; });
  if (same_id != members.end()) {
    return BadValue{"two members have the id " + std::to_string(same_id->id)};
  }
  std::set<std::pair<std::string, uint16_t>> addresses;
  for (const Member& member : members) {
    for (const uint16_t port : {member.port, member.peer_port}) {
      if (!addresses.emplace(member.host, port).second) {
        return BadValue{"the address " + member.host + ":" + std::to_string(port) +
                        " is used twice"};
      }
    }
  }
  return std::nullopt;
}

}  // namespace

Parsed<std::vector<Member>> ParseInitialCluster(std::string_view text) {
  std::vector<Member> members;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t end = std::min(text.find(',', start), text.size());
    const std::string_view written = text.substr(start, end - start);
    Parsed<Member> member = ParseMember(written);
    if (const BadValue* bad = std::get_if<BadValue>(&member)) {
      return BadValue{"member '" + std::string(written) + "': " + bad->reason};
    }
    if (members.size() == kMembersMax) {
      return BadValue{"a cluster has at most " + std::to_string(kMembersMax) + " members"};
    }
    members.push_back(std::move(std::get<Member>(member)));
    start = end + 1;
  }
  std::sort(members.begin(), members.end(),
            [](const Member& left, const Member& right) { return left.id < right.id; });
  if (std::optional<BadValue> clash = FindClash(members)) {
    return *std::move(clash);
  }
  return members;
}

bool IsReachableHost(const std::string& host) {
  const bool is_wildcard = host == "0.0.0.0" || host == "::";
  return !is_wildcard && (IsIPv6Address(host) || IsNameOrIPv4Address(host));
}

std::optional<uint16_t> DefaultPeerPort(uint16_t port) {
  if (port > kPortMax - kPeerPortOffset) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port + kPeerPortOffset);
}

}  // namespace quorate
