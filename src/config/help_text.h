#pragma once

#include <string>

namespace quorate {

// What --help prints: usage, examples, and every directive with its default and meaning.
std::string MakeHelpText();

}  // namespace quorate
