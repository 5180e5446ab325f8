// Small things that everything on libuv needs. Loop thread.
#pragma once

#include <sys/socket.h>
#include <uv.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/config.h"

namespace quorate {

// "address already in use (EADDRINUSE)"
std::string UvError(int code);

// "127.0.0.1:7001", "[::1]:7001"
std::string FormatAddress(const sockaddr_storage& address);
bool IsLoopback(const sockaddr_storage& address);

// Resolves a name or a numeric address. Blocks: for start-up only.
std::optional<sockaddr_storage> Resolve(uv_loop_t* loop, const std::string& host, uint16_t port,
                                        std::string* error);

// A port to listen on, and whom to call.
struct ListenOptions {
  uint16_t port = 0;
  int backlog = 0;
  void* data = nullptr;  // of the handle that `on_connection` gets
  uv_connection_cb on_connection = nullptr;
};

// Binds and listens on each of the addresses, and adds the handles to `servers`; whoever owns these
// gives them to StopListening. What went wrong, for an operator: an address that must be there is
// not available, or none is.
std::optional<std::string> ListenOn(uv_loop_t* loop, const std::vector<BindAddress>& addresses,
                                    const ListenOptions& options,
                                    std::vector<std::unique_ptr<uv_tcp_t>>* servers);
void StopListening(std::vector<std::unique_ptr<uv_tcp_t>>* servers);

}  // namespace quorate
