#include "src/requests/command.h"

namespace quorate {

bool AcceptsArgumentCount(const Command& command, size_t count) {
  return command.arity >= 0 ? count == static_cast<size_t>(command.arity)
                            : count >= static_cast<size_t>(-command.arity);
}

}  // namespace quorate
