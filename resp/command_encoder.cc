#include "resp/command_encoder.h"

#include <cassert>

#include "resp/reply_writer.h"

namespace quorate::resp {
namespace {

size_t DecimalDigits(size_t number) {
  size_t digits = 1;
  for (; number >= 10; number /= 10) {
    ++digits;
  }
  return digits;
}

// A type byte, the digits, CR LF.
size_t HeaderBytes(size_t number) { return 1 + DecimalDigits(number) + 2; }

}  // namespace

void AppendCommand(std::span<const std::string_view> arguments, std::string* output) {
  assert(!arguments.empty());
  // An array of bulk strings is the same in a request and in a reply of either protocol.
  ReplyWriter writer(Protocol::kResp2, output);
  writer.Array(arguments.size());
  for (const std::string_view argument : arguments) {
    writer.BulkString(argument);
  }
}

size_t EncodedCommandBytes(std::span<const std::string_view> arguments) {
  size_t bytes = HeaderBytes(arguments.size());
  for (const std::string_view argument : arguments) {
    bytes += HeaderBytes(argument.size()) + argument.size() + 2;
  }
  return bytes;
}

}  // namespace quorate::resp
