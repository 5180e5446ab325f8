#include "storage/checkpoint/threaded_checkpointer.h"

#include <cassert>
#include <chrono>
#include <utility>

#include "storage/base/monotonic_clock.h"
#include "storage/base/thread_name.h"

namespace quorate::storage {

ThreadedCheckpointer::ThreadedCheckpointer(LmdbStateStore& store, Options options)
    : store_(store), options_(std::move(options)), thread_([this] { Run(); }) {}

void ThreadedCheckpointer::Start(Checkpoint checkpoint) {
  assert(checkpoint.changes != nullptr);
  {
    const std::lock_guard lock(mutex_);
    assert(!stopping_);
    assert(stage_ == Stage::kIdle);
    stage_ = Stage::kStarted;
    next_ = std::move(checkpoint);
  }
  changed_.notify_one();
}

bool ThreadedCheckpointer::TakeFinished() {
  {
    const std::lock_guard lock(mutex_);
    if (stage_ != Stage::kFinished) return false;
    stage_ = Stage::kIdle;
  }
  changed_.notify_one();
  return true;
}

void ThreadedCheckpointer::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

ThreadedCheckpointer::Statistics ThreadedCheckpointer::statistics() const {
  Statistics statistics;
  statistics.checkpoints = checkpoints_.load();
  statistics.last_duration_usec = last_duration_usec_.load();
  statistics.last_keys = last_keys_.load();
  statistics.last_bytes = last_bytes_.load();
  const int64_t began_usec = began_usec_.load();
  if (began_usec != 0) statistics.under_way_usec = MonotonicUsec() - began_usec;
  return statistics;
}

void ThreadedCheckpointer::Run() {
  NameThisThread("checkpointer");
  while (std::optional<Checkpoint> checkpoint = NextCheckpoint()) {
    if (!Write(*checkpoint)) return;
    LetGo(std::move(*checkpoint));
  }
}

std::optional<Checkpoint> ThreadedCheckpointer::NextCheckpoint() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return next_ || stopping_; });
  return std::exchange(next_, std::nullopt);
}

bool ThreadedCheckpointer::Write(const Checkpoint& checkpoint) {
  const int64_t began_usec = MonotonicUsec();
  began_usec_.store(began_usec);
  const Status written = WriteWhenThereIsSpace(checkpoint);
  if (written.disk_full()) return false;
  if (!written.ok()) Die(options_.fatal, written.error());
  began_usec_.store(0);
  last_duration_usec_.store(MonotonicUsec() - began_usec);
  last_keys_.store(checkpoint.changes->key_count());
  last_bytes_.store(checkpoint.changes->bytes());
  checkpoints_.fetch_add(1);
  {
    const std::lock_guard lock(mutex_);
    assert(stage_ == Stage::kStarted);
    stage_ = Stage::kFinished;
  }
  if (options_.wake) options_.wake();
  return true;
}

Status ThreadedCheckpointer::WriteWhenThereIsSpace(const Checkpoint& checkpoint) {
  Status written = store_.Write(checkpoint);
  if (!written.disk_full()) return written;
  disk_full_.store(true);
  if (options_.report) options_.report(written.error() + "; the checkpoint waits for space");
  while (written.disk_full() && WaitForSpace()) written = store_.Write(checkpoint);
  disk_full_.store(!written.ok());
  if (written.ok() && options_.report) options_.report(store_.file() + ": there is space again");
  return written;
}

bool ThreadedCheckpointer::WaitForSpace() {
  // A try writes all that fits before it fails, so it is not made as often as it is cheap to.
  constexpr std::chrono::milliseconds kInterval(500);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kInterval, [this] { return stopping_; });
  return !stopping_;
}

// Freeing a memtable takes milliseconds, which are better spent here than in the loop: so this
// thread waits until it is the last to hold it. Whoever has taken the checkpoint lets go at once;
// the bound is for one that does not.
void ThreadedCheckpointer::LetGo(Checkpoint checkpoint) {
  constexpr int kTriesMax = 100;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stage_ != Stage::kFinished || stopping_; });
  for (int tries = 0; checkpoint.changes.use_count() > 1 && tries < kTriesMax; ++tries) {
    changed_.wait_for(lock, std::chrono::milliseconds(1), [this] { return next_ || stopping_; });
    if (next_ || stopping_) return;
  }
  lock.unlock();
  checkpoint.changes.reset();
}

}  // namespace quorate::storage
