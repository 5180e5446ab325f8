#include "storage/lmdb/lmdb_environment.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "storage/base/file_system.h"
#include "storage/lmdb/lmdb_free_pages.h"
#include "storage/lmdb/lmdb_meta_pages.h"

namespace quorate::storage {
namespace {

constexpr MDB_dbi kDatabasesMax = 8;
constexpr mode_t kFileMode = 0640;

// LMDB writes its lock file through a map and creates it sparse: on a full disk the first touch of
// a page would be a SIGBUS. Readers' slots take 64 bytes each; two pages are more than are ever in
// use.
constexpr size_t kLockFileBytes = 16 << 10;

constexpr const char* kDataFile = "/data.mdb";
constexpr const char* kLockFile = "/lock.mdb";

}  // namespace

Environment::Environment(std::string path, Options options)
    : path_(std::move(path)), file_(path_ + kDataFile), options_(std::move(options)) {}

Environment::~Environment() {
  if (handle_ != nullptr) mdb_env_close(handle_);
}

Status Environment::Create(const std::string& path, const Options& options) {
  Environment environment(path, options);
  if (Status allocated = Allocate(path + kLockFile, kLockFileBytes); !allocated.ok()) {
    return allocated;
  }
  if (const int code = environment.OpenFile()) {
    return environment.MakeError("cannot be created" + environment.Advice(code), code);
  }
  if (Status locked = environment.LockFile(); !locked.ok()) return locked;
  if (const int code = mdb_env_sync(environment.handle_, 1)) {
    return environment.MakeError("cannot be synced", code);
  }
  return SyncDirectory(path);
}

Result<std::unique_ptr<Environment>> Environment::Open(const std::string& path,
                                                       const Options& options) {
  std::unique_ptr<Environment> environment(new Environment(path, options));
  // LMDB would make a new, empty file where it finds none, or one of no bytes.
  const Result<bool> exists = Exists(environment->file_);
  if (!exists.ok()) return Error{exists.error()};
  if (!exists.value()) return environment->MakeError("the file is missing");
  const Result<size_t> bytes = FileBytes(environment->file_);
  if (!bytes.ok()) return Error{bytes.error()};
  if (bytes.value() == 0) return environment->MakeError("the file is empty");
  if (Status checked = CheckMetaPages(environment->file_); !checked.ok()) {
    return Error{checked.error()};
  }
  while (environment->options_.map_bytes / 2 < bytes.value()) environment->options_.map_bytes *= 2;

  if (Status allocated = Allocate(path + kLockFile, kLockFileBytes); !allocated.ok()) {
    return Error{allocated.error()};
  }
  if (const int code = environment->OpenFile()) {
    return environment->MakeError("cannot be opened" + environment->Advice(code), code);
  }
  if (Status locked = environment->LockFile(); !locked.ok()) return Error{locked.error()};
  if (Status extended = environment->ExtendToContents(); !extended.ok()) {
    return Error{extended.error()};
  }
  if (Status checked = CheckFreePages(*environment); !checked.ok()) return Error{checked.error()};
  return environment;
}

// LMDB itself would let several processes work on one file. Its own locks are on its lock file, by
// another system call, and know nothing of this one.
Status Environment::LockFile() const {
  int descriptor = -1;
  if (const int code = mdb_env_get_fd(handle_, &descriptor)) {
    return MakeError("cannot be locked", code);
  }
  switch (TryLock(descriptor)) {
    case LockAttempt::kTaken:
      return Ok();
    case LockAttempt::kHeldByAnother:
      return MakeError("the file is in use by another process");
    case LockAttempt::kFailed:
      break;
  }
  return FileError(file_, "cannot be locked", errno);
}

Status Environment::CheckInPlace() const {
  int descriptor = -1;
  if (const int code = mdb_env_get_fd(handle_, &descriptor)) {
    return MakeError("cannot be looked at", code);
  }
  if (IsAt(file_, descriptor)) return Ok();
  return MakeError(
      "the data folder was moved or replaced while the server was running: restart the server on "
      "the folder that it is to use");
}

// A file that was cut short behind LMDB's back ends this process with a SIGBUS when a page is read
// that it no longer has. As zeros, the same page is found to be damaged and reported. That a file
// is shorter than the pages counted is no error by itself: pages that were taken and given back in
// one transaction at the file's end are never written.
Status Environment::ExtendToContents() const {
  const Result<Extent> extent = MeasureFile();
  if (!extent.ok()) return Error{extent.error()};
  const auto [descriptor, file_bytes, used_bytes] = extent.value();
  if (file_bytes >= used_bytes) return Ok();
  if (ftruncate(descriptor, static_cast<off_t>(used_bytes)) != 0) {
    return FileError(file_, "cannot be extended to its contents", errno);
  }
  return Ok();
}

Result<Environment::Extent> Environment::MeasureFile() const {
  MDB_envinfo info;
  MDB_stat statistics;
  int descriptor = -1;
  int code = mdb_env_info(handle_, &info);
  if (code == 0) code = mdb_env_stat(handle_, &statistics);
  if (code == 0) code = mdb_env_get_fd(handle_, &descriptor);
  if (code != 0) return MakeError("cannot be looked at", code);
  struct stat status;
  if (fstat(descriptor, &status) != 0) return FileError(file_, "cannot be looked at", errno);
  return Extent{.descriptor = descriptor,
                .file_bytes = static_cast<size_t>(status.st_size),
                .used_bytes = (info.me_last_pgno + 1) * statistics.ms_psize};
}

std::optional<uint64_t> Environment::FreeBytes() const {
  struct statvfs status;
  if (statvfs(path_.c_str(), &status) != 0) return std::nullopt;
  return uint64_t{status.f_bavail} * status.f_frsize;
}

size_t Environment::PrepareGrowth() const {
  constexpr size_t kStepBytesMin = 1 << 20;
  constexpr size_t kStepBytesMax = 16 << 20;
  constexpr size_t kReserveBytes = 1 << 20;
  constexpr size_t kFreeSteps = 16;  // nor is the disk filled for this
  // What goes wrong here is met again, and reported, by the commit that needs the space.
  constexpr size_t kUnknown = std::numeric_limits<size_t>::max();
  const Result<Extent> extent = MeasureFile();
  if (!extent.ok()) return kUnknown;
  const auto [descriptor, file_bytes, used_bytes] = extent.value();
  std::optional<uint64_t> free_bytes = FreeBytes();
  if (!free_bytes) return kUnknown;
  const size_t step = std::clamp(used_bytes / 2, kStepBytesMin, kStepBytesMax);
  const bool nearly_full = *free_bytes < kFreeSteps * step;
  const size_t end = used_bytes + (nearly_full ? kReserveBytes : step);
  const size_t enough = used_bytes + (nearly_full ? kReserveBytes / 2 : step / 4);
  // Behind the last page of the last commit, and behind the file's end: nothing of value lies
  // there.
  size_t at = std::max(file_bytes, used_bytes);
  if (at < enough) {
    const std::string zeros(kStepBytesMin, '\0');
    while (at < end) {
      const size_t size = std::min(zeros.size(), end - at);
      const ssize_t written = pwrite(descriptor, zeros.data(), size, static_cast<off_t>(at));
      if (written <= 0) break;
      at += static_cast<size_t>(written);
    }
    free_bytes = FreeBytes();
  }
  return at - used_bytes + free_bytes.value_or(0);
}

int Environment::OpenFile() {
  if (const int code = mdb_env_create(&handle_)) return code;
  // NOMEMINIT is not set: bytes of other memory would reach the disk in the gaps of pages.
  unsigned flags = MDB_NOTLS;
  if (options_.random_reads) flags |= MDB_NORDAHEAD;
  int code = mdb_env_set_mapsize(handle_, options_.map_bytes);
  if (code == 0) code = mdb_env_set_maxdbs(handle_, kDatabasesMax);
  if (code == 0) code = mdb_env_set_userctx(handle_, this);
  if (code == 0) code = mdb_env_set_assert(handle_, &Environment::AssertFailed);
  if (code == 0) code = mdb_env_open(handle_, path_.c_str(), flags, kFileMode);
  int dead_readers = 0;
  if (code == 0) code = mdb_reader_check(handle_, &dead_readers);
  return code;
}

std::string Environment::Advice(int code) const {
  rlimit limit;
  if (code != ENOMEM || getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return "";
  }
  return " (it takes " + std::to_string(options_.map_bytes) +
         " bytes of address space, no memory, and this process is limited to " +
         std::to_string(limit.rlim_cur) + ": see ulimit -v)";
}

void Environment::AssertFailed(MDB_env* handle, const char* message) {
  const auto* environment = static_cast<const Environment*>(mdb_env_get_userctx(handle));
  environment->Fail(environment->MakeError(std::string("the file is damaged: ") + message));
}

Error Environment::MakeError(std::string_view what, int code) const {
  return Error{file_ + ": " + std::string(what) + ": " + mdb_strerror(code)};
}

// A transaction that fails before its meta page is written has changed nothing: LMDB writes only to
// pages that neither of the last two commits uses, and a second try writes each of its pages anew.
// If it was the meta page that could not be written, LMDB itself refuses every further transaction,
// with another code (MDB_PANIC). So lack of space may be waited for; all other failures are final.
Error Environment::MakeWriteError(std::string_view what, int code) const {
  // LMDB reports a write that was cut short, as the last one on a full disk is, as an input/output
  // error that the system has not spoken of.
  const bool cut_short = code == EIO && errno != EIO;
  Error error = MakeError(what, cut_short ? ENOSPC : code);
  error.disk_full = cut_short || code == ENOSPC || code == EDQUOT || code == EFBIG;
  const std::optional<uint64_t> free_bytes = FreeBytes();
  if (error.disk_full && free_bytes) {
    error.text += " (" + std::to_string(*free_bytes) + " bytes are free on that disk)";
  }
  return error;
}

Error Environment::MakeError(std::string_view what) const {
  return Error{file_ + ": " + std::string(what)};
}

Result<ReadTransaction> ReadTransaction::Begin(const Environment& environment) {
  MDB_txn* handle = nullptr;
  if (const int code = mdb_txn_begin(environment.handle(), nullptr, MDB_RDONLY, &handle)) {
    return environment.MakeError("cannot be read", code);
  }
  return ReadTransaction(handle);
}

Result<WriteTransaction> WriteTransaction::Begin(const Environment& environment) {
  MDB_txn* handle = nullptr;
  errno = 0;  // see MakeWriteError
  if (const int code = mdb_txn_begin(environment.handle(), nullptr, 0, &handle)) {
    return environment.MakeError("cannot be written", code);
  }
  return WriteTransaction(handle);
}

int OpenCursor(MDB_txn* transaction, MDB_dbi database, Cursor* cursor) {
  MDB_cursor* handle = nullptr;
  const int code = mdb_cursor_open(transaction, database, &handle);
  if (code == 0) cursor->reset(handle);
  return code;
}

}  // namespace quorate::storage
