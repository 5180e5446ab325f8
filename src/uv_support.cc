#include "src/uv_support.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <utility>

namespace quorate {

std::string UvError(int code) {
  return fmt::format("{} ({})", uv_strerror(code), uv_err_name(code));
}

std::string FormatAddress(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    uv_ip6_name(&v6, host, sizeof host);
    return fmt::format("[{}]:{}", host, ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  uv_ip4_name(&v4, host, sizeof host);
  return fmt::format("{}:{}", host, ntohs(v4.sin_port));
}

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
  }
  return (ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24) == 127;
}

std::optional<sockaddr_storage> Resolve(uv_loop_t* loop, const std::string& host, uint16_t port,
                                        std::string* error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  uv_getaddrinfo_t request;
  const int code =
      uv_getaddrinfo(loop, &request, nullptr, host.c_str(), std::to_string(port).c_str(), &hints);
  if (code != 0) {
    *error = UvError(code);
    return std::nullopt;
  }
  sockaddr_storage address{};
  std::memcpy(&address, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
  uv_freeaddrinfo(request.addrinfo);
  return address;
}

namespace {

void CloseAndDelete(std::unique_ptr<uv_tcp_t> server) {
  uv_close(reinterpret_cast<uv_handle_t*>(server.release()),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
}

std::optional<std::string> ListenOnOne(uv_loop_t* loop, const BindAddress& address,
                                       const ListenOptions& options,
                                       std::vector<std::unique_ptr<uv_tcp_t>>* servers) {
  const auto failed = [&](const std::string& reason) {
    return fmt::format("could not listen on {}:{}: {}", address.host, options.port, reason);
  };
  std::string reason;
  const auto resolved = Resolve(loop, address.numeric_host(), options.port, &reason);
  if (!resolved) return failed(reason);
  auto server = std::make_unique<uv_tcp_t>();
  uv_tcp_init(loop, server.get());
  server->data = options.data;
  const unsigned flags = resolved->ss_family == AF_INET6 ? unsigned{UV_TCP_IPV6ONLY} : 0U;
  int code = uv_tcp_bind(server.get(), reinterpret_cast<const sockaddr*>(&*resolved), flags);
  if (code == 0) {
    code = uv_listen(reinterpret_cast<uv_stream_t*>(server.get()), options.backlog,
                     options.on_connection);
  }
  if (code != 0) {
    CloseAndDelete(std::move(server));
    return failed(UvError(code));
  }
  servers->push_back(std::move(server));
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ListenOn(uv_loop_t* loop, const std::vector<BindAddress>& addresses,
                                    const ListenOptions& options,
                                    std::vector<std::unique_ptr<uv_tcp_t>>* servers) {
  for (const BindAddress& address : addresses) {
    std::optional<std::string> error = ListenOnOne(loop, address, options, servers);
    if (error && !address.may_be_absent) return error;
  }
  if (servers->empty()) {
    return fmt::format("none of the addresses to bind is available for port {}", options.port);
  }
  return std::nullopt;
}

void StopListening(std::vector<std::unique_ptr<uv_tcp_t>>* servers) {
  for (auto& server : *servers) CloseAndDelete(std::move(server));
  servers->clear();
}

}  // namespace quorate
