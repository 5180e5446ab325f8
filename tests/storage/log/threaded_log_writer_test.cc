#include "storage/log/threaded_log_writer.h"

#include <gtest/gtest.h>

#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/waker.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::PersistSeq;

class ThreadedLogWriterTest : public testing::Test {
 protected:
  ThreadedLogWriter::Options Options() {
    return {.wake = [this] { waker_.Wake(); }};
  }

  TemporaryDirectory directory_;
  std::unique_ptr<LogStore> log_ = StartLog();
  Chains chains_;

 private:
  std::unique_ptr<LogStore> StartLog() {
    auto log = MakeLog(directory_ / "log", {.journal_bytes = 1 << 20});
    EXPECT_TRUE(log->StartJournal().ok());
    return log;
  }

 protected:
  Waker waker_;
};

TEST_F(ThreadedLogWriterTest, MakesDurableAndSaysSo) {
  ThreadedLogWriter writer(*log_, Options());
  EXPECT_EQ(writer.durable(), PersistSeq(0));
  writer.Submit(chains_.Link(MakeWrite(1, MakeEntries(1, 3, 1))));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(1); });
  writer.Submit(chains_.Link(MakeWrite(2, MakeEntries(4, 4, 1))));
  writer.Submit(chains_.Link(MakeWrite(3, MakeEntries(3, 5, 2), 3)));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(3); });
  EXPECT_EQ(writer.Read(Index(1), Index(5), 1 << 20).size(), 5U);
  EXPECT_EQ(writer.Read(Index(3), Index(3), 1 << 20), MakeEntries(3, 3, 2));
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
      writer.Submit(chains_.Link(MakeWrite(index, MakeEntries(index, index, 1))));
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
    writer.Submit(chains_.Link(MakeWrite(index, MakeEntries(index, index, 1, 1000))));
  }
  writer.Submit(
      chains_.Link(MakeWrite(101, MakeEntries(101, 110, 1, 1000))));  // larger than that by itself
  writer.Stop();
  EXPECT_GE(writer.statistics().commits, 51U);
  EXPECT_EQ(log_->last_index(), Index(110));
}

TEST_F(ThreadedLogWriterTest, TrimsWithoutWrites) {
  ThreadedLogWriter::Options options = Options();
  options.merger.merge_age_ms = 0;
  ThreadedLogWriter writer(*log_, options);
  writer.Submit(chains_.Link(MakeWrite(1, MakeEntries(1, 5000, 1))));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(1); });
  EXPECT_EQ(writer.trimmed(), Index(0));
  writer.Trim(Index(4990));  // several slices
  waker_.WaitUntil([&] { return writer.trimmed() == Index(4990); });
  EXPECT_EQ(writer.Read(Index(4991), Index(5000), 1 << 20), MakeEntries(4991, 5000, 1));
}

// The loop reads for slow followers while the threads write, merge and trim.
TEST_F(ThreadedLogWriterTest, ReadsGoOnBesideWrites) {
  ThreadedLogWriter::Options options = Options();
  options.merger.merge_bytes = 50'000;
  ThreadedLogWriter writer(*log_, options);
  for (uint64_t index = 1; index <= 2000; ++index) {
    writer.Submit(chains_.Link(MakeWrite(index, MakeEntries(index, index, 1, 500))));
    const Index durable(writer.durable().value());  // one entry a write
    if (durable > Index(100)) {
      const Index first = durable - 50;
      writer.Trim(first - 1);
      const std::vector<consensus::Entry> entries = writer.Read(first, durable, 1 << 20);
      // As many as one of the two has, LMDB or the merger.
      ASSERT_FALSE(entries.empty());
      ASSERT_LE(entries.size(), 51U);
      ASSERT_EQ(entries, MakeEntries(first.value(), first.value() + entries.size() - 1, 1, 500));
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
  writer.Submit(chains_.Link(MakeWrite(1, MakeEntries(1, 3, 1, 100))));
  writer.Stop();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].writes, 1U);
  EXPECT_EQ(reports[0].entries, 3U);
  EXPECT_EQ(reports[0].bytes, 300U);
}

// What only the journal has is read as well, also where it takes the place of what LMDB has.
TEST_F(ThreadedLogWriterTest, ReadsWhatLmdbDoesNotHaveYet) {
  ASSERT_TRUE(
      log_->Commit(std::vector{chains_.Link(MakeWrite(1, MakeEntries(1, 9, 1)))}, std::nullopt)
          .ok());
  ThreadedLogWriter writer(*log_, Options());
  writer.Submit(chains_.Link(MakeWrite(1, MakeEntries(10, 12, 1))));
  writer.Submit(chains_.Link(MakeWrite(2, MakeEntries(7, 8, 2), 7)));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(2); });
  EXPECT_EQ(writer.Read(Index(5), Index(8), 1 << 20), MakeEntries(5, 6, 1));
  EXPECT_EQ(writer.Read(Index(7), Index(8), 1 << 20), MakeEntries(7, 8, 2));
  EXPECT_EQ(writer.Read(Index(7), Index(8), 1), MakeEntries(7, 7, 2));
  writer.Submit(chains_.Link(MakeWrite(3, MakeEntries(8, 9, 3), 8)));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(3); });
  EXPECT_EQ(writer.Read(Index(7), Index(9), 1 << 20).back(), MakeEntry(9, 3, "9@3;"));
  writer.Stop();
  EXPECT_EQ(log_->Read(Index(8), Index(9), 1 << 20), MakeEntries(8, 9, 3));
}

// Whoever is woken reads what has become durable.
TEST_F(ThreadedLogWriterTest, WhatIsDurableCanBeRead) {
  ThreadedLogWriter* reader = nullptr;
  ThreadedLogWriter::Options options = Options();
  options.wake = [&] {
    const uint64_t durable = reader->durable().value();  // one entry a write
    EXPECT_EQ(reader->Read(Index(durable), Index(durable), 1), MakeEntries(durable, durable, 1));
    waker_.Wake();
  };
  ThreadedLogWriter writer(*log_, options);
  reader = &writer;
  for (uint64_t index = 1; index <= 20; ++index) {
    writer.Submit(chains_.Link(MakeWrite(index, MakeEntries(index, index, 1))));
    waker_.WaitUntil([&] { return writer.durable() == PersistSeq(index); });
  }
  writer.Stop();
}

// The process ends at once: what was durable is, and the next start gives it to LMDB.
TEST_F(ThreadedLogWriterTest, WhatOnlyTheJournalHasSurvives) {
  ThreadedLogWriter writer(*log_, Options());
  writer.Submit(chains_.Link(MakeWrite(1, MakeEntries(1, 3, 1))));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(1); });
  writer.Submit(chains_.Link(MakeWrite(2, MakeEntries(3, 4, 2), 3)));
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(2); });
  EXPECT_EQ(log_->last_index(), Index(0));  // as LMDB has it
  std::filesystem::copy(directory_ / "log", directory_ / "copy");
  const auto copy = OpenLog(directory_ / "copy");
  EXPECT_EQ(copy->recovered().last_index, Index(4));
  EXPECT_EQ(copy->recovered().hard_state.current_term, consensus::Term(2));
  EXPECT_EQ(copy->Read(Index(3), Index(4), 1 << 20), MakeEntries(3, 4, 2));
}

// A journal that is full waits for LMDB; what is too large for it goes to LMDB at once.
TEST_F(ThreadedLogWriterTest, WritesLargerThanTheJournal) {
  ThreadedLogWriter writer(*log_, Options());
  uint64_t next = 1;
  for (uint64_t write = 1; write <= 30; ++write) {
    const size_t size = write % 5 == 0 ? 3 << 20 : 200'000;
    writer.Submit(chains_.Link(MakeWrite(write, MakeEntries(next, next, 1, size))));
    ++next;
  }
  waker_.WaitUntil([&] { return writer.durable() == PersistSeq(30); });
  EXPECT_EQ(writer.Read(Index(30), Index(30), 1), MakeEntries(30, 30, 1, 3 << 20));
  writer.Stop();
  log_.reset();
  EXPECT_EQ(OpenLog(directory_ / "log")->last_index(), Index(30));
}

// Commits find their pages in the file already, however long the log becomes.
TEST_F(ThreadedLogWriterTest, GrowsTheFileAheadOfTheLog) {
  ThreadedLogWriter writer(*log_, Options());
  for (uint64_t index = 1; index <= 40; ++index) {
    writer.Submit(chains_.Link(MakeWrite(index, MakeEntries(index, index, 1, 100'000))));
    waker_.WaitUntil([&] { return writer.durable() == PersistSeq(index); });
  }
  writer.Stop();
  EXPECT_GT(std::filesystem::file_size(log_->file()), 40 * 100'000U + (256 << 10));
  log_.reset();
  log_ = OpenLog(directory_ / "log");
  EXPECT_EQ(ReadAll(*log_), MakeEntries(1, 40, 1, 100'000));
}

TEST_F(ThreadedLogWriterTest, StartsWhereTheLogWasTrimmed) {
  ASSERT_TRUE(
      log_->Commit(std::vector{chains_.Link(MakeWrite(1, MakeEntries(1, 9, 1)))}, Index(4)).ok());
  ThreadedLogWriter writer(*log_, Options());
  EXPECT_EQ(writer.trimmed(), Index(4));
}

}  // namespace
}  // namespace quorate::storage
