// The checkpointer's thread: writes one checkpoint at a time, beside everything else.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "storage/base/fatal.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

class ThreadedCheckpointer : public Checkpointer {
 public:
  struct Options {
    // Called on the checkpointer's thread.
    std::function<void()> wake = nullptr;  // TakeFinished() will return true
    FatalHandler fatal = nullptr;          // a checkpoint has failed
    // A checkpoint waits for space on the disk, which is tried again and again; and that it has
    // found some.
    std::function<void(const std::string& text)> report = nullptr;
  };

  // For operators. Any thread.
  struct Statistics {
    uint64_t checkpoints = 0;
    int64_t last_duration_usec = 0;
    uint64_t last_keys = 0;
    uint64_t last_bytes = 0;     // of memory that it was made from
    int64_t under_way_usec = 0;  // how long the one under way has taken; 0: none is
  };

  // Starts the thread. `store` must outlive the checkpointer, which is the only one to write to it.
  ThreadedCheckpointer(LmdbStateStore& store, Options options);
  ~ThreadedCheckpointer() override { Stop(); }

  // One thread calls these.
  void Start(Checkpoint checkpoint) override;
  bool TakeFinished() override;
  bool disk_full() const override { return disk_full_.load(); }
  // Waits for the checkpoint under way, unless that waits for space, then ends the thread.
  // TakeFinished() may be called after this.
  void Stop();

  Statistics statistics() const;

 private:
  enum class Stage { kIdle, kStarted, kFinished };

  void Run();
  // Nothing: it is time to end.
  std::optional<Checkpoint> NextCheckpoint();
  // False: the disk is full, and it is time to end.
  bool Write(const Checkpoint& checkpoint);
  // As store_.Write, but for a full disk: then it tries again until it is time to end.
  Status WriteWhenThereIsSpace(const Checkpoint& checkpoint);
  // False: it is time to end.
  bool WaitForSpace();
  void LetGo(Checkpoint checkpoint);

  LmdbStateStore& store_;
  const Options options_;

  // Held for moments, never during a checkpoint.
  std::mutex mutex_;
  std::condition_variable changed_;
  Stage stage_ = Stage::kIdle;
  std::optional<Checkpoint> next_;
  bool stopping_ = false;

  std::atomic<bool> disk_full_{false};
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<int64_t> last_duration_usec_{0};
  std::atomic<uint64_t> last_keys_{0};
  std::atomic<uint64_t> last_bytes_{0};
  std::atomic<int64_t> began_usec_{0};

  std::thread thread_;
};

}  // namespace quorate::storage
