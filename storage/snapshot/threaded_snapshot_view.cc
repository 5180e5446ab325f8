#include "storage/snapshot/threaded_snapshot_view.h"

#include <cassert>
#include <utility>

#include "storage/base/thread_name.h"

namespace quorate::storage {

ThreadedSnapshotView::ThreadedSnapshotView(LmdbSnapshot snapshot, std::function<void()> wake)
    : snapshot_(std::move(snapshot)), wake_(std::move(wake)), thread_([this] { Run(); }) {}

ThreadedSnapshotView::~ThreadedSnapshotView() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ThreadedSnapshotView::Prepare(std::string_view after_key) {
  {
    const std::lock_guard lock(mutex_);
    assert(stage_ == Stage::kIdle);
    stage_ = Stage::kAsked;
    after_key_ = after_key;
  }
  changed_.notify_one();
}

std::optional<Result<SnapshotChunk>> ThreadedSnapshotView::Take() {
  const std::lock_guard lock(mutex_);
  if (stage_ != Stage::kReady) return std::nullopt;
  stage_ = chunk_->ok() ? Stage::kIdle : Stage::kFailed;
  return std::exchange(chunk_, std::nullopt);
}

void ThreadedSnapshotView::Run() {
  NameThisThread("snapshot-view");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stage_ == Stage::kAsked || stopping_; });
    if (stopping_) return;
    const std::string after_key = after_key_;
    lock.unlock();
    Result<SnapshotChunk> chunk = snapshot_.Read(after_key, stopping_);
    lock.lock();
    if (stopping_) return;
    chunk_.emplace(std::move(chunk));
    stage_ = Stage::kReady;
    lock.unlock();
    if (wake_) wake_();
    lock.lock();
  }
}

}  // namespace quorate::storage
