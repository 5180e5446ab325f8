#include "storage/folder/directory_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>

namespace quorate::storage {
namespace {

// The holder's process id as it was written into the file, or nothing.
std::string ReadHolder(int descriptor) {
  char text[24];
  const ssize_t size = pread(descriptor, text, sizeof(text), 0);
  if (size <= 0) return "";
  const char* end = std::find_if_not(
      text, text + size, [](unsigned char character) { return std::isdigit(character) != 0; });
  return std::string(static_cast<const char*>(text), end);
}

// NFS locks only what is open for writing, and a folder never is. The file `lock` and the data
// files are locked there as everywhere.
bool CannotLockFolders(int error_number) {
  return error_number == EBADF || error_number == EINVAL || error_number == EOPNOTSUPP;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::Take(const std::string& directory) {
  auto folder = std::make_unique<FileDescriptor>(directory, O_RDONLY | O_DIRECTORY);
  if (!folder->is_open()) return FileError(directory, "the folder cannot be opened", errno);
  const std::string path = directory + "/lock";
  auto file = std::make_unique<FileDescriptor>(path, O_RDWR | O_CREAT);
  if (!file->is_open()) return FileError(path, "cannot be opened", errno);

  const LockAttempt of_folder = TryLock(folder->get());
  if (of_folder == LockAttempt::kFailed && !CannotLockFolders(errno)) {
    return FileError(directory, "the folder cannot be locked", errno);
  }
  const LockAttempt of_file = TryLock(file->get());
  if (of_file == LockAttempt::kFailed) return FileError(path, "cannot be locked", errno);
  if (of_folder == LockAttempt::kHeldByAnother || of_file == LockAttempt::kHeldByAnother) {
    const std::string holder = ReadHolder(file->get());
    return Error{directory + ": the folder is in use by another process" +
                 (holder.empty() ? "" : " (" + holder + ")")};
  }
  // For the error text above alone: a full disk is met, and reported, where it matters.
  const std::string holder = std::to_string(getpid()) + "\n";
  if (ftruncate(file->get(), 0) == 0) {
    [[maybe_unused]] const ssize_t written = pwrite(file->get(), holder.data(), holder.size(), 0);
  }
  return DirectoryLock(std::move(folder), std::move(file));
}

}  // namespace quorate::storage
