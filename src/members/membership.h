// The members as clients and the network see them: what the configuration in force says, with the
// addresses taken apart.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/types.h"
#include "src/members/member.h"

namespace quorate {

// What a cluster of these members begins with.
consensus::Configuration InitialConfiguration(const std::vector<Member>& members);

class Membership {
 public:
  // `own`: this node with the address that it was told to announce; an empty host there means
  // whatever the configuration has.
  explicit Membership(Member own) : own_(std::move(own)) {}

  void Update(const consensus::Configuration& configuration);
  // A connection has found a member there. It may have moved: until the configuration changes that
  // member's address, members() has it where it was found last. Invalidates what Find returned.
  void Found(const Member& member);
  // Connections to others leave this machine from that host. Where nothing else is known of this
  // node's own host, that is it.
  void FoundSelf(const std::string& host);

  // By ascending id, each with the address at which it really is, as far as this node knows.
  const std::vector<Member>& members() const { return members_; }
  // Whom to be in touch with: all others in the configuration in force, applied or not, and those
  // in the applied one. After a start little is applied, and only together the members can apply
  // more; and who is removed by an entry that is not applied may be the leader, and the entry be
  // lost.
  std::vector<Member> Peers(const consensus::Configuration& in_force) const;
  // Nullptr: no such member. Valid until the next Update.
  const Member* Find(consensus::NodeId id) const;
  // This node, also where it is no member (yet, or any more). Valid until the next Update, and the
  // one of members() where it is one.
  const Member& self() const;

  // The address that the configuration should have for this node, where it has another.
  std::optional<std::string> address_to_announce() const;

 private:
  void Place();
  // `configured` with the address at which this node is.
  Member WithOwnAddress(Member configured) const;

  const Member own_;
  std::string own_host_;            // see FoundSelf
  std::vector<Member> configured_;  // with the addresses of the configuration
  std::map<uint64_t, Member> found_;
  std::vector<Member> members_;
};

}  // namespace quorate
