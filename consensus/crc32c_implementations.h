// The two ways in which Crc32c() is computed, apart, for tests and measurements. All others call
// Crc32c(), which picks. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorate::consensus {

// Eight table lookups for eight bytes; on every processor.
uint32_t Crc32cByTables(std::string_view bytes, uint32_t seed);

// Whether this processor has the instruction (x86-64 with SSE 4.2).
bool HasCrc32cInstruction();

// Precondition: HasCrc32cInstruction().
uint32_t Crc32cByInstruction(std::string_view bytes, uint32_t seed);

}  // namespace quorate::consensus
