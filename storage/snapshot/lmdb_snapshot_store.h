// Snapshots out of LMDB and into it. A view is a read transaction of its own on the state's
// environment; what arrives fills an environment of its own beside it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/keyspace/snapshot.h"

namespace quorate::storage {

class LmdbSnapshotStore : public SnapshotStore {
 public:
  // Called on other threads: there is something to take.
  using Wake = std::function<void()>;

  // Of the folder that `state` was opened in. `state` must outlive the store. `options` are for
  // the snapshot that arrives.
  LmdbSnapshotStore(LmdbStateStore& state, std::string directory, LmdbStateStore::Options options,
                    Wake wake);
  // Waits for what was given up and is still at work.
  ~LmdbSnapshotStore() override;

  Result<std::unique_ptr<SnapshotView>> OpenView() override;
  std::unique_ptr<SnapshotTarget> BeginTarget(const StateMeta& meta) override;

 private:
  LmdbStateStore& state_;
  const std::string directory_;
  const LmdbStateStore::Options options_;
  const Wake wake_;
  std::thread retired_;  // of the last target that was given up
};

}  // namespace quorate::storage
