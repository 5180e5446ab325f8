// Gives names the addresses that a test wants, whatever the machine's /etc/hosts says: linked into
// a test program, or loaded into a server with LD_PRELOAD. The environment variable NAMES holds
// them: "localhost=::1,127.0.0.1 nobody=". A name without addresses is not found.
#include <dlfcn.h>
#include <netdb.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

// Nullptr: it is none of the test's names.
const char* AddressesOf(const char* host) {
  const char* names = std::getenv("NAMES");
  if (names == nullptr || host == nullptr) return nullptr;
  const std::string wanted = std::string(host) + "=";
  for (const char* name = names; name != nullptr; name = std::strchr(name, ' ')) {
    if (*name == ' ') ++name;
    if (std::strncmp(name, wanted.c_str(), wanted.size()) == 0) return name + wanted.size();
  }
  return nullptr;
}

}  // namespace

extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  static const auto system = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
  const char* addresses = AddressesOf(host);
  if (addresses == nullptr) return system(host, service, hints, result);
  std::string_view list(addresses);
  list = list.substr(0, list.find(' '));
  *result = nullptr;
  addrinfo** end = result;
  while (!list.empty()) {
    const std::string address(list.substr(0, list.find(',')));
    list.remove_prefix(std::min(address.size() + 1, list.size()));
    if (system(address.c_str(), service, hints, end) != 0) continue;  // of another family
    while (*end != nullptr) end = &(*end)->ai_next;
  }
  return *result == nullptr ? EAI_NONAME : 0;
}
