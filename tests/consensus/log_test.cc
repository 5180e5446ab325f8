// RaftLog by itself: terms without the disk, the three stages of a write, and what stays in memory.
#include "consensus/log.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"
#include "tests/consensus/memory_disk.h"

namespace quorate::consensus {
namespace {

// A log on a disk with entries of these terms, trimmed up to `base`.
class LogOnDisk {
 public:
  explicit LogOnDisk(const std::vector<uint64_t>& terms, uint64_t base = 0,
                     size_t cached_bytes_max = 1 << 20)
      : disk_(Fill(terms, base)), log(disk_.Recover(Index(base)), disk_, cached_bytes_max) {}

  // Submits what there is, as write `seq`.
  Persist Submit(uint64_t seq) {
    Persist persist;
    persist.seq = PersistSeq(seq);
    log.Submit(seq, &persist);
    return persist;
  }

  size_t disk_reads() const { return disk_.reads(); }

 private:
  static MemoryDisk Fill(const std::vector<uint64_t>& terms, uint64_t base) {
    MemoryDisk disk;
    for (size_t i = 0; i < terms.size(); ++i) {
      disk.Append(MakeEntry(i + 1, terms[i]));
    }
    disk.Trim(Index(base));
    return disk;
  }

  MemoryDisk disk_;

 public:
  RaftLog log;
};

TEST(Log, KnowsEveryTermWithoutTheDisk) {
  LogOnDisk on_disk({1, 1, 2, 2, 5}, 1);
  const RaftLog& log = on_disk.log;
  EXPECT_EQ(log.TermAt(Index(0)), std::nullopt);
  EXPECT_EQ(log.TermAt(Index(1)), Term(1));  // the base
  EXPECT_EQ(log.TermAt(Index(2)), Term(1));
  EXPECT_EQ(log.TermAt(Index(3)), Term(2));
  EXPECT_EQ(log.TermAt(Index(4)), Term(2));
  EXPECT_EQ(log.TermAt(Index(5)), Term(5));
  EXPECT_EQ(log.TermAt(Index(6)), std::nullopt);
  EXPECT_EQ(log.last_term(), Term(5));
  EXPECT_EQ(on_disk.disk_reads(), 0U);
}

TEST(Log, OfNothingHasTermZero) {
  LogOnDisk empty({});
  EXPECT_EQ(empty.log.last_term(), Term(0));
  EXPECT_EQ(empty.log.TermAt(Index(0)), Term(0));
  LogOnDisk trimmed({1, 2}, 2);
  EXPECT_EQ(trimmed.log.last_term(), Term(2));
  EXPECT_EQ(trimmed.log.last_index(), Index(2));
}

TEST(Log, FindsTheLastEntryNotAboveATerm) {
  LogOnDisk on_disk({1, 1, 3, 3, 6, 6}, 1);
  const RaftLog& log = on_disk.log;
  EXPECT_EQ(log.LastNotAbove(Index(6), Term(6)), Index(6));
  EXPECT_EQ(log.LastNotAbove(Index(9), Term(9)), Index(6));
  EXPECT_EQ(log.LastNotAbove(Index(5), Term(9)), Index(5));
  EXPECT_EQ(log.LastNotAbove(Index(6), Term(5)), Index(4));
  EXPECT_EQ(log.LastNotAbove(Index(3), Term(5)), Index(3));
  EXPECT_EQ(log.LastNotAbove(Index(6), Term(2)), Index(2));
  EXPECT_EQ(log.LastNotAbove(Index(1), Term(1)), Index(1));
  EXPECT_EQ(log.LastNotAbove(Index(6), Term(0)), std::nullopt);
  EXPECT_EQ(log.LastNotAbove(Index(0), Term(9)), std::nullopt);
}

TEST(Log, SubmitsWhatIsNewOnce) {
  LogOnDisk on_disk({1});
  on_disk.log.Append(MakeEntry(2, 1));
  on_disk.log.Append(MakeEntry(3, 2));
  EXPECT_TRUE(on_disk.log.has_unsubmitted());
  EXPECT_EQ(on_disk.Submit(1).entries, (std::vector{MakeEntry(2, 1), MakeEntry(3, 2)}));
  EXPECT_FALSE(on_disk.log.has_unsubmitted());
  EXPECT_EQ(on_disk.log.durable_index(), Index(1));
  on_disk.log.Persisted(PersistSeq(1));
  EXPECT_EQ(on_disk.log.durable_index(), Index(3));
}

// Three writes under way, and a truncation that reaches into the second.
TEST(Log, TruncationCutsWhatPendingWritesVouchFor) {
  LogOnDisk on_disk({1});
  for (uint64_t index = 2; index <= 4; ++index) {
    on_disk.log.Append(MakeEntry(index, 1));
    on_disk.Submit(index - 1);
  }
  on_disk.log.TruncateFrom(Index(3));
  on_disk.log.Append(MakeEntry(3, 2));
  Persist persist = on_disk.Submit(4);
  EXPECT_EQ(persist.truncate_from, Index(3));
  EXPECT_EQ(persist.entries, std::vector{MakeEntry(3, 2)});
  on_disk.log.Persisted(PersistSeq(3));
  EXPECT_EQ(on_disk.log.durable_index(), Index(2));
  EXPECT_EQ(on_disk.log.TermAt(Index(3)), Term(2));
  on_disk.log.Persisted(PersistSeq(4));
  EXPECT_EQ(on_disk.log.durable_index(), Index(3));
}

TEST(Log, TruncationOfEntriesThatAreOnlyOnDisk) {
  LogOnDisk on_disk({1, 1, 2, 2});
  on_disk.log.TruncateFrom(Index(2));
  EXPECT_EQ(on_disk.log.last_index(), Index(1));
  EXPECT_EQ(on_disk.log.last_term(), Term(1));
  EXPECT_EQ(on_disk.log.durable_index(), Index(1));
  on_disk.log.Append(MakeEntry(2, 3, "new"));
  // The disk still has the old one.
  EXPECT_EQ(on_disk.log.Read(Index(2), Index(2), 100).front(), MakeEntry(2, 3, "new"));
  EXPECT_EQ(on_disk.Submit(1).truncate_from, Index(2));
}

TEST(Log, RemembersTheOldestWrite) {
  LogOnDisk on_disk({});
  EXPECT_EQ(on_disk.log.oldest_write(), std::nullopt);
  on_disk.log.Append(MakeEntry(1, 1));
  on_disk.Submit(5);
  on_disk.log.Append(MakeEntry(2, 1));
  on_disk.Submit(8);
  EXPECT_EQ(on_disk.log.oldest_write(), 5U);
  on_disk.log.Persisted(PersistSeq(5));
  EXPECT_EQ(on_disk.log.oldest_write(), 8U);
  on_disk.log.Persisted(PersistSeq(8));
  EXPECT_EQ(on_disk.log.oldest_write(), std::nullopt);
}

TEST(Log, CompactionKeepsTheTermOfItsBase) {
  LogOnDisk on_disk({1, 1, 2, 2, 3});
  on_disk.log.Compact(Index(3));
  EXPECT_EQ(on_disk.log.base_index(), Index(3));
  EXPECT_EQ(on_disk.log.TermAt(Index(2)), std::nullopt);
  EXPECT_EQ(on_disk.log.TermAt(Index(3)), Term(2));
  EXPECT_EQ(on_disk.log.TermAt(Index(4)), Term(2));
  EXPECT_EQ(on_disk.log.LastNotAbove(Index(5), Term(2)), Index(4));
  on_disk.log.Compact(Index(5));
  EXPECT_EQ(on_disk.log.last_term(), Term(3));
  EXPECT_EQ(on_disk.log.last_index(), Index(5));
  on_disk.log.Append(MakeEntry(6, 3));
  EXPECT_EQ(on_disk.log.TermAt(Index(6)), Term(3));
}

// Memory lets go of the oldest entries that are durable and committed, and of no others.
TEST(Log, EvictsOnlyWhatCanBeReadBack) {
  LogOnDisk on_disk({}, 0, 0);
  for (uint64_t index = 1; index <= 6; ++index) {
    on_disk.log.Append(MakeEntry(index, 1));
  }
  on_disk.log.Evict(Index(6));
  EXPECT_TRUE(on_disk.log.IsCached(Index(1)));  // not durable
  on_disk.Submit(1);
  on_disk.log.Persisted(PersistSeq(1));
  on_disk.log.Evict(Index(4));
  EXPECT_FALSE(on_disk.log.IsCached(Index(4)));
  EXPECT_TRUE(on_disk.log.IsCached(Index(5)));  // not committed
  on_disk.log.Evict(Index(6));
  EXPECT_EQ(on_disk.log.cached_bytes(), 0U);
}

TEST(Log, KeepsUpToItsLimitInMemory) {
  size_t three = 3 * (sizeof(Entry) + 1);
  LogOnDisk on_disk({}, 0, three);
  for (uint64_t index = 1; index <= 6; ++index) {
    on_disk.log.Append(MakeEntry(index, 1));
  }
  on_disk.Submit(1);
  on_disk.log.Persisted(PersistSeq(1));
  on_disk.log.Evict(Index(6));
  EXPECT_EQ(on_disk.log.cached_bytes(), three);
  EXPECT_FALSE(on_disk.log.IsCached(Index(3)));
  EXPECT_TRUE(on_disk.log.IsCached(Index(4)));
}

// The accounting returns to zero on every way out.
TEST(Log, CountsCachedBytesOnEveryPath) {
  LogOnDisk on_disk({1});
  for (uint64_t index = 2; index <= 7; ++index) {
    on_disk.log.Append(MakeEntry(index, 1, "some bytes"));
  }
  on_disk.log.TruncateFrom(Index(5));
  on_disk.Submit(1);
  on_disk.log.Persisted(PersistSeq(1));
  on_disk.log.Compact(Index(3));
  EXPECT_EQ(on_disk.log.cached_bytes(), sizeof(Entry) + 10);
  on_disk.log.Compact(Index(4));
  EXPECT_EQ(on_disk.log.cached_bytes(), 0U);
}

TEST(Log, ReadsAcrossTheBorderInTwoPieces) {
  LogOnDisk on_disk({1, 1, 1});
  on_disk.log.Append(MakeEntry(4, 1));
  EXPECT_EQ(on_disk.log.Read(Index(2), Index(4), 100).size(), 2U);
  EXPECT_EQ(on_disk.disk_reads(), 1U);
  EXPECT_EQ(on_disk.log.Read(Index(4), Index(4), 100).size(), 1U);
  EXPECT_EQ(on_disk.disk_reads(), 1U);
}

TEST(LogDeathTest, TakesOnlyWhatFollows) {
  LogOnDisk on_disk({2});
  EXPECT_DEATH(on_disk.log.Append(MakeEntry(3, 2)), "last_index");
  EXPECT_DEATH(on_disk.log.Append(MakeEntry(2, 1)), "last_term");
  EXPECT_DEATH(on_disk.log.Compact(Index(2)), "durable");
}

TEST(LogDeathTest, RefusesTermsThatDoNotFitTheLog) {
  MemoryDisk disk;
  Recovered recovered{.hard_state = {},
                      .base_index = Index(1),
                      .base_term = Term(2),
                      .last_index = Index(3),
                      .terms = {{Term(1), Index(2)}},
                      .last_applied = Index(1)};
  EXPECT_DEATH(RaftLog(recovered, disk, 0), "base_term");
  recovered.terms = {{Term(2), Index(2)}, {Term(2), Index(3)}};
  EXPECT_DEATH(RaftLog(recovered, disk, 0), "term");
  recovered.terms = {};
  EXPECT_DEATH(RaftLog(recovered, disk, 0), "empty");
}

}  // namespace
}  // namespace quorate::consensus
