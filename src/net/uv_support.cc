#include "src/net/uv_support.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace quorate {

std::string FormatAddress(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    uv_ip6_name(&v6, host, sizeof host);
    return fmt::format("[{}]:{}", host, ntohs(v6.sin6_port));
  }
  if (address.ss_family != AF_INET) return "?:0";
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

std::string LocalHost(const uv_tcp_t* connection) {
  sockaddr_storage address{};
  int size = sizeof address;
  char host[INET6_ADDRSTRLEN] = "";
  if (uv_tcp_getsockname(connection, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    uv_ip_name(reinterpret_cast<const sockaddr*>(&address), host, sizeof host);
  }
  return host;
}

bool SameHost(const sockaddr_storage& one, const sockaddr_storage& other) {
  if (one.ss_family != other.ss_family) return false;
  if (one.ss_family == AF_INET6) {
    const auto& left = reinterpret_cast<const sockaddr_in6&>(one);
    const auto& right = reinterpret_cast<const sockaddr_in6&>(other);
    return IN6_ARE_ADDR_EQUAL(&left.sin6_addr, &right.sin6_addr) &&
           left.sin6_scope_id == right.sin6_scope_id;
  }
  return one.ss_family == AF_INET &&
         reinterpret_cast<const sockaddr_in&>(one).sin_addr.s_addr ==
             reinterpret_cast<const sockaddr_in&>(other).sin_addr.s_addr;
}

socklen_t AddressSize(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

std::vector<sockaddr_storage> AddressesIn(const addrinfo* found) {
  std::vector<sockaddr_storage> addresses;
  for (; found != nullptr; found = found->ai_next) {
    if (found->ai_family != AF_INET && found->ai_family != AF_INET6) continue;
    sockaddr_storage address{};
    std::memcpy(&address, found->ai_addr, found->ai_addrlen);
    const bool known = std::ranges::any_of(
        addresses, [&](const sockaddr_storage& other) { return SameHost(address, other); });
    if (!known) addresses.push_back(address);
  }
  return addresses;
}

namespace {

void CloseAndDelete(std::unique_ptr<uv_tcp_t> server) {
  uv_close(reinterpret_cast<uv_handle_t*>(server.release()),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
}

// Blocks. An error of libuv, or 0.
int Lookup(uv_loop_t* loop, const std::string& host, uint16_t port,
           std::vector<sockaddr_storage>* addresses) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  uv_getaddrinfo_t request;
  const int code =
      uv_getaddrinfo(loop, &request, nullptr, host.c_str(), std::to_string(port).c_str(), &hints);
  if (code != 0) return code;
  *addresses = AddressesIn(request.addrinfo);
  uv_freeaddrinfo(request.addrinfo);
  return 0;
}

// An error of libuv, or 0.
int ListenOnOne(uv_loop_t* loop, const sockaddr_storage& address, const ListenOptions& options,
                std::vector<std::unique_ptr<uv_tcp_t>>* servers) {
  auto server = std::make_unique<uv_tcp_t>();
  uv_tcp_init(loop, server.get());
  server->data = options.data;
  // So that :: and 0.0.0.0 can be listened on side by side.
  const unsigned flags = address.ss_family == AF_INET6 ? unsigned{UV_TCP_IPV6ONLY} : 0U;
  int code = uv_tcp_bind(server.get(), reinterpret_cast<const sockaddr*>(&address), flags);
  if (code == 0) {
    code = uv_listen(reinterpret_cast<uv_stream_t*>(server.get()), options.backlog,
                     options.on_connection);
  }
  if (code != 0) {
    CloseAndDelete(std::move(server));
    return code;
  }
  servers->push_back(std::move(server));
  return 0;
}

// `code`: an error of libuv, which is one of the system with its sign changed.
bool MachineLacksFamily(int code) {
  return code == -EAFNOSUPPORT || code == -EPFNOSUPPORT || code == -EPROTONOSUPPORT ||
         code == -ENOPROTOOPT || code == -ESOCKTNOSUPPORT;
}

// `bound`: what has been listened on before, and then also what is listened on now.
std::optional<std::string> ListenOnName(uv_loop_t* loop, const BindAddress& name,
                                        const ListenOptions& options,
                                        std::vector<sockaddr_storage>* bound,
                                        std::vector<std::unique_ptr<uv_tcp_t>>* servers) {
  const auto failed = [&](int code) {
    return fmt::format("could not listen on {}:{}: {}", name.host, options.port, UvError(code));
  };
  std::vector<sockaddr_storage> addresses;
  if (const int code = Lookup(loop, name.numeric_host(), options.port, &addresses); code != 0) {
    if (name.may_be_absent) return std::nullopt;
    return failed(code);
  }
  int absent = 0;  // the error of an address that the machine does not have
  bool listens = false;
  for (const sockaddr_storage& address : addresses) {
    const bool is_bound = std::ranges::any_of(
        *bound, [&](const sockaddr_storage& other) { return SameHost(address, other); });
    const int code = is_bound ? 0 : ListenOnOne(loop, address, options, servers);
    if (code == 0) {
      listens = true;
      if (!is_bound) bound->push_back(address);
    } else if (code == UV_EADDRNOTAVAIL) {
      absent = code;
    } else if (!MachineLacksFamily(code)) {
      return failed(code);
    }
  }
  if (absent != 0 && !listens && !name.may_be_absent) return failed(absent);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ListenOn(uv_loop_t* loop, const std::vector<BindAddress>& addresses,
                                    const ListenOptions& options,
                                    std::vector<std::unique_ptr<uv_tcp_t>>* servers) {
  std::vector<sockaddr_storage> bound;
  for (const BindAddress& name : addresses) {
    if (auto error = ListenOnName(loop, name, options, &bound, servers)) return error;
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
