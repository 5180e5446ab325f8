#include "src/members/membership.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "src/members/member_address.h"

namespace quorate {

using consensus::NodeId;

consensus::Configuration InitialConfiguration(const std::vector<Member>& members) {
  consensus::Configuration configuration;
  for (const Member& member : members) {
    const NodeId id(member.id);
    configuration.members.push_back({id, true, MemberAddress(member), 0});
    configuration.next_id = id + 1;
  }
  return configuration;
}

namespace {

std::vector<Member> ReadMembers(const consensus::Configuration& configuration) {
  std::vector<Member> members;
  for (const consensus::ConfigurationMember& written : configuration.members) {
    Parsed<Member> parsed = ParseMemberAddress(written.address, HostPart::kMayBeUnknown);
    if (const BadValue* bad = std::get_if<BadValue>(&parsed)) {
      // Addresses are checked before they enter a log.
      spdlog::error("the address of node {}, '{}', cannot be read: {}", written.id.value(),
                    written.address, bad->reason);
      continue;
    }
    Member& member = std::get<Member>(parsed);
    member.id = written.id.value();
    member.voter = written.voter;
    member.folder = written.folder;
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace

void Membership::Update(const consensus::Configuration& configuration) {
  std::vector<Member> members = ReadMembers(configuration);
  // An address that was changed is newer than where the member was found.
  std::erase_if(found_, [&](const auto& entry) {
    const auto has_id = [&](const Member& member) { return member.id == entry.first; };
    const auto now = std::ranges::find_if(members, has_id);
    const auto before = std::ranges::find_if(configured_, has_id);
    return now == members.end() || before == configured_.end() || !now->SameAddress(*before);
  });
  configured_ = std::move(members);
  Place();
}

void Membership::Found(const Member& member) {
  if (member.id == own_.id || !Find(NodeId(member.id))) return;
  found_.insert_or_assign(member.id, member);
  Place();
}

void Membership::FoundSelf(const std::string& host) {
  if (!own_host_.empty()) return;
  own_host_ = host;
  Place();
}

void Membership::Place() {
  members_ = configured_;
  for (Member& member : members_) {
    const auto found = found_.find(member.id);
    if (member.id == own_.id) {
      member = WithOwnAddress(member);
    } else if (found != found_.end()) {
      member.host = found->second.host;
      member.port = found->second.port;
      member.peer_port = found->second.peer_port;
    }
  }
}

Member Membership::WithOwnAddress(Member configured) const {
  if (!own_.host.empty()) {
    configured.host = own_.host;
  } else if (configured.host.empty()) {
    configured.host = own_host_;
  }
  configured.port = own_.port;
  configured.peer_port = own_.peer_port;
  return configured;
}

const Member& Membership::self() const {
  const Member* found = Find(NodeId(own_.id));
  return found ? *found : own_;
}

std::vector<Member> Membership::Peers(const consensus::Configuration& in_force) const {
  std::vector<Member> peers = ReadMembers(in_force);
  // A removal that is not applied may yet be lost, and the member that it removes may lead.
  for (const Member& applied : members_) {
    const auto is_same = [&](const Member& peer) { return peer.id == applied.id; };
    if (std::ranges::none_of(peers, is_same)) peers.push_back(applied);
  }
  for (Member& peer : peers) {
    // A folder that is noted may still be lost with its entry, and another noted: a node must not
    // be taken in before that is certain.
    const Member* applied = Find(NodeId(peer.id));
    peer.folder = applied ? applied->folder : 0;
    if (applied && applied->voter && applied->folder == 0) peer.folder = kFolderOfAFirstMember;
  }
  std::erase_if(peers, [this](const Member& peer) { return peer.id == own_.id; });
  return peers;
}

const Member* Membership::Find(NodeId id) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [id](const Member& member) { return member.id == id.value(); });
  return found == members_.end() ? nullptr : &*found;
}

std::optional<std::string> Membership::address_to_announce() const {
  const auto configured = std::ranges::find(configured_, own_.id, &Member::id);
  if (configured == configured_.end()) return std::nullopt;
  const Member wanted = WithOwnAddress(*configured);
  if (wanted.SameAddress(*configured)) return std::nullopt;
  return MemberAddress(wanted);
}

}  // namespace quorate
