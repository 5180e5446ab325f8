#include "storage/base/file_system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace quorate::storage {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;

}  // namespace

FileDescriptor::FileDescriptor(const std::string& path, int flags)
    : descriptor_(open(path.c_str(), flags | O_CLOEXEC, kFileMode)) {}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) close(descriptor_);
}

Error FileError(const std::string& path, const std::string& what, int error_number) {
  return Error{path + ": " + what + ": " + std::generic_category().message(error_number)};
}

std::string ParentOf(const std::string& path) {
  std::filesystem::path clean = std::filesystem::path(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();  // "data/"
  const std::string parent = clean.parent_path().string();
  return parent.empty() ? "." : parent;
}

Result<bool> Exists(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT) return false;
  return FileError(path, "cannot be looked at", errno);
}

Result<size_t> FileBytes(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return FileError(path, "cannot be looked at", errno);
  return static_cast<size_t>(status.st_size);
}

Result<std::string> ReadFile(const std::string& path) {
  const FileDescriptor file(path, O_RDONLY);
  if (!file.is_open()) return FileError(path, "cannot be opened", errno);
  const Result<size_t> size = FileBytes(path);
  if (!size.ok()) return Error{size.error()};
  std::string bytes(size.value(), '\0');
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t got = pread(file.get(), &bytes[at], bytes.size() - at, static_cast<off_t>(at));
    if (got < 0) return FileError(path, "cannot be read", errno);
    if (got == 0) bytes.resize(at);
    at += static_cast<size_t>(got);
  }
  return bytes;
}

LockAttempt TryLock(int descriptor) {
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return LockAttempt::kTaken;
  return errno == EWOULDBLOCK ? LockAttempt::kHeldByAnother : LockAttempt::kFailed;
}

bool IsAt(const std::string& path, int descriptor) {
  struct stat named;
  struct stat opened;
  if (stat(path.c_str(), &named) != 0 || fstat(descriptor, &opened) != 0) return false;
  return named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), kDirectoryMode) != 0) {
    return FileError(path, "the folder cannot be created", errno);
  }
  return SyncDirectory(ParentOf(path));
}

Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return FileError(from, "cannot be renamed to " + to, errno);
  }
  return SyncDirectory(ParentOf(to));
}

Status RemoveDirectory(const std::string& path) {
  std::error_code code;
  std::filesystem::remove_all(path, code);
  if (code) return FileError(path, "cannot be removed", code.value());
  return SyncDirectory(ParentOf(path));
}

Status MakeEmptyDirectory(const std::string& path) {
  const Result<bool> exists = Exists(path);
  if (!exists.ok()) return Error{exists.error()};
  if (exists.value()) {
    if (Status removed = RemoveDirectory(path); !removed.ok()) return removed;
  }
  return MakeDirectory(path);
}

Status SyncDirectory(const std::string& path) {
  const FileDescriptor directory(path, O_RDONLY | O_DIRECTORY);
  if (!directory.is_open()) return FileError(path, "the folder cannot be opened", errno);
  if (fsync(directory.get()) != 0) return FileError(path, "the folder cannot be synced", errno);
  return Ok();
}

Status WriteFile(const std::string& path, std::string_view bytes) {
  const std::string unfinished = path + ".new";
  {
    const FileDescriptor file(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.is_open()) return FileError(unfinished, "cannot be opened", errno);
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t written =
          pwrite(file.get(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
      if (written < 0) return FileError(unfinished, "cannot be written", errno);
      at += static_cast<size_t>(written);
    }
    if (fsync(file.get()) != 0) return FileError(unfinished, "cannot be synced", errno);
  }
  return Rename(unfinished, path);
}

Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return FileError(path, "cannot be removed", errno);
  }
  return SyncDirectory(ParentOf(path));
}

Status Allocate(const std::string& path, size_t bytes) {
  const FileDescriptor file(path, O_RDWR | O_CREAT);
  if (!file.is_open()) return FileError(path, "cannot be opened", errno);
  // Returns its error, and leaves errno alone.
  const int failed = posix_fallocate(file.get(), 0, static_cast<off_t>(bytes));
  if (failed != 0) return FileError(path, "no space can be reserved", failed);
  return Ok();
}

}  // namespace quorate::storage
