// Small things that everything on libuv needs. Loop thread.
#pragma once

#include <sys/socket.h>
#include <uv.h>

#include <cstdint>
#include <optional>
#include <string>

namespace quorate {

// "address already in use (EADDRINUSE)"
std::string UvError(int code);

// "127.0.0.1:7001", "[::1]:7001"
std::string FormatAddress(const sockaddr_storage& address);
bool IsLoopback(const sockaddr_storage& address);

// Resolves a name or a numeric address. Blocks: for start-up only.
std::optional<sockaddr_storage> Resolve(uv_loop_t* loop, const std::string& host, uint16_t port,
                                        std::string* error);

}  // namespace quorate
