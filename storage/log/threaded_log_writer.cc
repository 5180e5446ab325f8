#include "storage/log/threaded_log_writer.h"

#include <cassert>
#include <utility>

#include "storage/base/monotonic_clock.h"
#include "storage/base/thread_name.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::Persist;
using consensus::PersistSeq;

size_t PayloadBytes(const Persist& write) {
  size_t bytes = 0;
  for (const consensus::Entry& entry : write.entries) bytes += entry.payload.size();
  return bytes;
}

LogMerger::Options MergerOptions(const ThreadedLogWriter::Options& options) {
  LogMerger::Options merger = options.merger;
  merger.trimmed = options.wake;
  merger.report = options.report;
  merger.fatal = options.fatal;
  return merger;
}

}  // namespace

ThreadedLogWriter::ThreadedLogWriter(LogStore& store, Options options)
    : store_(store),
      options_(std::move(options)),
      merger_(store, MergerOptions(options_)),
      thread_([this] { Run(); }) {}

void ThreadedLogWriter::Submit(Persist persist) {
  assert(persist.seq > submitted_);
  submitted_ = persist.seq;
  {
    const std::lock_guard lock(mutex_);
    assert(!stopping_);
    queue_.push_back(std::move(persist));
  }
  changed_.notify_one();
}

void ThreadedLogWriter::Trim(Index index) { merger_.Trim(index); }

void ThreadedLogWriter::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  merger_.StopWaitingForSpace();
  thread_.join();
  assert(durable() == submitted_ || merger_.room_bytes() == 0);
  merger_.Stop();
}

ThreadedLogWriter::Statistics ThreadedLogWriter::statistics() const {
  Statistics statistics;
  statistics.commits = commits_.load();
  statistics.entries = entries_.load();
  statistics.bytes = bytes_.load();
  statistics.last_commit_usec = last_commit_usec_.load();
  const int64_t began_usec = commit_began_usec_.load();
  if (began_usec != 0) statistics.under_way_usec = MonotonicUsec() - began_usec;
  return statistics;
}

void ThreadedLogWriter::Run() {
  NameThisThread("log-writer");
  for (std::vector<Persist> writes = NextWrites(); !writes.empty(); writes = NextWrites()) {
    if (!Commit(std::move(writes))) return;
  }
}

std::vector<Persist> ThreadedLogWriter::NextWrites() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !queue_.empty() || stopping_; });
  std::vector<Persist> writes;
  size_t bytes = 0;
  while (!queue_.empty()) {
    bytes += PayloadBytes(queue_.front());
    if (bytes > options_.commit_bytes_max && !writes.empty()) break;
    writes.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return writes;
}

bool ThreadedLogWriter::Commit(std::vector<Persist> writes) {
  CommitReport report;
  report.writes = writes.size();
  for (const Persist& write : writes) {
    report.entries += write.entries.size();
    report.bytes += PayloadBytes(write);
  }
  const PersistSeq last = writes.back().seq;

  const int64_t began_usec = MonotonicUsec();
  commit_began_usec_.store(began_usec);
  if (store_.journal().Takes(writes)) {
    if (!merger_.WaitForRoom(writes)) return false;
    Status appended = store_.journal().Append(writes);
    // A failed sync is not tried again: the kernel has marked the pages clean, and a second one
    // would say that all is well. durable_ stays where it is, so nothing more is ever acknowledged.
    if (!appended.ok()) Die(options_.fatal, appended.error());
    merger_.Take(std::move(writes));
  } else if (!merger_.Commit(std::move(writes))) {
    return false;
  }
  commit_began_usec_.store(0);
  report.duration_usec = MonotonicUsec() - began_usec;

  commits_.fetch_add(1);
  entries_.fetch_add(report.entries);
  bytes_.fetch_add(report.bytes);
  last_commit_usec_.store(report.duration_usec);
  durable_.store(last.value());
  // The stores are sequentially consistent: whoever is woken after this sees them, also where the
  // wake-up is joined with an earlier one and so carries no ordering of its own.
  if (options_.wake) options_.wake();
  if (report.duration_usec > options_.slow_commit_usec && options_.slow_commit) {
    options_.slow_commit(report);
  }
  return true;
}

}  // namespace quorate::storage
