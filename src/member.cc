#include "src/member.h"

namespace quorate {

std::string AddressOf(const Member& member) {
  const bool is_ipv6 = member.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + member.host + "]" : member.host) + ":" + std::to_string(member.port) +
         "@" + std::to_string(member.peer_port);
}

}  // namespace quorate
