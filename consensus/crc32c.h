// CRC32C (Castagnoli polynomial, as in iSCSI, RFC 3720 appendix B.4): guards log records on disk
// and messages between peers. Uses the processor's instruction where there is one. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::consensus {

// The checksum of `bytes`; with `seed` the checksum of what `seed` covers followed by `bytes`, so
// Crc32c(b, Crc32c(a)) == Crc32c(a + b). The checksum of no bytes is 0.
uint32_t Crc32c(std::string_view bytes, uint32_t seed = 0);

}  // namespace quorate::consensus
