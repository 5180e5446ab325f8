// A snapshot's thread: reads the chunk that is asked for.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "storage/checkpoint/lmdb_snapshot.h"
#include "storage/keyspace/snapshot.h"

namespace quorate::storage {

class ThreadedSnapshotView : public SnapshotView {
 public:
  // `wake` is called on the view's thread: Take() has something.
  ThreadedSnapshotView(LmdbSnapshot snapshot, std::function<void()> wake);
  // Waits until the thread has noticed, at the next row.
  ~ThreadedSnapshotView() override;

  const StateMeta& meta() const override { return snapshot_.meta(); }
  void Prepare(std::string_view after_key) override;
  std::optional<Result<SnapshotChunk>> Take() override;

 private:
  enum class Stage { kIdle, kAsked, kReady, kFailed };

  void Run();

  const LmdbSnapshot snapshot_;
  const std::function<void()> wake_;

  // Held for moments, never while a chunk is read.
  std::mutex mutex_;
  std::condition_variable changed_;
  Stage stage_ = Stage::kIdle;
  std::string after_key_;
  std::optional<Result<SnapshotChunk>> chunk_;
  std::atomic<bool> stopping_{false};

  std::thread thread_;
};

}  // namespace quorate::storage
