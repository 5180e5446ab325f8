// The log writer's thread: takes all that is queued, makes it durable with one record of the
// journal, and says so. LMDB is given the writes later, by a thread of its own (log_merger.h).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/base/fatal.h"
#include "storage/log/log_merger.h"
#include "storage/log/log_store.h"
#include "storage/log/log_writer.h"

namespace quorate::storage {

// One commit, as an operator wants to hear of it.
struct CommitReport {
  int64_t duration_usec = 0;
  size_t writes = 0;
  size_t entries = 0;
  size_t bytes = 0;  // of payload
};

class ThreadedLogWriter : public LogWriter, public consensus::LogReader {
 public:
  struct Options {
    // Payload that becomes durable at once (but always one write).
    size_t commit_bytes_max = 2 << 20;
    int64_t slow_commit_usec = 100'000;
    LogMerger::Options merger = {};  // but for its callbacks

    // All are called on the writer's thread or the merger's.
    std::function<void()> wake = nullptr;  // durable() or trimmed() has moved on
    std::function<void(const CommitReport&)> slow_commit =
        nullptr;  // took longer than slow_commit_usec
    // LMDB waits for space on the disk, which is tried again and again; and that it has found some.
    std::function<void(const std::string& text)> report = nullptr;
    FatalHandler fatal = nullptr;  // a commit has failed
  };

  // For operators. Any thread.
  struct Statistics {
    uint64_t commits = 0;
    uint64_t entries = 0;
    uint64_t bytes = 0;            // of payload
    int64_t last_commit_usec = 0;  // of the last commit that was ended
    int64_t under_way_usec = 0;    // how long the one under way has taken; 0: none is
  };

  // Starts both threads. `store`, whose journal is started, must outlive the writer, which is the
  // only one to write to it.
  ThreadedLogWriter(LogStore& store, Options options);
  ~ThreadedLogWriter() override { Stop(); }

  // One thread calls these.
  void Submit(consensus::Persist persist) override;
  void Trim(consensus::Index index) override;
  // Makes durable what is queued, gives it all to LMDB, unless the disk has no space for it, and
  // ends the threads. What was only to be trimmed stays.
  void Stop();

  // All that is durable, whoever has it. One thread; see LogStore::Read.
  std::vector<consensus::Entry> Read(consensus::Index first, consensus::Index last,
                                     size_t bytes_max) const override {
    return merger_.Read(first, last, bytes_max);
  }

  consensus::PersistSeq durable() const override { return consensus::PersistSeq(durable_.load()); }
  consensus::Index trimmed() const override { return merger_.trimmed(); }
  size_t log_bytes() const override { return store_.sizes().bytes(); }
  consensus::Index StartOfTail(size_t payload_bytes_max) const override {
    return store_.sizes().StartOfTail(payload_bytes_max);
  }
  size_t room_bytes() const override { return merger_.room_bytes(); }
  Statistics statistics() const;

 private:
  void Run();
  // Waits for something to do. Nothing: it is time to end.
  std::vector<consensus::Persist> NextWrites();
  // False: the disk is full, and it is time to end.
  bool Commit(std::vector<consensus::Persist> writes);

  LogStore& store_;
  const Options options_;
  LogMerger merger_;

  // Held for moments, never during a commit.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<consensus::Persist> queue_;
  bool stopping_ = false;

  std::atomic<uint64_t> durable_{0};
  std::atomic<uint64_t> commits_{0};
  std::atomic<uint64_t> entries_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<int64_t> last_commit_usec_{0};
  std::atomic<int64_t> commit_began_usec_{0};

  consensus::PersistSeq submitted_;  // by Submit's thread
  std::thread thread_;
};

}  // namespace quorate::storage
