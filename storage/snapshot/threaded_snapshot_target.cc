#include "storage/snapshot/threaded_snapshot_target.h"

#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "storage/base/file_system.h"
#include "storage/base/thread_name.h"
#include "storage/checkpoint/state_builder.h"

namespace quorate::storage {

struct ThreadedSnapshotTarget::Work {
  Work(const StateMeta& snapshot, Options given) : meta(snapshot), options(std::move(given)) {}

  void Run();
  // The next chunk; nothing: all have been taken, or the target was given up.
  std::optional<std::string> NextChunk();
  Status Fill();
  bool GivenUp();

  const StateMeta meta;
  const Options options;

  // Held for moments.
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> chunks;
  bool complete = false;
  bool given_up = false;
  uint64_t written = 0;
  std::string last_key;
  std::optional<Status> finished;
};

void ThreadedSnapshotTarget::Work::Run() {
  NameThisThread("snapshot-target");
  Status filled = Fill();
  if (GivenUp()) return;
  // In a folder that has taken the place of the server's, nothing is the server's to remove.
  const bool in_place = !options.check_folder || options.check_folder().ok();
  if (!filled.ok() && in_place) {
    // At once, since it may be the disk that is full. What cannot be removed is so at the next
    // start.
    [[maybe_unused]] const Status removed = RemoveDirectory(options.parts.incoming);
  }
  {
    const std::lock_guard lock(mutex);
    finished.emplace(std::move(filled));
  }
  if (options.wake) options.wake();
}

Status ThreadedSnapshotTarget::Work::Fill() {
  if (options.check_folder) {
    if (Status checked = options.check_folder(); !checked.ok()) return checked;
  }
  if (Status removed = RemoveDirectory(options.parts.received); !removed.ok()) return removed;
  if (Status made = MakeEmptyDirectory(options.parts.incoming); !made.ok()) return made;
  auto builder = StateBuilder::Begin(options.parts.incoming, options.identity, meta, options.state);
  if (!builder.ok()) return Error{builder.error()};
  while (const std::optional<std::string> rows = NextChunk()) {
    if (Status added = builder.value()->Add(*rows); !added.ok()) return added;
    {
      const std::lock_guard lock(mutex);
      ++written;
      last_key = builder.value()->last_key();
    }
    if (options.wake) options.wake();
  }
  if (GivenUp()) return Error{"given up"};
  if (Status whole = builder.value()->Finish(); !whole.ok()) return whole;
  if (options.check_folder) {
    if (Status checked = options.check_folder(); !checked.ok()) return checked;
  }
  return Rename(options.parts.incoming, options.parts.received);
}

std::optional<std::string> ThreadedSnapshotTarget::Work::NextChunk() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return !chunks.empty() || complete || given_up; });
  if (given_up || chunks.empty()) return std::nullopt;
  std::string rows = std::move(chunks.front());
  chunks.pop_front();
  return rows;
}

bool ThreadedSnapshotTarget::Work::GivenUp() {
  const std::lock_guard lock(mutex);
  return given_up;
}

ThreadedSnapshotTarget::ThreadedSnapshotTarget(const StateMeta& meta, Options options,
                                               std::thread* retired)
    : work_(std::make_shared<Work>(meta, std::move(options))), retired_(retired) {
  thread_ = std::thread([work = work_, before = std::move(*retired_)]() mutable {
    if (before.joinable()) before.join();
    work->Run();
  });
}

ThreadedSnapshotTarget::~ThreadedSnapshotTarget() {
  {
    const std::lock_guard lock(work_->mutex);
    work_->given_up = true;
  }
  work_->changed.notify_one();
  assert(!retired_->joinable());
  *retired_ = std::move(thread_);
}

void ThreadedSnapshotTarget::Add(std::string rows) {
  {
    const std::lock_guard lock(work_->mutex);
    assert(!work_->complete);
    work_->chunks.push_back(std::move(rows));
  }
  work_->changed.notify_one();
}

uint64_t ThreadedSnapshotTarget::written() const {
  const std::lock_guard lock(work_->mutex);
  return work_->written;
}

std::string ThreadedSnapshotTarget::last_key() const {
  const std::lock_guard lock(work_->mutex);
  return work_->last_key;
}

void ThreadedSnapshotTarget::Finish() {
  {
    const std::lock_guard lock(work_->mutex);
    assert(!work_->complete);
    work_->complete = true;
  }
  work_->changed.notify_one();
}

std::optional<Status> ThreadedSnapshotTarget::TakeFinished() {
  const std::lock_guard lock(work_->mutex);
  return std::exchange(work_->finished, std::nullopt);
}

}  // namespace quorate::storage
