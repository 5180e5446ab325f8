// Two servers on one data folder, where locks do not keep them apart: on a file system without
// locks, or one that keeps them for each machine on its own. The earlier one acknowledges nothing
// any more, and what it had acknowledged is there.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::Index;
using consensus::Persist;
using consensus::Term;

const LogStore::Options kOptions{.journal_bytes = 64 << 10};

// Of that index and term, with the term as the current one.
std::vector<Persist> OneEntry(Chains& chains, Index index, Term term) {
  return {chains.Link(MakeWrite(1, MakeEntries(index.value(), index.value(), term.value())))};
}

// What the earlier process says when it writes again, by the given call, after a later one has
// opened the same log and written to it.
int WriteBesideAnother(const std::string& path, bool through_journal) {
  const Shared<std::atomic<int>> stage;
  ChildProcess earlier([&] {
    system_calls::IgnoreLocks();
    auto log = OpenLog(path, kOptions);
    Chains chains(log->recovered());
    if (!log->StartJournal().ok()) return 2;
    if (!log->journal().Append(OneEntry(chains, Index(1), Term(1))).ok()) return 3;
    *stage = 1;
    while (*stage < 2) usleep(200);
    const Status written =
        through_journal
            ? log->journal().Append(OneEntry(chains, Index(2), Term(1)))
            : log->Commit(OneEntry(chains, Index(1), Term(1)), std::nullopt, log->journal().end());
    if (written.ok()) return 0;
    const std::string expected = through_journal ? "another process has opened this log"
                                                 : "another process has written to this log";
    return written.error().find(expected) == std::string::npos ? 4 : 1;
  });
  while (*stage < 1) usleep(200);
  EXPECT_EQ(RunChild([&] {
              system_calls::IgnoreLocks();
              auto log = OpenLog(path, kOptions);
              if (log->last_index() != Index(1)) return 2;
              Chains chains(log->recovered());
              if (!log->StartJournal().ok()) return 3;
              if (!log->journal().Append(OneEntry(chains, Index(2), Term(2))).ok()) return 4;
              return 0;
            }),
            0);
  *stage = 2;
  return earlier.Wait();
}

TEST(TwoProcesses, TheEarlierOneAcknowledgesNothingMore) {
  for (const bool through_journal : {true, false}) {
    TemporaryDirectory directory;
    MakeLog(directory / "log", kOptions).reset();
    EXPECT_EQ(WriteBesideAnother(directory / "log", through_journal), 1) << through_journal;
    auto log = OpenLog(directory / "log", kOptions);
    ASSERT_EQ(log->last_index(), Index(2));
    EXPECT_EQ(log->recovered().terms.back().term, Term(2));
  }
}

// What the later process has read is all that it will ever know: from its first look on.
TEST(TwoProcesses, TheEarlierOneAcknowledgesNothingOnceItsJournalWasRead) {
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  MakeLog(path, kOptions).reset();
  const Shared<std::atomic<bool>> was_written;
  const Shared<std::atomic<bool>> was_read;
  ChildProcess earlier([&] {
    system_calls::IgnoreLocks();
    auto log = OpenLog(path, kOptions);
    Chains chains(log->recovered());
    if (!log->StartJournal().ok()) return 2;
    if (!log->journal().Append(OneEntry(chains, Index(1), Term(1))).ok()) return 3;
    *was_written = true;
    while (!*was_read) usleep(200);
    return log->journal().Append(OneEntry(chains, Index(2), Term(1))).ok() ? 0 : 1;
  });
  while (!*was_written) usleep(200);
  EXPECT_EQ(RunChild([&] {
              system_calls::IgnoreLocks();
              return OpenLog(path, kOptions)->last_index() == Index(1) ? 0 : 1;
            }),
            0);
  *was_read = true;
  EXPECT_EQ(earlier.Wait(), 1);
}

struct Acknowledgements {
  static constexpr uint64_t kEntriesMax = 100'000;
  std::atomic<uint64_t> terms[kEntriesMax];  // of those acknowledged, by index; 0: none was
  std::atomic<bool> busy;                    // one process is in the middle of a step
};

// A step that the other process does nothing beside. Between the look at a journal's owner and the
// write behind it another process can come, and have its records overwritten: nothing but a lock
// prevents that.
class Step {
 public:
  explicit Step(Acknowledgements& shared) : busy_(shared.busy) {
    while (busy_.exchange(true)) usleep(50);
  }
  ~Step() { busy_ = false; }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

 private:
  std::atomic<bool>& busy_;
};

std::unique_ptr<LogStore> OpenAndStart(const std::string& path, Acknowledgements& acknowledged) {
  const Step step(acknowledged);
  auto opened = LogStore::Open(path, kOptions);
  if (!opened.ok() || !opened.value()->StartJournal().ok()) return nullptr;
  return std::move(opened.value());
}

// Opens the log again and again, and appends to it until somebody else has come. Each time in a
// term of its own, so that the entries of the two can be told apart.
int AppendInTurns(const std::string& path, uint64_t seed, Acknowledgements& acknowledged) {
  system_calls::IgnoreLocks();
  Random random(seed);
  for (int turn = 0; turn < 40; ++turn) {
    const std::unique_ptr<LogStore> opened = OpenAndStart(path, acknowledged);
    if (opened == nullptr) return 2;
    LogStore& log = *opened;
    const Term term = log.recovered().hard_state.current_term + 1;
    Chains chains(log.recovered());
    JournalMark merged = log.journal().end();
    std::vector<Persist> waiting;
    Index last = log.last_index();
    for (uint64_t appends = random.Below(30); appends > 0; --appends) {
      const Step append(acknowledged);
      const std::vector<Persist> record = OneEntry(chains, last + 1, term);
      if (!log.journal().HasRoom(record, merged) || random.OneIn(5)) {
        merged = log.journal().end();
        if (!log.Commit(waiting, std::nullopt, merged).ok()) break;
        waiting.clear();
      }
      if (!log.journal().Append(record).ok()) break;
      ++last;
      waiting.push_back(record.front());
      if (acknowledged.terms[last.value()].exchange(term.value()) != 0) return 1;
    }
  }
  return 0;
}

TEST(TwoProcesses, WhatEitherHasAcknowledgedIsThere) {
  const uint64_t seed = TestSeed(5);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  TemporaryDirectory directory;
  MakeLog(directory / "log", kOptions).reset();
  const Shared<Acknowledgements> acknowledged;
  {
    ChildProcess one([&] { return AppendInTurns(directory / "log", seed, *acknowledged); });
    ChildProcess other([&] { return AppendInTurns(directory / "log", seed + 1, *acknowledged); });
    EXPECT_EQ(one.Wait(), 0);
    EXPECT_EQ(other.Wait(), 0);
  }
  const auto opened = LogStore::Open(directory / "log", kOptions);
  ASSERT_TRUE(opened.ok()) << opened.error();
  const std::vector<Entry> entries = ReadAll(*opened.value());
  uint64_t count = 0;
  for (uint64_t index = 1; index < Acknowledgements::kEntriesMax; ++index) {
    const uint64_t term = acknowledged->terms[index];
    if (term == 0) continue;
    ++count;
    ASSERT_LE(index, entries.size()) << "an acknowledged entry is gone";
    EXPECT_EQ(entries[index - 1].term, Term(term)) << index;
  }
  EXPECT_GT(count, 20U);
}

}  // namespace
}  // namespace quorate::storage
