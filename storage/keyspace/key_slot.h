// The hash slot of a key, as Redis Cluster counts them
// (https://redis.io/docs/reference/cluster-spec/): CRC16 (XMODEM) modulo 16384, of the part between
// the first `{` and the next `}` where that is not empty.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::storage {

inline constexpr uint16_t kSlotCount = 16384;

uint16_t KeySlot(std::string_view key);

}  // namespace quorate::storage
