// What is installed beside the server to be read: made from the table of directives, so that it
// says what the server does.
#pragma once

#include <string>

namespace quorate {

// The manual page quorate-server(1), in the macros of man(7).
std::string MakeManualPage();

// A configuration file with every directive that has more than one value, each commented out with
// its default: a server that reads it behaves as one that reads nothing.
std::string MakeSampleConfiguration();

}  // namespace quorate
