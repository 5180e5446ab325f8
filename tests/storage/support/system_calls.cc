#include "tests/storage/support/system_calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <utility>

#include "storage/base/encoding.h"
#include "storage/base/file_system.h"

namespace quorate::storage::system_calls {
namespace {

std::atomic<uint64_t> calls_left{0};  // until the process ends; 0: it does not
std::atomic<int> end_status{0};
std::atomic<uint64_t> syncs_left{0};  // until they fail; 0: they do not

std::atomic<Space> disk_space{Space::kEnough};

std::atomic<uint64_t> bytes_written{0};

std::atomic<bool> locks_are_ignored{false};

std::function<void()> before_next_write;
std::atomic<bool> has_before_next_write{false};

// The record: the bytes that are taken, u64, and the encoded events. In memory that is shared with
// child processes, and stays when they end. Null: nothing is recorded.
constexpr size_t kRecordBytesMax = size_t{2} << 30;
std::atomic<char*> record{nullptr};
std::string recorded_folder;
std::mutex record_mutex;

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

void AppendBytes(std::string* to, std::string_view bytes) {
  AppendInteger(to, static_cast<uint64_t>(bytes.size()));
  *to += bytes;
}

std::string_view TakeSizedBytes(FieldReader* fields) {
  const auto size = fields->Take<uint64_t>();
  return fields->TakeBytes(size);
}

void Note(const Event& event) {
  std::string bytes;
  AppendInteger(&bytes, static_cast<uint8_t>(event.kind));
  AppendInteger(&bytes, event.file);
  AppendInteger(&bytes, event.folder);
  AppendInteger(&bytes, event.offset);
  AppendInteger(&bytes, static_cast<uint8_t>(event.durable_at_once));
  AppendBytes(&bytes, event.name);
  AppendBytes(&bytes, event.new_name);
  AppendBytes(&bytes, event.bytes);
  const std::lock_guard lock(record_mutex);
  char* const memory = record;
  if (memory == nullptr) return;
  auto* const used = reinterpret_cast<std::atomic<uint64_t>*>(memory);
  if (*used + bytes.size() > kRecordBytesMax) abort();
  std::memcpy(memory + *used, bytes.data(), bytes.size());
  *used += bytes.size();  // last: what a process that ends here has begun is not there
}

bool IsRecorded(const std::string& path) {
  return record != nullptr && path.starts_with(recorded_folder) &&
         (path.size() == recorded_folder.size() || path[recorded_folder.size()] == '/');
}

std::string PathOf(int descriptor) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = readlink(link.c_str(), path, sizeof(path));
  return {path, static_cast<size_t>(size < 0 ? 0 : size)};
}

uint64_t InodeOf(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// Of something that is done to what is open there.
void NoteOf(int descriptor, Event event) {
  struct stat status;
  if (record == nullptr || fstat(descriptor, &status) != 0) return;
  if (!IsRecorded(PathOf(descriptor))) return;
  event.file = status.st_ino;
  Note(event);
}

// Of something that is done to a name.
void NoteName(Event event, const std::string& path, uint64_t inode) {
  event.file = inode;
  event.folder = InodeOf(ParentOf(path));
  event.name = path.substr(path.rfind('/') + 1);
  Note(event);
}

void NoteWrite(int descriptor, uint64_t offset, std::string bytes) {
  NoteOf(descriptor, {.kind = Event::Kind::kWrite,
                      .offset = offset,
                      .durable_at_once = IsSynchronous(descriptor),
                      .name = "",
                      .new_name = "",
                      .bytes = std::move(bytes)});
}

Event EventOf(Event::Kind kind) { return {.kind = kind, .name = "", .new_name = "", .bytes = ""}; }

int NoteRemoval(int result, const std::string& path) {
  if (result == 0 && IsRecorded(path)) NoteName(EventOf(Event::Kind::kRemove), path, 0);
  return result;
}

void CallBeforeWrite() {
  if (has_before_next_write.exchange(false)) before_next_write();
}

int Sync(long number, int descriptor) {
  Count();
  if (SyncFails()) {
    errno = EIO;
    return -1;
  }
  const auto result = static_cast<int>(syscall(number, descriptor));
  if (result == 0) NoteOf(descriptor, EventOf(Event::Kind::kSync));
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

void BeforeNextWrite(std::function<void()> call) {
  before_next_write = std::move(call);
  has_before_next_write = true;
}

uint64_t BytesWritten() { return bytes_written; }

void Record(const std::string& folder) {
  void* const memory = mmap(nullptr, kRecordBytesMax, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) abort();
  new (memory) std::atomic<uint64_t>(sizeof(uint64_t));
  recorded_folder = std::filesystem::canonical(folder);
  record = static_cast<char*>(memory);
}

void Mark(const std::string& what) {
  Event event = EventOf(Event::Kind::kMark);
  event.bytes = what;
  Note(event);
}

std::vector<Event> TakeRecord() {
  const std::lock_guard lock(record_mutex);
  char* const memory = record.exchange(nullptr);
  const uint64_t used = *reinterpret_cast<std::atomic<uint64_t>*>(memory);
  FieldReader fields({memory + sizeof(used), used - sizeof(used)});
  std::vector<Event> events;
  while (!fields.finished()) {
    Event event = EventOf(static_cast<Event::Kind>(fields.Take<uint8_t>()));
    event.file = fields.Take<uint64_t>();
    event.folder = fields.Take<uint64_t>();
    event.offset = fields.Take<uint64_t>();
    event.durable_at_once = fields.Take<uint8_t>() != 0;
    event.name = TakeSizedBytes(&fields);
    event.new_name = TakeSizedBytes(&fields);
    event.bytes = TakeSizedBytes(&fields);
    events.push_back(std::move(event));
  }
  munmap(memory, kRecordBytesMax);
  return events;
}

}  // namespace quorate::storage::system_calls

// In the place of the C library's, for this program and the shared libraries it uses.
extern "C" {

using quorate::storage::ParentOf;
using quorate::storage::system_calls::CallBeforeWrite;
using quorate::storage::system_calls::Count;
using quorate::storage::system_calls::CountBytes;
using quorate::storage::system_calls::Event;
using quorate::storage::system_calls::EventOf;
using quorate::storage::system_calls::InodeOf;
using quorate::storage::system_calls::IsRecorded;
using quorate::storage::system_calls::IsSynchronous;
using quorate::storage::system_calls::LocksAreIgnored;
using quorate::storage::system_calls::NoteName;
using quorate::storage::system_calls::NoteOf;
using quorate::storage::system_calls::NoteRemoval;
using quorate::storage::system_calls::NoteWrite;
using quorate::storage::system_calls::PathOf;
using quorate::storage::system_calls::record;
using quorate::storage::system_calls::SpaceFor;
using quorate::storage::system_calls::Sync;
using quorate::storage::system_calls::SyncFails;

int fsync(int descriptor) { return Sync(SYS_fsync, descriptor); }

int fdatasync(int descriptor) { return Sync(SYS_fdatasync, descriptor); }

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  Count();
  CallBeforeWrite();
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
  if (written > 0 && record != nullptr) {
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
  if (written > 0 && record != nullptr) {
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
  const uint64_t inode = record != nullptr ? InodeOf(from) : 0;
  const auto result = static_cast<int>(syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
  if (result == 0 && IsRecorded(from)) {
    if (ParentOf(from) != ParentOf(to)) abort();  // an event has one folder
    Event event = EventOf(Event::Kind::kRename);
    event.new_name = std::string(to).substr(std::string(to).rfind('/') + 1);
    NoteName(std::move(event), from, inode);
  }
  return result;
}

int mkdir(const char* path, mode_t mode) noexcept {
  Count();
  const auto result = static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
  if (result == 0 && IsRecorded(path)) {
    NoteName(EventOf(Event::Kind::kCreateFolder), path, InodeOf(path));
  }
  return result;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  const bool is_recorded = record != nullptr && IsRecorded(path);
  const bool is_new = is_recorded && InodeOf(path) == 0;
  const auto descriptor = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  if (descriptor < 0 || !is_recorded) return descriptor;
  if (is_new) {
    NoteName(EventOf(Event::Kind::kCreateFile), path, InodeOf(path));
  } else if ((flags & O_TRUNC) != 0) {
    NoteOf(descriptor, EventOf(Event::Kind::kResize));
  }
  return descriptor;
}

int ftruncate(int descriptor, off_t size) noexcept {
  const auto result = static_cast<int>(syscall(SYS_ftruncate, descriptor, size));
  if (result == 0 && record != nullptr) {
    Event event = EventOf(Event::Kind::kResize);
    event.offset = static_cast<uint64_t>(size);
    NoteOf(descriptor, std::move(event));
  }
  return result;
}

int unlink(const char* path) noexcept {
  Count();
  return NoteRemoval(static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0)), path);
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  Count();
  const auto result = static_cast<int>(syscall(SYS_unlinkat, folder, path, flags));
  if (record == nullptr) return result;
  const bool is_whole = path[0] == '/' || folder == AT_FDCWD;
  return NoteRemoval(result, is_whole ? path : PathOf(folder) + "/" + path);
}

int remove(const char* path) noexcept {
  Count();
  auto result = static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
  if (result != 0 && errno == EISDIR) {
    result = static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
  }
  return NoteRemoval(result, path);
}

}  // extern "C"
