// The thread that gives LMDB what the log's journal has: many records with one commit, so that few
// commits of LMDB have to be waited for by anybody. It trims the log with the same commits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "storage/base/fatal.h"
#include "storage/log/log_store.h"

namespace quorate::storage {

class LogMerger {
 public:
  struct Options {
    // LMDB takes over what is in the journal when it is so much payload, or so old.
    size_t merge_bytes = 4 << 20;
    int64_t merge_age_ms = 1000;

    // All are called on the merger's thread.
    std::function<void()> trimmed = nullptr;  // trimmed() has moved on
    // A commit waits for space on the disk, which is tried again and again; and that it has found
    // some.
    std::function<void(const std::string& text)> report = nullptr;
    FatalHandler fatal = nullptr;  // a commit has failed
  };

  // Starts the thread. `store`, whose journal is started, must outlive the merger, which is the
  // only one to change LMDB's part of it.
  LogMerger(LogStore& store, Options options);
  ~LogMerger() { Stop(); }

  // --- The thread that writes the journal calls these ---

  // The journal has these writes, as one record, and they are durable.
  void Take(std::vector<consensus::Persist> writes);
  // The journal cannot take these. They are durable when this returns, and all before them. False:
  // they are not, the disk is full and not to be waited for.
  bool Commit(std::vector<consensus::Persist> writes);
  // Returns when the journal has room for them. False: it has none, and the disk is full and not to
  // be waited for.
  bool WaitForRoom(std::span<const consensus::Persist> writes);

  // --- Another thread calls these ---

  void Trim(consensus::Index index);
  // All that is durable. See LogStore::Read.
  std::vector<consensus::Entry> Read(consensus::Index first, consensus::Index last,
                                     size_t bytes_max) const;

  // --- Any thread ---

  // The log has been trimmed up to and including this entry, durably.
  consensus::Index trimmed() const { return consensus::Index(trimmed_.load()); }
  // About how many bytes more LMDB can take, with those that it will be given in any case taken
  // off.
  size_t room_bytes() const;
  // From now on, what finds no space stays in the journal.
  void StopWaitingForSpace();
  // Ends the thread when LMDB has everything that finds space. No other call may be under way or
  // follow, but Read's.
  void Stop();

 private:
  // One record of the journal, or what the journal could not take.
  struct Group {
    std::vector<consensus::Persist> writes;
    JournalMark journal_end;
    size_t bytes;
    int64_t taken_at_usec;
  };
  // An entry that LMDB may not have yet.
  struct Recent {
    uint64_t group;
    consensus::Entry entry;
  };

  void Add(std::vector<consensus::Persist> writes);
  void Run();
  bool MergeIsDue() const;
  bool TrimIsDue() const;
  // What is waiting, up to the bytes that one commit of LMDB may hold.
  std::vector<Group> NextGroups();
  // False: the disk is full and not to be waited for.
  bool Merge(std::vector<Group> groups, consensus::Index trim_to);
  // As store_.Commit, but for a full disk: that it waits for.
  Status CommitWhenThereIsSpace(std::span<const consensus::Persist> writes,
                                consensus::Index trim_to, std::optional<JournalMark> journaled);
  bool WaitForSpace();  // false: not any more
  void PrepareGrowth() { free_bytes_.store(store_.PrepareGrowth()); }

  LogStore& store_;
  const Options options_;

  // Held for moments, never while waiting for the disk.
  mutable std::mutex mutex_;
  std::condition_variable work_;    // for the merger's thread
  std::condition_variable merged_;  // for the journal's
  std::deque<Group> groups_;        // numbered from merged_groups_ (or those being merged) on
  size_t groups_bytes_ = 0;
  uint64_t added_groups_ = 0;
  uint64_t merged_groups_ = 0;
  JournalMark released_;
  std::deque<Recent> recent_;  // the log's newest entries, in the order of their indexes
  consensus::Index trim_to_;
  bool at_once_ = false;  // somebody waits for what is in groups_
  bool stopping_ = false;
  bool waits_for_space_ = true;
  bool gave_up_ = false;  // the thread has ended, without space

  std::atomic<size_t> free_bytes_{std::numeric_limits<size_t>::max()};
  std::atomic<size_t> unmerged_bytes_{0};  // in groups_, or being merged
  std::atomic<uint64_t> trimmed_;
  std::thread thread_;
};

}  // namespace quorate::storage
