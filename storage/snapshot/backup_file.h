// The bytes of a backup's file: a head with the format version and the meta record; the rows in
// chunks, each under a checksum that also covers its place; an end that tells their number and what
// they add up to, so that a file which was cut short is no backup.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/file_system.h"
#include "storage/base/result.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

// Writes a backup under `path`, which is not its name yet. One thread.
class BackupFileWriter {
 public:
  static Result<std::unique_ptr<BackupFileWriter>> Create(const std::string& path,
                                                          const StateMeta& meta);
  // Rows in a chunk's format, not none.
  Status Add(std::string_view rows);
  // Ends the file. Durable.
  Status Finish();

 private:
  explicit BackupFileWriter(const std::string& path);

  Status Write(std::string_view bytes);
  Status Sync();

  const std::string path_;
  FileDescriptor file_;
  uint64_t end_ = 0;
  uint64_t synced_ = 0;
  uint64_t chunks_ = 0;
  StateMeta meta_;
};

// Reads a backup from its beginning to its end. One thread.
class BackupReader {
 public:
  static Result<std::unique_ptr<BackupReader>> Open(const std::string& path);

  const StateMeta& meta() const { return meta_; }
  // The next chunk's rows; nothing: all have been read, and the end is in order. Each row's own
  // checksum is left to whoever takes the chunk apart.
  Result<std::optional<std::string>> Next();

 private:
  explicit BackupReader(const std::string& path);

  Status ReadHead();
  // The next bytes; an error where there are no more so many.
  Result<std::string> Read(size_t size);
  Status CheckEnd();
  // Of what begins at `at`.
  Error Damaged(uint64_t at, std::string_view how) const;

  const std::string path_;
  FileDescriptor file_;
  uint64_t file_bytes_ = 0;
  uint64_t at_ = 0;
  uint64_t chunks_ = 0;
  StateMeta meta_;
};

}  // namespace quorate::storage
