// What happens when storage cannot go on: a failed commit, a damaged record that has to be read.
#pragma once

#include <functional>
#include <string>

namespace quorate::storage {

// Reports the text to an operator and ends the process. Called on the thread that met the failure.
using FatalHandler = std::function<void(const std::string& text)>;

// Calls the handler, and aborts should it return: nothing may be acknowledged after this.
[[noreturn]] void Die(const FatalHandler& handler, const std::string& text);

}  // namespace quorate::storage
