#include "redis-tests/support/free_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>

namespace quorate::redis_tests {

namespace {

constexpr int kFirstPort = 21'000;
constexpr int kPortCount = 1'700;

bool IsFree(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert(descriptor >= 0);
  // As the server does, so that a port whose last connections are still in TIME_WAIT counts as
  // free.
  const int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free =
      bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      listen(descriptor, 1) == 0;
  close(descriptor);
  return free;
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
