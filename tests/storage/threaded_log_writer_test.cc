#include "storage/threaded_log_writer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "tests/storage/log_fixture.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::PersistSeq;

// Waits, as a loop does, to be woken.
class Waker {
 public:
  void Wake() {
    const std::lock_guard lock(mutex_);
    ++wakes_;
    changed_.notify_all();
  }
  // Returns when `condition` holds, which it is asked after each wake-up only.
  template <typename Condition>
  void WaitUntil(const Condition& condition) {
    std::unique_lock lock(mutex_);
    while (!condition()) {
      const uint64_t seen = wakes_;
      changed_.wait(lock, [&] { return wakes_ != seen; });
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t wakes_ = 0;
};

class ThreadedLogWriterTest : public testing::Test {
 protected:
  ThreadedLogWriter::Options Options() {
    return {.wake = [this] { waker_.Wake(); }};
  }

  TemporaryDirectory directory_;
  std::unique_ptr<LogStore> log_ = MakeLog(directory_ / "log");
  Waker waker_;
};

TEST_F(ThreadedLogWriterTest, MakesDurableAndSaysSo) {
  ThreadedLogWriter writer(*log_, Options());
  EXPECT_EQ(writer.durable(), PersistSeq(0));
  writer.Submit(MakeWrite(1, MakeEntries(1, 3, 1)));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(1); });
  writer.Submit(MakeWrite(2, MakeEntries(4, 4, 1)));
  writer.Submit(MakeWrite(3, MakeEntries(3, 5, 2), 3));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(3); });
  EXPECT_EQ(log_->Read(Index(1), Index(5), 1 << 20).size(), 5U);
  EXPECT_EQ(log_->Read(Index(3), Index(3), 1 << 20), MakeEntries(3, 3, 2));
  const ThreadedLogWriter::Statistics statistics = writer.statistics();
  EXPECT_GE(statistics.commits, 2U);
  EXPECT_LE(statistics.commits, 3U);
  EXPECT_EQ(statistics.entries, 7U);
  EXPECT_GT(statistics.bytes, 0U);
}

TEST_F(ThreadedLogWriterTest, StopMakesDurableWhatIsQueued) {
  {
    ThreadedLogWriter writer(*log_, Options());
    for (uint64_t index = 1; index <= 500; ++index) {
      writer.Submit(MakeWrite(index, MakeEntries(index, index, 1)));
    }
    writer.Stop();
    EXPECT_EQ(writer.durable(), PersistSeq(500));
    // Many at a time: that is what the queue is for.
    EXPECT_LT(writer.statistics().commits, 500U);
  }
  log_.reset();
  EXPECT_EQ(OpenLog(directory_ / "log")->last_index(), Index(500));
}

TEST_F(ThreadedLogWriterTest, BoundsTheBytesOfACommit) {
  ThreadedLogWriter::Options options = Options();
  options.commit_bytes_max = 2500;
  ThreadedLogWriter writer(*log_, options);
  for (uint64_t index = 1; index <= 100; ++index) {
    writer.Submit(MakeWrite(index, MakeEntries(index, index, 1, 1000)));
  }
  writer.Submit(MakeWrite(101, MakeEntries(101, 110, 1, 1000)));  // larger than that by itself
  writer.Stop();
  EXPECT_GE(writer.statistics().commits, 51U);
  EXPECT_EQ(log_->last_index(), Index(110));
}

TEST_F(ThreadedLogWriterTest, TrimsWithoutWrites) {
  ThreadedLogWriter writer(*log_, Options());
  writer.Submit(MakeWrite(1, MakeEntries(1, 5000, 1)));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(1); });
  EXPECT_EQ(writer.trimmed(), Index(0));
  writer.Trim(Index(4990));  // several slices
  waker_.WaitUntil([&] { return writer.trimmed() == Index(4990); });
  EXPECT_EQ(log_->Read(Index(4991), Index(5000), 1 << 20), MakeEntries(4991, 5000, 1));
}

// The loop reads for slow followers while the writer writes and trims.
TEST_F(ThreadedLogWriterTest, ReadsGoOnBesideWrites) {
  ThreadedLogWriter writer(*log_, Options());
  for (uint64_t index = 1; index <= 2000; ++index) {
    writer.Submit(MakeWrite(index, MakeEntries(index, index, 1, 500)));
    const Index durable(writer.durable().value());  // one entry a write
    if (durable > Index(100)) {
      const Index first = durable - 50;
      writer.Trim(first - 1);
      const std::vector<consensus::Entry> entries = log_->Read(first, durable, 1 << 20);
      ASSERT_EQ(entries, MakeEntries(first.value(), durable.value(), 1, 500));
    }
  }
}

TEST_F(ThreadedLogWriterTest, ReportsSlowCommits) {
  ThreadedLogWriter::Options options = Options();
  options.slow_commit_usec = -1;  // every one is slower than that
  std::mutex mutex;
  std::vector<CommitReport> reports;
  options.slow_commit = [&](const CommitReport& report) {
    const std::lock_guard lock(mutex);
    reports.push_back(report);
  };
  ThreadedLogWriter writer(*log_, options);
  writer.Submit(MakeWrite(1, MakeEntries(1, 3, 1, 100)));
  writer.Stop();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].writes, 1U);
  EXPECT_EQ(reports[0].entries, 3U);
  EXPECT_EQ(reports[0].bytes, 300U);
}

// Commits find their pages in the file already, however long the log becomes.
TEST_F(ThreadedLogWriterTest, GrowsTheFileAheadOfTheLog) {
  ThreadedLogWriter writer(*log_, Options());
  for (uint64_t index = 1; index <= 40; ++index) {
    writer.Submit(MakeWrite(index, MakeEntries(index, index, 1, 100'000)));
    waker_.WaitUntil([&] { return writer.durable() == PersistSeq(index); });
  }
  writer.Stop();
  EXPECT_GT(std::filesystem::file_size(log_->file()), 40 * 100'000U + (256 << 10));
  log_.reset();
  log_ = OpenLog(directory_ / "log");
  EXPECT_EQ(ReadAll(*log_), MakeEntries(1, 40, 1, 100'000));
}

TEST_F(ThreadedLogWriterTest, StartsWhereTheLogWasTrimmed) {
  ASSERT_TRUE(log_->Commit(std::vector{MakeWrite(1, MakeEntries(1, 9, 1))}, Index(4)).ok());
  ThreadedLogWriter writer(*log_, Options());
  EXPECT_EQ(writer.trimmed(), Index(4));
}

}  // namespace
}  // namespace quorate::storage
