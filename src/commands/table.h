// The table of all commands, made of the families.
#pragma once

#include "src/requests/command_table.h"

namespace quorate {

// Made at the first call.
const CommandTable& Commands();

}  // namespace quorate
