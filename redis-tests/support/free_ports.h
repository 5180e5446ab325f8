// Ports for the nodes of a test.
#pragma once

#include <cstdint>
#include <vector>

namespace quorate::redis_tests {

// The distance from a node's port to its peer port when it is not given.
inline constexpr uint16_t kPeerPortOffset = 10'000;

// `count` ports of 127.0.0.1 on which nothing listens now, nor on the port kPeerPortOffset above
// each. All of them lie below the range that the kernel gives to outgoing connections, so that a
// node that is restarted later does not find its port taken by one of those.
std::vector<uint16_t> FreePorts(int count);

}  // namespace quorate::redis_tests
