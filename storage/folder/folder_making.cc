#include "storage/folder/folder_making.h"

#include "storage/base/file_system.h"

namespace quorate::storage {
namespace {

Status Replace(const std::string& made, const std::string& name) {
  const Result<bool> exists = Exists(name);
  if (!exists.ok()) return Error{exists.error()};
  if (exists.value()) {
    if (Status removed = RemoveDirectory(name); !removed.ok()) return removed;
  }
  return Rename(made, name);
}

}  // namespace

LogStore::Options LogOptions(const StorageOptions& options) {
  LogStore::Options log;
  log.map_bytes = options.map_bytes;
  log.fatal = options.fatal;
  log.journal_bytes = options.journal_bytes;
  return log;
}

LmdbStateStore::Options StateOptions(const StorageOptions& options) {
  return {.map_bytes = options.map_bytes, .fatal = options.fatal};
}

Status MakeLog(const FolderParts& parts, const Identity& identity, const StorageOptions& options) {
  if (Status made = MakeEmptyDirectory(parts.new_log); !made.ok()) return made;
  Status created = LogStore::Create(parts.new_log, identity, LogOptions(options));
  if (!created.ok()) return created;
  return Replace(parts.new_log, parts.log);
}

Status MakeState(const FolderParts& parts, const Identity& identity,
                 const StorageOptions& options) {
  if (Status made = MakeEmptyDirectory(parts.new_state); !made.ok()) return made;
  Status created = LmdbStateStore::Create(parts.new_state, identity, options.initial_configuration,
                                          StateOptions(options));
  if (!created.ok()) return created;
  return Replace(parts.new_state, parts.state);
}

}  // namespace quorate::storage
