#include "src/config/initial_cluster.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "resp/integer.h"
#include "src/members/member_address.h"

namespace quorate {
namespace {

constexpr int64_t kNodeIdMax = std::numeric_limits<uint32_t>::max();

// One member: `id=host:port` or `id=host:port@peer-port`.
Parsed<Member> ParseMember(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || text.find(':', equals) == std::string_view::npos) {
    return BadValue{"expected id=host:port or id=host:port@peer-port"};
  }
  const std::optional<int64_t> id = resp::ParseInteger(text.substr(0, equals));
  if (!id || *id < 1 || *id > kNodeIdMax) {
    return BadValue{"the id must be a number between 1 and " + std::to_string(kNodeIdMax)};
  }
  Parsed<Member> member = ParseMemberAddress(text.substr(equals + 1));
  if (Member* parsed = std::get_if<Member>(&member)) {
    parsed->id = static_cast<uint64_t>(*id);
  }
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

}  // namespace quorate
