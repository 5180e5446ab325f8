// What the clients of a test's cluster send and get.
#pragma once

#include <string>
#include <string_view>

#include "tests/src/node/node_support.h"

namespace quorate {

inline constexpr const char* kOk = "+OK\r\n";

inline std::string Set(std::string_view key, std::string_view value) {
  return Request({"SET", key, value});
}
inline std::string Get(std::string_view key) { return Request({"GET", key}); }

// So many steps settle everything that needs no further time.
inline constexpr int kSettle = 10;

}  // namespace quorate
