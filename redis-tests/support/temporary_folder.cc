#include "redis-tests/support/temporary_folder.h"

#include <stdlib.h>

#include <cassert>
#include <filesystem>
#include <system_error>

namespace quorate::redis_tests {

TemporaryFolder::TemporaryFolder() {
  // mkdtemp replaces the X's.
  path_ = (std::filesystem::temp_directory_path() / "quorate-test-XXXXXX").string();
  const char* made = mkdtemp(path_.data());
  assert(made != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  if (!keep_) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

}  // namespace quorate::redis_tests
