#include "storage/base/fatal.h"

#include <cstdlib>

namespace quorate::storage {

void Die(const FatalHandler& handler, const std::string& text) {
  if (handler) handler(text);
  std::abort();
}

}  // namespace quorate::storage
