#include "src/node/told_host.h"

#include <string>

#include "src/members/member_address.h"

namespace quorate {

std::string_view ToldHost(const Session& client, const Member& member) {
  const std::string_view used = client.local_host();
  const bool elsewhere = !used.empty() && !IsLoopbackHost(std::string(used));
  return elsewhere && IsLoopbackHost(member.host) ? used : std::string_view(member.host);
}

std::string_view ReachableHost(const Session& client, const Member& member) {
  return member.host.empty() ? client.local_host() : ToldHost(client, member);
}

}  // namespace quorate
