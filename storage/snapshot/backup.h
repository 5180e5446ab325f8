// A backup: one checkpoint of the key space in one file, made from any node while it works.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "storage/base/result.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

// Writes the newest finished checkpoint to a file in the background. The file appears under its
// name when it is complete and durable, in the place of an earlier one; until then, and after an
// error, that one stays. Loop thread.
class BackupWriter {
 public:
  struct Options {
    std::function<void()> wake = nullptr;  // there is something to take; on the backup's thread
  };

  // `store` must outlive the writer. Precondition: no other one is at work on that path.
  BackupWriter(LmdbStateStore& store, std::string path, Options options);
  // Gives up what is not finished.
  ~BackupWriter();

  // Once: whether the backup is complete; what it holds. Nothing: it is under way.
  std::optional<Result<StateMeta>> TakeFinished();

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

// Removes what a backup to that path has left which the end of the process interrupted.
Status RemoveUnfinishedBackup(const std::string& path);

// What a backup holds, by its head alone: its rows are not looked at.
Result<StateMeta> ReadBackupMeta(const std::string& path);

// Reads all of it. An error says what is wrong and where: damaged, cut short.
Result<StateMeta> VerifyBackup(const std::string& path);

}  // namespace quorate::storage
