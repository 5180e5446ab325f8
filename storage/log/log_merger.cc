#include "storage/log/log_merger.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "storage/base/monotonic_clock.h"
#include "storage/base/thread_name.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::Index;
using consensus::Persist;

// What LMDB holds in memory until it is on the disk (but always one group).
constexpr size_t kCommitBytesMax = 16 << 20;

// How often a full disk is looked at.
constexpr std::chrono::milliseconds kSpaceInterval(100);
// With less space than this, it is looked at also when nothing is written.
constexpr size_t kLittleRoomBytes = 256 << 20;

}  // namespace

LogMerger::LogMerger(LogStore& store, Options options)
    : store_(store),
      options_(std::move(options)),
      released_(store.journal().end()),
      trim_to_(store.base_index()),
      trimmed_(store.base_index().value()),
      thread_([this] { Run(); }) {}

// --- For the journal's thread ---

void LogMerger::Take(std::vector<Persist> writes) {
  bool due;
  {
    const std::lock_guard lock(mutex_);
    Add(std::move(writes));
    due = groups_.size() == 1 || MergeIsDue();
  }
  if (due) work_.notify_one();
}

bool LogMerger::Commit(std::vector<Persist> writes) {
  std::unique_lock lock(mutex_);
  Add(std::move(writes));
  const uint64_t number = added_groups_;
  at_once_ = true;
  work_.notify_one();
  merged_.wait(lock, [&] { return merged_groups_ >= number || gave_up_; });
  return merged_groups_ >= number;
}

bool LogMerger::WaitForRoom(std::span<const Persist> writes) {
  std::unique_lock lock(mutex_);
  const auto has_room = [&] { return store_.journal().HasRoom(writes, released_); };
  while (!has_room()) {
    if (gave_up_) return false;
    at_once_ = true;
    work_.notify_one();
    merged_.wait(lock);
  }
  return true;
}

void LogMerger::Add(std::vector<Persist> writes) {
  assert(!stopping_);
  Group group{.writes = std::move(writes),
              .journal_end = store_.journal().end(),
              .bytes = 0,
              .taken_at_usec = MonotonicUsec()};
  ++added_groups_;
  for (const Persist& write : group.writes) {
    while (write.truncate_from && !recent_.empty() &&
           recent_.back().entry.index >= *write.truncate_from) {
      recent_.pop_back();
    }
    for (const Entry& entry : write.entries) {
      assert(recent_.empty() || recent_.back().entry.index + 1 == entry.index);
      recent_.push_back({added_groups_, entry});
      group.bytes += entry.payload.size();
    }
  }
  groups_bytes_ += group.bytes;
  unmerged_bytes_ += group.bytes;
  groups_.push_back(std::move(group));
}

// --- For the loop ---

void LogMerger::Trim(Index index) {
  {
    const std::lock_guard lock(mutex_);
    assert(!stopping_);
    assert(index >= trim_to_);
    trim_to_ = index;
  }
  work_.notify_one();
}

std::vector<Entry> LogMerger::Read(Index first, Index last, size_t bytes_max) const {
  {
    const std::lock_guard lock(mutex_);
    if (!recent_.empty() && first >= recent_.front().entry.index) {
      std::vector<Entry> entries;
      size_t bytes = 0;
      for (Index index = first; index <= last; ++index) {
        const Entry& entry = recent_[index.DistanceFrom(recent_.front().entry.index)].entry;
        bytes += entry.payload.size();
        if (bytes > bytes_max && !entries.empty()) break;
        entries.push_back(entry);
      }
      return entries;
    }
    // What leaves recent_ after this is in LMDB by then.
    if (!recent_.empty()) last = std::min(last, recent_.front().entry.index - 1);
  }
  return store_.Read(first, last, bytes_max);
}

// --- For all ---

size_t LogMerger::room_bytes() const {
  const size_t free_bytes = free_bytes_.load();
  if (free_bytes == std::numeric_limits<size_t>::max()) return free_bytes;
  // In LMDB's pages a payload takes more than its own bytes, at worst almost twice as many.
  return free_bytes - std::min(free_bytes, 2 * unmerged_bytes_.load());
}

void LogMerger::StopWaitingForSpace() {
  {
    const std::lock_guard lock(mutex_);
    waits_for_space_ = false;
  }
  work_.notify_one();
}

// --- The thread ---

void LogMerger::Stop() {
  if (!thread_.joinable()) return;
  StopWaitingForSpace();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool LogMerger::MergeIsDue() const {
  if (groups_.empty()) return false;
  return at_once_ || stopping_ || groups_bytes_ >= options_.merge_bytes ||
         MonotonicUsec() - groups_.front().taken_at_usec >= options_.merge_age_ms * 1000;
}

// A trim waits for the next merge, if there will be one.
bool LogMerger::TrimIsDue() const {
  return groups_.empty() && !stopping_ &&
         std::min(trim_to_, store_.last_index()) > store_.base_index();
}

void LogMerger::Run() {
  NameThisThread("log-merger");
  PrepareGrowth();
  std::unique_lock lock(mutex_);
  while (true) {
    if (!MergeIsDue() && !TrimIsDue()) {
      if (stopping_) return;
      if (free_bytes_ < kLittleRoomBytes) {
        // Nothing is submitted because the disk is full: somebody has to see when it no longer is.
        work_.wait_for(lock, kSpaceInterval);
        lock.unlock();
        PrepareGrowth();
        lock.lock();
      } else if (groups_.empty()) {
        work_.wait(lock);
      } else {
        work_.wait_for(lock, std::chrono::milliseconds(options_.merge_age_ms));
      }
      continue;
    }
    std::vector<Group> groups = NextGroups();
    const Index trim_to = trim_to_;
    lock.unlock();
    const bool merged = Merge(std::move(groups), trim_to);
    if (merged) PrepareGrowth();
    lock.lock();
    if (!merged) {
      gave_up_ = true;
      merged_.notify_one();
      return;
    }
  }
}

std::vector<LogMerger::Group> LogMerger::NextGroups() {
  std::vector<Group> groups;
  size_t bytes = 0;
  while (!groups_.empty()) {
    bytes += groups_.front().bytes;
    if (bytes > kCommitBytesMax && !groups.empty()) break;
    groups_bytes_ -= groups_.front().bytes;
    groups.push_back(std::move(groups_.front()));
    groups_.pop_front();
  }
  if (groups_.empty()) at_once_ = false;
  return groups;
}

bool LogMerger::Merge(std::vector<Group> groups, Index trim_to) {
  std::vector<Persist> writes;
  for (Group& group : groups) {
    writes.insert(writes.end(), std::move_iterator(group.writes.begin()),
                  std::move_iterator(group.writes.end()));
  }
  std::optional<JournalMark> journaled;
  if (!groups.empty()) journaled = groups.back().journal_end;
  size_t bytes = 0;
  for (const Group& group : groups) bytes += group.bytes;
  const Status committed = CommitWhenThereIsSpace(writes, trim_to, journaled);
  if (committed.disk_full()) return false;
  // As in ThreadedLogWriter: not tried again.
  if (!committed.ok()) Die(options_.fatal, committed.error());
  {
    const std::lock_guard lock(mutex_);
    merged_groups_ += groups.size();
    if (journaled) released_ = *journaled;
    while (!recent_.empty() && recent_.front().group <= merged_groups_) recent_.pop_front();
  }
  unmerged_bytes_ -= bytes;
  merged_.notify_one();
  const uint64_t trimmed = store_.base_index().value();
  if (trimmed_.exchange(trimmed) != trimmed && options_.trimmed) options_.trimmed();
  return true;
}

Status LogMerger::CommitWhenThereIsSpace(std::span<const Persist> writes, Index trim_to,
                                         std::optional<JournalMark> journaled) {
  Status committed = store_.Commit(writes, trim_to, journaled);
  if (!committed.disk_full()) return committed;
  free_bytes_.store(0);
  if (options_.report) options_.report(committed.error() + "; the log waits for space");
  while (committed.disk_full() && WaitForSpace()) {
    committed = store_.Commit(writes, trim_to, journaled);
  }
  if (committed.ok() && options_.report) options_.report(store_.file() + ": there is space again");
  return committed;
}

bool LogMerger::WaitForSpace() {
  std::unique_lock lock(mutex_);
  work_.wait_for(lock, kSpaceInterval, [this] { return !waits_for_space_; });
  return waits_for_space_;
}

}  // namespace quorate::storage
