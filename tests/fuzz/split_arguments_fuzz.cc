// Fuzz target: a line of a configuration file, or an inline command.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "resp/split_arguments.h"

namespace quorate::resp {
namespace {

// Any bytes, in quotes.
std::string Quoted(std::string_view argument) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char character : argument) {
    const auto byte = static_cast<uint8_t>(character);
    quoted += "\\x";
    quoted += kDigits[byte >> 4];
    quoted += kDigits[byte & 15];
  }
  return quoted + "\"";
}

void Check(std::string_view line) {
  std::vector<std::string_view> arguments = {"of", "before"};
  std::string unescaped = "of before";
  if (!SplitArguments(line, &arguments, &unescaped)) return;

  // Each view lies in one of the two, and none is longer than what it was made of.
  size_t bytes = 0;
  std::string again;
  for (const std::string_view argument : arguments) {
    const auto lies_in = [&](std::string_view whole) {
      return argument.data() >= whole.data() &&
             argument.data() + argument.size() <= whole.data() + whole.size();
    };
    assert(lies_in(line) || lies_in(unescaped));
    bytes += argument.size();
    again += Quoted(argument) + " ";
  }
  assert(bytes <= line.size());

  // Written with every byte escaped, it is read as the same.
  std::vector<std::string_view> arguments_again;
  std::string unescaped_again;
  assert(SplitArguments(again, &arguments_again, &unescaped_again));
  assert(arguments_again == arguments);
}

}  // namespace
}  // namespace quorate::resp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  quorate::resp::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
