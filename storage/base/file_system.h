// The few file system calls that storage makes itself, with errors that name the path. What makes a
// name appear, move or vanish is durable when the call returns: the folder that holds the name is
// synced.
#pragma once

#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace quorate::storage {

// "<path>: <what>: <the system's text for error_number>".
Error FileError(const std::string& path, const std::string& what, int error_number);

// The folder that holds the path's last part.
std::string ParentOf(const std::string& path);

// Whether there is anything by that name; an error when that cannot be told.
Result<bool> Exists(const std::string& path);
Result<size_t> FileBytes(const std::string& path);

// The whole file.
Result<std::string> ReadFile(const std::string& path);

// An open file, closed when this goes.
class FileDescriptor {
 public:
  // Flags as those of open(). What it creates has mode 0640.
  FileDescriptor(const std::string& path, int flags);
  ~FileDescriptor();
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  // False: errno is as open() has left it.
  bool is_open() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// Tries to take the lock of an open file or folder, which no two open descriptors of it can have at
// the same time. It is given back when the descriptor is closed, or the process ends. After
// kFailed, errno is as flock() has left it.
enum class LockAttempt { kTaken, kHeldByAnother, kFailed };
LockAttempt TryLock(int descriptor);

// Whether the path leads to the file or folder that is open: false when another one has taken its
// place, or none is there.
bool IsAt(const std::string& path, int descriptor);

// A folder of mode 0750, in a folder that exists.
Status MakeDirectory(const std::string& path);
// The same, in place of whatever has that name.
Status MakeEmptyDirectory(const std::string& path);
Status Rename(const std::string& from, const std::string& to);
// With everything in it. Nothing there is no error.
Status RemoveDirectory(const std::string& path);
Status SyncDirectory(const std::string& path);

// All or nothing: the file appears under its name when it is complete and durable.
Status WriteFile(const std::string& path, std::string_view bytes);
// Nothing there is no error.
Status RemoveFile(const std::string& path);

// Makes the file at least that long, with disk space behind all of it.
Status Allocate(const std::string& path, size_t bytes);

}  // namespace quorate::storage
