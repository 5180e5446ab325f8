#include "redis-tests/support/free_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>

namespace quorate::redis_tests {

namespace {

constexpr int kFirstPort = 21'000;
constexpr int kPortCount = 1'700;

bool IsFree(const sockaddr* address, socklen_t size) {
  const int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return address->sa_family == AF_INET6;  // This machine does not have it.
  }
  // As the server does, so that a port whose last connections are still in TIME_WAIT counts as
  // free.
  const int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool free = (bind(descriptor, address, size) == 0 && listen(descriptor, 1) == 0) ||
                    errno == EADDRNOTAVAIL;
  close(descriptor);
  return free;
}

// At both loopback addresses: a server listens on both by default.
bool IsFree(int port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(port));
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  v6.sin6_addr = in6addr_loopback;
  return IsFree(reinterpret_cast<const sockaddr*>(&v4), sizeof v4) &&
         IsFree(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

}  // namespace

std::vector<uint16_t> FreePorts(int count) {
  // Every test program begins elsewhere, and goes on from where it was.
  static int next = static_cast<int>(getpid()) * 7;
  std::vector<uint16_t> ports;
  for (int tried = 0; static_cast<int>(ports.size()) < count; ++tried) {
    assert(tried < kPortCount);
    const int port = kFirstPort + next++ % kPortCount;
    if (IsFree(port) && IsFree(port + kPeerPortOffset)) {
      ports.push_back(static_cast<uint16_t>(port));
    }
  }
  return ports;
}

}  // namespace quorate::redis_tests
