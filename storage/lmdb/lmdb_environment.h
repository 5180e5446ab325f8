// A thin layer over LMDB (lmdb.h, version 0.9.24): owners for its handles, and error texts that
// name the file. It fixes how Quorate uses LMDB: commits are durable when they return (no NOSYNC,
// NOMETASYNC or WRITEMAP), readers are bound to a transaction and not to a thread (NOTLS), the map
// is as large as it will ever have to be, nothing is a DUPSORT database or a nested transaction.
//
// An environment must not be opened twice in one process, nor used after fork().
#pragma once

#include <lmdb.h>

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/base/fatal.h"
#include "storage/base/result.h"

namespace quorate::storage {

// Address space for one environment. It costs neither memory nor disk, and saves everybody from
// ever meeting a full map. The thread sanitizer leaves less than 1.5 TiB to programs.
#ifdef __SANITIZE_THREAD__
inline constexpr size_t kMapBytesDefault = size_t{16} << 30;
#else
inline constexpr size_t kMapBytesDefault = size_t{1} << 40;
#endif

inline MDB_val ToValue(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}
inline std::string_view ToBytes(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

class Environment {
 public:
  struct Options {
    size_t map_bytes = kMapBytesDefault;  // doubled until a file that has outgrown it fits
    bool random_reads = false;            // reads are for scattered keys: do not read ahead
    FatalHandler fatal = nullptr;         // for what LMDB itself would only abort on
  };

  // Makes an environment that holds nothing, in a folder that exists and is empty.
  static Status Create(const std::string& path, const Options& options);
  // Opens one that was made before. A missing file is an error, never a new environment. So is one
  // that is open elsewhere: its data file is locked, whatever the folder that it is reached by.
  static Result<std::unique_ptr<Environment>> Open(const std::string& path, const Options& options);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Writes zeros behind the file's pages, so that the commits to come overwrite what the file has
  // and need nothing of the file system's journal: a commit that makes the file longer waits for
  // what other files have waiting there. Does so in growing steps, and nothing where enough is
  // left. On a disk that is nearly full it keeps a small reserve, so that what must be written
  // still can be when others have taken the last of the disk. Only by the writing thread, between
  // two transactions.
  //
  // About how many bytes the file can take from here: what was written ahead, and what is free on
  // the disk.
  size_t PrepareGrowth() const;

  // An error when the path of the environment leads elsewhere by now: its folder, or one above it,
  // was moved or replaced. What is open stays usable; what is opened by its path would not be
  // beside it.
  Status CheckInPlace() const;

  MDB_env* handle() const { return handle_; }
  const std::string& file() const { return file_; }
  // "<file>: <what>: <LMDB's text>"
  Error MakeError(std::string_view what, int code) const;
  // The same of a write, which may have failed for lack of space: Error::disk_full. To be called
  // before anything else that may set errno.
  Error MakeWriteError(std::string_view what, int code) const;
  // "<file>: <what>"
  Error MakeError(std::string_view what) const;
  [[noreturn]] void Fail(const Error& error) const { Die(options_.fatal, error.text); }

 private:
  Environment(std::string path, Options options);
  int OpenFile();
  Status LockFile() const;
  Status ExtendToContents() const;
  // The file as it is and as its pages need it.
  struct Extent {
    int descriptor;
    size_t file_bytes;
    size_t used_bytes;
  };
  Result<Extent> MeasureFile() const;
  std::optional<uint64_t> FreeBytes() const;  // of the disk; nothing when that cannot be told
  // What else there is to say about a failed OpenFile.
  std::string Advice(int code) const;
  static void AssertFailed(MDB_env* handle, const char* message);

  std::string path_;
  std::string file_;
  Options options_;
  MDB_env* handle_ = nullptr;
};

// A view of the last commit before it began. One thread at a time.
class ReadTransaction {
 public:
  static Result<ReadTransaction> Begin(const Environment& environment);
  ~ReadTransaction() {
    if (handle_ != nullptr) mdb_txn_abort(handle_);
  }
  ReadTransaction(ReadTransaction&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  ReadTransaction& operator=(ReadTransaction&&) = delete;

  MDB_txn* handle() const { return handle_; }
  // Lets go of the view, so that its pages can be reused, but keeps the reader's slot.
  void Reset() { mdb_txn_reset(handle_); }
  // Ends it and keeps the handles of the databases that it has opened.
  [[nodiscard]] int CommitHandles() { return mdb_txn_commit(std::exchange(handle_, nullptr)); }
  // A new view, after Reset.
  int Renew() { return mdb_txn_renew(handle_); }

 private:
  explicit ReadTransaction(MDB_txn* handle) : handle_(handle) {}
  MDB_txn* handle_;
};

// Belongs to the thread that began it. Aborts what is not committed.
class WriteTransaction {
 public:
  static Result<WriteTransaction> Begin(const Environment& environment);
  ~WriteTransaction() {
    if (handle_ != nullptr) mdb_txn_abort(handle_);
  }
  WriteTransaction(WriteTransaction&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  WriteTransaction& operator=(WriteTransaction&&) = delete;

  MDB_txn* handle() const { return handle_; }
  // 0 when all is durable. No cursor of this transaction may be open.
  [[nodiscard]] int Commit() {
    assert(handle_ != nullptr);
    errno = 0;  // see Environment::MakeWriteError
    // The handle is gone afterwards, also when the commit has failed.
    return mdb_txn_commit(std::exchange(handle_, nullptr));
  }

 private:
  explicit WriteTransaction(MDB_txn* handle) : handle_(handle) {}
  MDB_txn* handle_;
};

struct CursorCloser {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
// Of a write transaction: must be gone before the transaction ends, which would free it as well.
using Cursor = std::unique_ptr<MDB_cursor, CursorCloser>;

// `cursor` is set when this returns 0.
[[nodiscard]] int OpenCursor(MDB_txn* transaction, MDB_dbi database, Cursor* cursor);

}  // namespace quorate::storage
