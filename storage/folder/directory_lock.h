// Keeps a second process out of a data folder.
#pragma once

#include <memory>
#include <string>

#include "storage/base/file_system.h"
#include "storage/base/result.h"

namespace quorate::storage {

// Held until it is destroyed or the process ends, however it ends.
//
// What is locked is the folder itself, by whatever path or mount a process comes to it, and the
// file `lock` in it, which also says who holds the lock. Removing that file lets nobody in.
class DirectoryLock {
 public:
  // Locks a folder that exists. An error names the process that holds it.
  static Result<DirectoryLock> Take(const std::string& directory);

 private:
  DirectoryLock(std::unique_ptr<FileDescriptor> directory, std::unique_ptr<FileDescriptor> file)
      : directory_(std::move(directory)), file_(std::move(file)) {}

  std::unique_ptr<FileDescriptor> directory_;
  std::unique_ptr<FileDescriptor> file_;
};

}  // namespace quorate::storage
