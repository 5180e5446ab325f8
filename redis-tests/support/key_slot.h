// The hash slot of a key.
#pragma once

#include <string_view>

namespace quorate::redis_tests {

// The hash slot (0 to 16383) of a key, by the Redis Cluster specification: CRC16/XMODEM of the part
// between the first '{' and the next '}' if there is something between them, else of the whole key.
// Written anew here so that the server's own computation is checked against a second one.
int KeySlot(std::string_view key);

}  // namespace quorate::redis_tests
