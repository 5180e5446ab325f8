// The thread of a snapshot that arrives: fills the environment beside the state.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "storage/base/folder_parts.h"
#include "storage/base/identity.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/keyspace/snapshot.h"

namespace quorate::storage {

class ThreadedSnapshotTarget : public SnapshotTarget {
 public:
  struct Options {
    FolderParts parts;
    Identity identity;
    LmdbStateStore::Options state;
    std::function<void()> wake = nullptr;  // written() or TakeFinished() has moved on
    // Whether `parts` still names the folder that the server works on; an error ends the target.
    // Called on the target's thread.
    std::function<Status()> check_folder = nullptr;
  };

  // `*retired` is the thread of the target before, where there was one; this one's begins when that
  // has ended, and takes its place when the target is destroyed, so that nobody has to wait for a
  // disk then. It must outlive the target.
  ThreadedSnapshotTarget(const StateMeta& meta, Options options, std::thread* retired);
  ~ThreadedSnapshotTarget() override;

  void Add(std::string rows) override;
  uint64_t written() const override;
  std::string last_key() const override;
  void Finish() override;
  std::optional<Status> TakeFinished() override;

 private:
  // What the thread works on, and may hold longer than the target lives.
  struct Work;

  std::shared_ptr<Work> work_;
  std::thread* retired_;
  std::thread thread_;
};

}  // namespace quorate::storage
