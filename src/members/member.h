// One server of the cluster, with the addresses that clients and the other servers reach it by.
#pragma once

#include <cstdint>
#include <string>

namespace quorate {

// What a member is called with that the cluster began with. It never was an empty folder that is
// taken in, so no empty folder has this number: theirs are odd.
inline constexpr uint64_t kFolderOfAFirstMember = 2;

struct Member {
  uint64_t id = 0;
  // A name, an IPv4 address, or an IPv6 address without brackets. Empty: not known yet, as for a
  // node that listens on all addresses until it has met another one.
  std::string host;
  uint16_t port = 0;       // clients
  uint16_t peer_port = 0;  // the other members
  bool voter = true;       // false: a learner, which follows and does not count in a majority
  uint64_t folder = 0;     // see consensus::ConfigurationMember

  bool SamePorts(const Member& other) const {
    return port == other.port && peer_port == other.peer_port;
  }
  bool SameAddress(const Member& other) const { return host == other.host && SamePorts(other); }
  bool operator==(const Member&) const = default;
};

}  // namespace quorate
