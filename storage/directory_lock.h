// Keeps a second process out of a data folder.
#pragma once

#include <string>
#include <utility>

#include "storage/result.h"

namespace quorate::storage {

// Held until it is destroyed or the process ends, however it ends.
class DirectoryLock {
 public:
  // Of a folder that exists. An error that names the process which holds it.
  static Result<DirectoryLock> Take(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(DirectoryLock&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace quorate::storage
