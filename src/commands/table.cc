#include "src/commands/table.h"

#include <span>

#include "src/commands/families.h"

namespace quorate {

const CommandTable& Commands() {
  static const CommandTable table({
      StringCommands(),
      KeyCommands(),
      ConnectionCommands(),
      ServerCommands(),
      std::span(&kClientCommand, 1),
      std::span(&kClusterCommand, 1),
      std::span(&kCommandCommand, 1),
      std::span(&kConfigCommand, 1),
      std::span(&kInfoCommand, 1),
  });
  return table;
}

}  // namespace quorate
