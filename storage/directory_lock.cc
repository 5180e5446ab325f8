#include "storage/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "storage/file_system.h"

namespace quorate::storage {
namespace {

constexpr mode_t kFileMode = 0640;

// The holder's process id as it was written into the file, or nothing.
std::string ReadHolder(int descriptor) {
  char text[24];
  const ssize_t size = pread(descriptor, text, sizeof(text), 0);
  if (size <= 0) return "";
  const char* end = std::find_if_not(
      text, text + size, [](unsigned char character) { return std::isdigit(character) != 0; });
  return std::string(static_cast<const char*>(text), end);
}

}  // namespace

Result<DirectoryLock> DirectoryLock::Take(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (descriptor < 0) return FileError(path, "cannot be opened", errno);
  DirectoryLock lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError(path, "cannot be locked", errno);
    const std::string holder = ReadHolder(descriptor);
    return Error{directory + ": the folder is in use by another process" +
                 (holder.empty() ? "" : " (" + holder + ")")};
  }
  // For the error text above alone: a full disk is met, and reported, where it matters.
  const std::string holder = std::to_string(getpid()) + "\n";
  if (ftruncate(descriptor, 0) == 0) {
    [[maybe_unused]] const ssize_t written = pwrite(descriptor, holder.data(), holder.size(), 0);
  }
  return lock;
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace quorate::storage
