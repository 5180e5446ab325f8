#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace quorate::resp {

// What a parser made of all the bytes of one connection. Equal however the bytes were cut.
struct Received {
  std::vector<std::vector<std::string>> requests;
  std::vector<std::string> raws;
  std::vector<bool> inlines;
  std::string error;  // Empty if none.
  std::string left;   // What was not consumed; empty after an error.

  friend bool operator==(const Received&, const Received&) = default;
};

// Cuts `input` into pieces of these sizes, repeated to its end, and gives them to `parser` one
// after the other, as a server would: bytes appended to a buffer, consumed ones dropped. A buffer
// of moderate size lies in memory of its exact size, at another place for each call, and the
// earlier one is overwritten. The promises that Parse makes in its header are expected on the way.
Received Receive(RequestParser* parser, std::string_view input,
                 const std::vector<size_t>& piece_sizes);

// The same with a parser of default limits: all at once; byte by byte; in pieces of random sizes.
Received ReceiveWhole(std::string_view input);
Received ReceiveByteByByte(std::string_view input);
Received ReceiveInPieces(std::string_view input, uint64_t seed);

}  // namespace quorate::resp
