#include "redis-tests/support/forwarder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cassert>

namespace quorate::redis_tests {

namespace {

constexpr int kPollMs = 50;  // also how often the end is looked for

sockaddr_in LoopbackPort(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

Forwarder::Forwarder(uint16_t from, uint16_t to)
    : to_(to), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = LoopbackPort(from);
  [[maybe_unused]] const int bound =
      bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  assert(bound == 0);
  listen(listener_, SOMAXCONN);
  thread_ = std::thread([this] { Run(); });
}

Forwarder::~Forwarder() {
  stopping_ = true;
  thread_.join();
  close(listener_);
  for (const Pair& pair : pairs_) {
    close(pair.one);
    close(pair.other);
  }
}

void Forwarder::Run() {
  while (!stopping_) {
    std::vector<pollfd> sockets = {{listener_, POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      sockets.push_back({pair.one, POLLIN, 0});
      sockets.push_back({pair.other, POLLIN, 0});
    }
    poll(sockets.data(), sockets.size(), kPollMs);
    for (size_t i = pairs_.size(); i-- > 0;) {
      const Pair pair = pairs_[i];
      const bool from_one = sockets[1 + 2 * i].revents != 0;
      const bool from_other = sockets[2 + 2 * i].revents != 0;
      if ((from_one && !Pass(pair.one, pair.other)) ||
          (from_other && !Pass(pair.other, pair.one))) {
        close(pair.one);
        close(pair.other);
        pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (sockets[0].revents != 0) {
      Accept();
    }
  }
}

void Forwarder::Accept() {
  const int one = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = LoopbackPort(to_);
  if (one < 0 || connect(other, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(one);
    close(other);
    return;
  }
  pairs_.push_back({one, other});
  ++connections_;
}

bool Forwarder::Pass(int from, int to) {
  std::array<char, 65536> buffer;
  const ssize_t got = recv(from, buffer.data(), buffer.size(), 0);
  for (ssize_t passed = 0; passed < got;) {
    const ssize_t sent =
        send(to, buffer.data() + passed, static_cast<size_t>(got - passed), MSG_NOSIGNAL);
    if (sent < 0) {
      return false;
    }
    passed += sent;
  }
  return got > 0;
}

}  // namespace quorate::redis_tests
