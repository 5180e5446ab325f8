#include "src/members/member_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "resp/integer.h"

namespace quorate {
namespace {

// Of a name in the DNS (RFC 1035).
constexpr size_t kHostBytesMax = 253;
constexpr uint64_t kPortMax = std::numeric_limits<uint16_t>::max();

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
  return !host.empty() && host.size() <= kHostBytesMax &&
         host.find_first_not_of(kHostBytes) == std::string_view::npos;
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

}  // namespace

std::string MemberAddress(const Member& member) {
  const bool v6 = member.host.find(':') != std::string::npos;
  return (v6 ? "[" + member.host + "]" : member.host) + ":" + std::to_string(member.port) + "@" +
         std::to_string(member.peer_port);
}

Parsed<Member> ParseMemberAddress(std::string_view text, HostPart host_part) {
  const size_t at = std::min(text.find('@'), text.size());
  const std::string_view host_and_port = text.substr(0, at);
  const size_t colon = host_and_port.rfind(':');
  if (colon == std::string_view::npos) {
    return BadValue{"expected host:port or host:port@peer-port"};
  }
  Parsed<std::string> host = std::string();
  if (colon > 0 || host_part == HostPart::kNeeded) {
    host = ParseHost(host_and_port.substr(0, colon));
  }
  if (BadValue* bad = std::get_if<BadValue>(&host)) {
    return std::move(*bad);
  }
  const std::optional<uint64_t> port = ReadPositive(host_and_port.substr(colon + 1), kPortMax);
  if (!port) {
    return BadValue{"the port must be a number between 1 and 65535"};
  }
  Member member = {0, std::get<std::string>(host), static_cast<uint16_t>(*port), 0};
  if (at < text.size()) {
    const std::optional<uint64_t> peer_port = ReadPositive(text.substr(at + 1), kPortMax);
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

bool IsReachableHost(const std::string& host) {
  const bool is_wildcard = host == "0.0.0.0" || host == "::";
  return !is_wildcard && (IsIPv6Address(host) || IsNameOrIPv4Address(host));
}

bool IsNumericHost(const std::string& host) {
  in_addr v4{};
  return IsIPv6Address(host) || inet_pton(AF_INET, host.c_str(), &v4) == 1;
}

bool IsLoopbackHost(const std::string& host) {
  in_addr address{};
  const bool v4 = inet_pton(AF_INET, host.c_str(), &address) == 1;
  return host == "localhost" || host == "::1" || (v4 && (ntohl(address.s_addr) >> 24) == 127);
}

std::optional<uint16_t> DefaultPeerPort(uint16_t port) {
  if (port > kPortMax - kPeerPortOffset) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port + kPeerPortOffset);
}

}  // namespace quorate
