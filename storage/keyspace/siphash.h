// SipHash-1-3, a hash under a secret (J.-P. Aumasson, D. J. Bernstein: "SipHash: a fast short-input
// PRF"). Who does not know the secret cannot choose inputs that collide or that fall into an order
// of their choice.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quorate::storage {

// Drawn when the cluster is founded (consensus/founding.h), and the same for all its life.
using HashSecret = std::array<uint8_t, 16>;

uint64_t SipHash13(const HashSecret& secret, std::string_view bytes);
// The variant with 128 bits of output, which shares no output with the other one.
std::array<char, 16> SipHash13Of128Bits(const HashSecret& secret, std::string_view bytes);

}  // namespace quorate::storage
