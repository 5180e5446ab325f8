// Small things that everything on libuv needs. Loop thread.
#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <uv.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/config/config.h"
#include "src/net/loop.h"

namespace quorate {

// "127.0.0.1:7001", "[::1]:7001"; "?:0" of AF_UNSPEC.
std::string FormatAddress(const sockaddr_storage& address);
bool IsLoopback(const sockaddr_storage& address);
// This side's address of a connection, without port and brackets. Empty: there is none any more.
std::string LocalHost(const uv_tcp_t* connection);

// The port left out of account.
bool SameHost(const sockaddr_storage& one, const sockaddr_storage& other);
// The bytes that calls of the system take as the length of the address.
socklen_t AddressSize(const sockaddr_storage& address);

// The addresses of a name in the order of its lookup, each once: IPv4 and IPv6, no others.
std::vector<sockaddr_storage> AddressesIn(const addrinfo* found);

// A port to listen on, and whom to call.
struct ListenOptions {
  uint16_t port = 0;
  int backlog = 0;
  void* data = nullptr;  // of the handle that `on_connection` gets
  uv_connection_cb on_connection = nullptr;
};

// Binds and listens on each of the addresses, and on all addresses of a name; adds the handles to
// `servers`, and whoever owns these gives them to StopListening. Like Redis, passes over what the
// machine does not have: an address family; an address that may be absent; besides, an address of a
// name that has others. What went wrong, for an operator: any other failure, or that nothing is
// left to listen on. Then `servers` may hold some. Blocks while names are looked up.
std::optional<std::string> ListenOn(uv_loop_t* loop, const std::vector<BindAddress>& addresses,
                                    const ListenOptions& options,
                                    std::vector<std::unique_ptr<uv_tcp_t>>* servers);
void StopListening(std::vector<std::unique_ptr<uv_tcp_t>>* servers);

}  // namespace quorate
