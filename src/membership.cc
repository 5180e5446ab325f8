#include "src/membership.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "src/member_address.h"

namespace quorate {

using consensus::NodeId;

consensus::Configuration InitialConfiguration(const std::vector<Member>& members) {
  consensus::Configuration configuration;
  for (const Member& member : members) {
    const NodeId id(member.id);
    configuration.members.push_back({id, true, MemberAddress(member)});
    configuration.next_id = id + 1;
  }
  return configuration;
}

std::vector<Member> PeersAtStart(const consensus::Recovered& recovered, const Member& own) {
  const auto& in_log = recovered.configurations;
  const consensus::Configuration& newest =
      in_log.empty() ? recovered.configuration : in_log.back().second;
  consensus::Configuration certain =
      in_log.size() < 2 ? recovered.configuration : in_log[in_log.size() - 2].second;
  std::erase_if(certain.members, [&](const consensus::ConfigurationMember& member) {
    return std::ranges::find(newest.members, member.id, &consensus::ConfigurationMember::id) ==
           newest.members.end();
  });
  Membership membership(own);
  membership.Update(certain);
  return membership.peers();
}

void Membership::Update(const consensus::Configuration& configuration) {
  members_.clear();
  for (const consensus::ConfigurationMember& written : configuration.members) {
    Parsed<Member> parsed = ParseMemberAddress(written.address);
    if (const BadValue* bad = std::get_if<BadValue>(&parsed)) {
      // Addresses are checked before they enter a log.
      spdlog::error("the address of node {}, '{}', cannot be read: {}", written.id.value(),
                    written.address, bad->reason);
      continue;
    }
    Member& member = std::get<Member>(parsed);
    member.id = written.id.value();
    member.voter = written.voter;
    members_.push_back(std::move(member));
  }
}

const Member& Membership::self() const {
  const Member* found = Find(NodeId(own_.id));
  return found ? *found : own_;
}

std::vector<Member> Membership::peers() const {
  std::vector<Member> peers;
  std::copy_if(members_.begin(), members_.end(), std::back_inserter(peers),
               [this](const Member& member) { return member.id != own_.id; });
  return peers;
}

const Member* Membership::Find(NodeId id) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [id](const Member& member) { return member.id == id.value(); });
  return found == members_.end() ? nullptr : &*found;
}

std::optional<std::string> Membership::address_to_announce() const {
  const Member* found = Find(NodeId(own_.id));
  if (!found) return std::nullopt;
  Member wanted = own_;
  if (wanted.host.empty()) wanted.host = found->host;
  if (wanted.SameAddress(*found)) return std::nullopt;
  return MemberAddress(wanted);
}

}  // namespace quorate
