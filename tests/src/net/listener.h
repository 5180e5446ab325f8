// A listening socket of a test.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace quorate {

// An address and a port of this machine.
inline sockaddr_storage AddressOf(const std::string& host, uint16_t port) {
  sockaddr_storage address{};
  if (host.find(':') != std::string::npos) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    EXPECT_EQ(inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr), 1);
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    EXPECT_EQ(inet_pton(AF_INET, host.c_str(), &v4.sin_addr), 1);
  }
  return address;
}

class Listener {
 public:
  // Port 0: any. `backlog` below 0: bound, and does not listen.
  explicit Listener(const std::string& host, uint16_t port = 0, int backlog = 8)
      : descriptor_(socket(AddressOf(host, port).ss_family,
                           SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const sockaddr_storage address = AddressOf(host, port);
    const int yes = 1;
    if (address.ss_family == AF_INET6) {
      setsockopt(descriptor_, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const socklen_t size =
        address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    works_ = bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
             (backlog < 0 || listen(descriptor_, backlog) == 0);
  }
  ~Listener() { close(descriptor_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // False where the machine does not have the address, or the port is taken.
  bool works() const { return works_; }
  int descriptor() const { return descriptor_; }
  uint16_t port() const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    // At the same place in both families.
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }

 private:
  int descriptor_;
  bool works_ = false;
};

}  // namespace quorate
