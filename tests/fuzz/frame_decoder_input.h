// What an input of the fuzz target frame_decoder is: one byte of switches, one byte that says how
// the stream is cut, the stream.
#pragma once

#include <cstdint>

namespace quorate::consensus::fuzz {

enum Switches : uint8_t {
  kIntroduced = 1,  // a valid Hello comes before the stream
  kRepaired = 2,    // versions and checksums are made right, to reach what they guard
};

}  // namespace quorate::consensus::fuzz
