#include "tests/storage/system_calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

namespace quorate::storage::system_calls {
namespace {

std::atomic<uint64_t> calls_left{0};  // until the process ends; 0: it does not
std::atomic<int> end_status{0};
std::atomic<uint64_t> syncs_left{0};  // until they fail; 0: they do not

std::atomic<Space> disk_space{Space::kEnough};

std::atomic<uint64_t> bytes_written{0};

std::atomic<bool> locks_are_ignored{false};

std::mutex record_mutex;
std::atomic<bool> is_recording{false};
std::vector<std::pair<dev_t, ino_t>> recorded_files;
std::vector<Event> record;

void Count() {
  if (calls_left == 0) return;
  if (--calls_left == 0) _exit(end_status);
}

void CountBytes(ssize_t written) {
  if (written > 0) bytes_written += static_cast<uint64_t>(written);
}

bool SyncFails() {
  if (syncs_left == 0) return false;
  if (syncs_left > 1) {
    --syncs_left;
    return false;
  }
  return true;
}

bool IsSynchronous(int descriptor) { return (fcntl(descriptor, F_GETFL) & O_DSYNC) != 0; }

// How many of the bytes find space.
size_t SpaceFor(int descriptor, size_t size) {
  if (disk_space == Space::kEnough || IsSynchronous(descriptor)) return size;
  return disk_space == Space::kNone ? 0 : size / 2;
}

bool LocksAreIgnored() { return locks_are_ignored; }

void Note(Event event) {
  const std::lock_guard lock(record_mutex);
  record.push_back(std::move(event));
}

// Nothing when the file is not recorded.
void NoteOf(int descriptor, Event event) {
  struct stat status;
  if (!is_recording || fstat(descriptor, &status) != 0) return;
  for (size_t file = 0; file < recorded_files.size(); ++file) {
    if (recorded_files[file] != std::pair(status.st_dev, status.st_ino)) continue;
    event.file = file;
    Note(std::move(event));
    return;
  }
}

void NoteWrite(int descriptor, uint64_t offset, std::string bytes) {
  const bool durable_at_once = IsSynchronous(descriptor);
  NoteOf(descriptor, {Event::Kind::kWrite, offset, std::move(bytes), durable_at_once});
}

int Sync(long number, int descriptor) {
  Count();
  if (SyncFails()) {
    errno = EIO;
    return -1;
  }
  const auto result = static_cast<int>(syscall(number, descriptor));
  if (result == 0) NoteOf(descriptor, {.kind = Event::Kind::kSync, .bytes = ""});
  return result;
}

}  // namespace

void EndProcessBefore(uint64_t call, int exit_status) {
  end_status = exit_status;
  calls_left = call;
}

void FailSyncsFrom(uint64_t sync) { syncs_left = sync; }

void SetSpace(Space space) { disk_space = space; }

void IgnoreLocks() { locks_are_ignored = true; }

uint64_t BytesWritten() { return bytes_written; }

void Record(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) abort();
  recorded_files.emplace_back(status.st_dev, status.st_ino);
  is_recording = true;
}

void Mark() { Note({.kind = Event::Kind::kMark, .bytes = ""}); }

std::vector<Event> TakeRecord() {
  const std::lock_guard lock(record_mutex);
  is_recording = false;
  recorded_files.clear();
  return std::exchange(record, {});
}

}  // namespace quorate::storage::system_calls

// In the place of the C library's, for this program and the shared libraries it uses.
extern "C" {

using quorate::storage::system_calls::Count;
using quorate::storage::system_calls::CountBytes;
using quorate::storage::system_calls::is_recording;
using quorate::storage::system_calls::IsSynchronous;
using quorate::storage::system_calls::LocksAreIgnored;
using quorate::storage::system_calls::NoteWrite;
using quorate::storage::system_calls::SpaceFor;
using quorate::storage::system_calls::Sync;
using quorate::storage::system_calls::SyncFails;

int fsync(int descriptor) { return Sync(SYS_fsync, descriptor); }

int fdatasync(int descriptor) { return Sync(SYS_fdatasync, descriptor); }

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  Count();
  // A write through a synchronous descriptor is a sync as well.
  if (IsSynchronous(descriptor) && SyncFails()) {
    errno = EIO;
    return -1;
  }
  size = SpaceFor(descriptor, size);
  if (size == 0) {
    errno = ENOSPC;
    return -1;
  }
  const ssize_t written = syscall(SYS_pwrite64, descriptor, bytes, size, offset);
  CountBytes(written);
  if (written > 0 && is_recording) {
    NoteWrite(descriptor, static_cast<uint64_t>(offset),
              std::string(static_cast<const char*>(bytes), static_cast<size_t>(written)));
  }
  return written;
}

ssize_t writev(int descriptor, const iovec* parts, int count) {
  Count();
  if (SpaceFor(descriptor, 2) < 2) {
    // Half of the parts, then; all writes of several parts are of LMDB's pages.
    count /= 2;
    if (count == 0 || SpaceFor(descriptor, 2) == 0) {
      errno = ENOSPC;
      return -1;
    }
  }
  const auto offset = static_cast<uint64_t>(lseek(descriptor, 0, SEEK_CUR));
  const ssize_t written = syscall(SYS_writev, descriptor, parts, count);
  CountBytes(written);
  if (written > 0 && is_recording) {
    std::string bytes;
    for (int part = 0; part < count; ++part) {
      bytes.append(static_cast<const char*>(parts[part].iov_base), parts[part].iov_len);
    }
    bytes.resize(static_cast<size_t>(written));
    NoteWrite(descriptor, offset, std::move(bytes));
  }
  return written;
}

int flock(int descriptor, int operation) noexcept {
  if (LocksAreIgnored()) return 0;
  return static_cast<int>(syscall(SYS_flock, descriptor, operation));
}

int rename(const char* from, const char* to) noexcept {
  Count();
  return static_cast<int>(syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}

int mkdir(const char* path, mode_t mode) noexcept {
  Count();
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

}  // extern "C"
