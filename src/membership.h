// The members as clients and the network see them: what the configuration in force says, with the
// addresses taken apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/types.h"
#include "src/member.h"

namespace quorate {

// What a cluster of these members begins with.
consensus::Configuration InitialConfiguration(const std::vector<Member>& members);

// Whom to be in touch with after a start, before anything is applied. The newest configuration in
// the log may be needed for an election, and may be lost; the one before it is committed, or the
// newest had not been proposed. So whoever is in both is certain to be a member, and enough: a
// server is added before it gets a vote, by a change of its own.
std::vector<Member> PeersAtStart(const consensus::Recovered& recovered, const Member& own);

class Membership {
 public:
  // `own`: this node with the address that it was told to announce; an empty host there means
  // whatever the configuration has.
  explicit Membership(Member own) : own_(std::move(own)) {}

  void Update(const consensus::Configuration& configuration);

  const std::vector<Member>& members() const { return members_; }  // by ascending id
  std::vector<Member> peers() const;                               // all but this node
  // Nullptr: no such member. Valid until the next Update.
  const Member* Find(consensus::NodeId id) const;
  // This node, also where it is no member (yet, or any more). Valid until the next Update, and the
  // one of members() where it is one.
  const Member& self() const;

  // The address that the configuration should have for this node, where it has another.
  std::optional<std::string> address_to_announce() const;

 private:
  const Member own_;
  std::vector<Member> members_;
};

}  // namespace quorate
