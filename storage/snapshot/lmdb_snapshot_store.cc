#include "storage/snapshot/lmdb_snapshot_store.h"

#include <utility>

#include "storage/base/folder_parts.h"
#include "storage/snapshot/threaded_snapshot_target.h"
#include "storage/snapshot/threaded_snapshot_view.h"

namespace quorate::storage {

LmdbSnapshotStore::LmdbSnapshotStore(LmdbStateStore& state, std::string directory,
                                     LmdbStateStore::Options options, Wake wake)
    : state_(state),
      directory_(std::move(directory)),
      options_(std::move(options)),
      wake_(std::move(wake)) {}

LmdbSnapshotStore::~LmdbSnapshotStore() {
  if (retired_.joinable()) retired_.join();
}

Result<std::unique_ptr<SnapshotView>> LmdbSnapshotStore::OpenView() {
  Result<LmdbSnapshot> snapshot = state_.OpenSnapshot();
  if (!snapshot.ok()) return Error{snapshot.error()};
  return std::unique_ptr<SnapshotView>(
      std::make_unique<ThreadedSnapshotView>(std::move(snapshot.value()), wake_));
}

std::unique_ptr<SnapshotTarget> LmdbSnapshotStore::BeginTarget(const StateMeta& meta) {
  ThreadedSnapshotTarget::Options options{.parts = FolderParts(directory_),
                                          .identity = state_.identity(),
                                          .state = options_,
                                          .wake = wake_,
                                          .check_folder = [this] { return state_.CheckInPlace(); }};
  return std::make_unique<ThreadedSnapshotTarget>(meta, std::move(options), &retired_);
}

}  // namespace quorate::storage
