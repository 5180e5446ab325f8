#include "storage/log/log_store.h"

#include <gtest/gtest.h>

#include "consensus/founding.h"
#include "tests/storage/log/log_fixture.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::Entry;
using consensus::EntryKind;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::PersistSeq;
using consensus::Term;
using consensus::TermRun;

class LogStoreTest : public testing::Test {
 protected:
  // Closes the log and opens it again, as a restart does.
  void Reopen() {
    log_.reset();
    log_ = OpenLog(path_, options_);
  }

  void Commit(std::vector<Persist> writes, std::optional<uint64_t> trim_to = std::nullopt) {
    std::optional<Index> index;
    if (trim_to) index = Index(*trim_to);
    const Status committed = log_->Commit(chains_.Link(std::move(writes)), index);
    ASSERT_TRUE(committed.ok()) << committed.error();
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "log";
  LogStore::Options options_;
  std::unique_ptr<LogStore> log_ = MakeLog(path_);
  Chains chains_;
};

TEST_F(LogStoreTest, ANewLogIsEmpty) {
  const consensus::Recovered& recovered = log_->recovered();
  EXPECT_EQ(recovered.hard_state, HardState());
  EXPECT_EQ(recovered.base_index, Index(0));
  EXPECT_EQ(recovered.last_index, Index(0));
  EXPECT_TRUE(recovered.terms.empty());
  EXPECT_TRUE(log_->pristine());
  EXPECT_EQ(log_->identity(), SomeIdentity());
}

TEST_F(LogStoreTest, ARestartFindsEntriesAndTerms) {
  std::vector<Entry> entries = MakeEntries(1, 3, 1);
  entries.push_back(Entry{Term(2), Index(4), EntryKind::kNoop, {}});
  entries.push_back(MakeEntry(5, 4, std::string("\0\r\n", 3)));
  Commit({MakeWrite(1, entries)});
  Reopen();
  EXPECT_EQ(ReadAll(*log_), entries);
  EXPECT_EQ(log_->Read(Index(4), Index(4), 0).front().kind, EntryKind::kNoop);
  EXPECT_EQ(log_->recovered().last_index, Index(5));
  EXPECT_EQ(log_->recovered().terms,
            (std::vector<TermRun>{{Term(1), Index(1)}, {Term(2), Index(4)}, {Term(4), Index(5)}}));
  EXPECT_FALSE(log_->pristine());
}

// Raft paper, figure 2: currentTerm and votedFor are persistent.
TEST_F(LogStoreTest, ARestartFindsTermAndVote) {
  Persist write;
  write.seq = PersistSeq(1);
  write.hard_state = HardState{Term(7), NodeId(3)};
  Commit({write});
  Reopen();
  EXPECT_EQ(log_->recovered().hard_state, (HardState{Term(7), NodeId(3)}));
  EXPECT_FALSE(log_->pristine());
}

// Noted once for good; what is in the log alone may still be truncated.
TEST_F(LogStoreTest, ARestartFindsTheFounding) {
  consensus::Founding founding;
  founding.id = consensus::FoundingId(7);
  std::vector<Entry> entries{MakeEntry(1, 1, Encode(founding)), MakeEntry(2, 1, "x")};
  entries[0].kind = EntryKind::kFounding;
  Commit({MakeWrite(1, entries)});
  Reopen();
  EXPECT_EQ(log_->recovered().founding, consensus::FoundingId());
  EXPECT_EQ(log_->recovered().founding_entry,
            (consensus::FoundingEntry{Index(1), consensus::FoundingId(7)}));
  Persist note;
  note.seq = PersistSeq(2);
  note.founding = consensus::FoundingId(7);
  Commit({note});
  Commit({}, 1);
  Reopen();
  EXPECT_EQ(log_->recovered().founding, consensus::FoundingId(7));
  EXPECT_FALSE(log_->recovered().founding_entry);
  ASSERT_TRUE(log_->BeginAnew(Index(9), Term(3), consensus::Chain(5)).ok());
  Reopen();
  EXPECT_EQ(log_->recovered().founding, consensus::FoundingId(7));
  EXPECT_EQ(log_->recovered().base_chain, consensus::Chain(5));
}

TEST_F(LogStoreTest, ARestartFindsTheLedger) {
  EXPECT_EQ(log_->recovered().ledger, "");
  Persist first;
  first.seq = PersistSeq(1);
  first.ledger = "one";
  Persist second = MakeWrite(2, MakeEntries(1, 2, 1));
  second.ledger = std::string(30'000, 'x');
  Commit({first, second});
  Commit({MakeWrite(3, MakeEntries(3, 3, 1))});
  Reopen();
  EXPECT_EQ(log_->recovered().ledger, *second.ledger);
  // Behind a snapshot it is the same server still.
  ASSERT_TRUE(log_->BeginAnew(Index(9), Term(2), Chain(9)).ok());
  EXPECT_EQ(log_->recovered().ledger, *second.ledger);
  Reopen();
  EXPECT_EQ(log_->recovered().ledger, *second.ledger);
}

// What it has drawn is known to others: it must not be missing without a word.
TEST_F(LogStoreTest, ALedgerThatLmdbHasNotTakenOverIsInTheJournal) {
  ASSERT_TRUE(log_->StartJournal().ok());
  Persist write;
  write.seq = PersistSeq(1);
  write.ledger = "ledger";
  ASSERT_TRUE(log_->journal().Append(std::vector{write}).ok());
  Reopen();
  EXPECT_EQ(log_->recovered().ledger, "ledger");
}

TEST_F(LogStoreTest, TheLastOfSeveralHardStatesHolds) {
  Persist first;
  first.seq = PersistSeq(1);
  first.hard_state = HardState{Term(7), NodeId(3)};
  Persist second;
  second.seq = PersistSeq(2);
  second.hard_state = HardState{Term(8), NodeId()};
  Persist third;  // none: nothing changes
  third.seq = PersistSeq(3);
  Commit({first, second, third});
  Reopen();
  EXPECT_EQ(log_->recovered().hard_state, (HardState{Term(8), NodeId()}));
}

TEST_F(LogStoreTest, ATruncationMakesWayForAnotherTermsEntries) {
  Commit({MakeWrite(1, MakeEntries(1, 10, 1))});
  Commit({MakeWrite(2, MakeEntries(6, 7, 2), 6)});
  Reopen();
  std::vector<Entry> expected = MakeEntries(1, 5, 1);
  for (const Entry& entry : MakeEntries(6, 7, 2)) expected.push_back(entry);
  EXPECT_EQ(ReadAll(*log_), expected);
  EXPECT_EQ(log_->recovered().terms,
            (std::vector<TermRun>{{Term(1), Index(1)}, {Term(2), Index(6)}}));
}

TEST_F(LogStoreTest, ATruncationAloneShortensTheLog) {
  Commit({MakeWrite(1, MakeEntries(1, 10, 1))});
  Persist write;
  write.seq = PersistSeq(2);
  write.truncate_from = Index(1);
  Commit({write});
  Reopen();
  EXPECT_EQ(log_->recovered().last_index, Index(0));
  EXPECT_TRUE(log_->recovered().terms.empty());
  Commit({MakeWrite(3, MakeEntries(1, 2, 3))});
  Reopen();
  EXPECT_EQ(ReadAll(*log_), MakeEntries(1, 2, 3));
}

// One group of writes in which each truncates what the one before appended: only the order makes
// it right.
TEST_F(LogStoreTest, AGroupOfTruncationsIsAppliedInOrder) {
  Commit({MakeWrite(1, MakeEntries(1, 5, 1))});
  Commit({MakeWrite(2, MakeEntries(6, 9, 1)), MakeWrite(3, MakeEntries(4, 8, 2), 4),
          MakeWrite(4, MakeEntries(9, 9, 2)), MakeWrite(5, MakeEntries(8, 8, 3), 8),
          MakeWrite(6, MakeEntries(9, 10, 3))});
  std::vector<Entry> expected = MakeEntries(1, 3, 1);
  for (const Entry& entry : MakeEntries(4, 7, 2)) expected.push_back(entry);
  for (const Entry& entry : MakeEntries(8, 10, 3)) expected.push_back(entry);
  EXPECT_EQ(ReadAll(*log_), expected);
  Reopen();
  EXPECT_EQ(ReadAll(*log_), expected);
}

TEST_F(LogStoreTest, TrimmingKeepsTheBaseAndItsTerm) {
  std::vector<Entry> entries = MakeEntries(1, 4, 1);
  for (const Entry& entry : MakeEntries(5, 9, 3)) entries.push_back(entry);
  Commit({MakeWrite(1, entries)}, 6);
  EXPECT_EQ(log_->base_index(), Index(6));
  Reopen();
  EXPECT_EQ(log_->recovered().base_index, Index(6));
  EXPECT_EQ(log_->recovered().base_term, Term(3));
  EXPECT_EQ(log_->recovered().last_index, Index(9));
  EXPECT_EQ(log_->recovered().terms, (std::vector<TermRun>{{Term(3), Index(7)}}));
  EXPECT_EQ(ReadAll(*log_), MakeEntries(7, 9, 3));
}

TEST_F(LogStoreTest, ALogThatIsTrimmedAwayGoesOnAtItsEnd) {
  Commit({MakeWrite(1, MakeEntries(1, 9, 2))});
  Commit({}, 9);
  Reopen();
  EXPECT_EQ(log_->recovered().base_index, Index(9));
  EXPECT_EQ(log_->recovered().base_term, Term(2));
  EXPECT_EQ(log_->recovered().last_index, Index(9));
  EXPECT_TRUE(log_->recovered().terms.empty());
  Commit({MakeWrite(2, MakeEntries(10, 11, 2))});
  Reopen();
  EXPECT_EQ(ReadAll(*log_), MakeEntries(10, 11, 2));
  EXPECT_EQ(log_->recovered().terms, (std::vector<TermRun>{{Term(2), Index(10)}}));
}

// A truncation down to the base leaves a log whose last term is the base's.
TEST_F(LogStoreTest, ATruncationMayReachTheBase) {
  Commit({MakeWrite(1, MakeEntries(1, 9, 2))}, 5);
  Commit({MakeWrite(2, MakeEntries(6, 6, 3), 6)});
  Reopen();
  EXPECT_EQ(ReadAll(*log_), MakeEntries(6, 6, 3));
}

TEST_F(LogStoreTest, TrimmingIsBounded) {
  options_.trim_entries_max = 10;
  options_.trim_bytes_max = 5000;
  Reopen();
  Commit({MakeWrite(1, MakeEntries(1, 100, 1, 1000))});
  Commit({}, 100);
  EXPECT_EQ(log_->base_index(), Index(5));  // the bytes
  options_.trim_bytes_max = 1 << 20;
  Reopen();
  Commit({}, 100);
  EXPECT_EQ(log_->base_index(), Index(15));  // the entries
  Commit({}, 17);
  EXPECT_EQ(log_->base_index(), Index(17));  // what was asked for
  Commit({}, 3);
  EXPECT_EQ(log_->base_index(), Index(17));  // never back
}

// Otherwise a log that grows by more than a slice a commit would grow for ever.
TEST_F(LogStoreTest, TrimmingKeepsUpWithWhatIsAppended) {
  options_.trim_entries_max = 1;
  Reopen();
  Commit({MakeWrite(1, MakeEntries(1, 50, 1))});
  Commit({MakeWrite(2, MakeEntries(51, 80, 1))}, 50);
  EXPECT_EQ(log_->base_index(), Index(30));
}

TEST_F(LogStoreTest, ReadsUntilTheBytesOrTheLastIndexAreReached) {
  Commit({MakeWrite(1, MakeEntries(1, 20, 1, 100))});
  EXPECT_EQ(log_->Read(Index(3), Index(20), 0).size(), 1U);  // at least one
  EXPECT_EQ(log_->Read(Index(3), Index(20), 99).size(), 1U);
  EXPECT_EQ(log_->Read(Index(3), Index(20), 299).size(), 2U);
  EXPECT_EQ(log_->Read(Index(3), Index(20), 300).size(), 3U);
  EXPECT_EQ(log_->Read(Index(3), Index(5), 1 << 20).back().index, Index(5));
  EXPECT_EQ(log_->Read(Index(3), Index(20), 1 << 20), MakeEntries(3, 20, 1, 100));
}

// Overflow pages of LMDB, several MiB in one entry, and a size at the border of a page.
TEST_F(LogStoreTest, HoldsLargeEntries) {
  std::vector<Entry> entries;
  uint64_t index = 0;
  for (const size_t size : {0, 1, 1990, 2000, 2010, 2020, 4040, 4060, 4080, 1 << 20, 20 << 20}) {
    ++index;
    entries.push_back(MakeEntry(index, 1, std::string(size, static_cast<char>('a' + index))));
  }
  Commit({MakeWrite(1, entries)});
  Reopen();
  EXPECT_EQ(ReadAll(*log_), entries);
}

TEST_F(LogStoreTest, NothingToDoIsNoCommit) {
  Commit({}, 0);
  Commit({});
  Reopen();
  EXPECT_TRUE(log_->pristine());
}

TEST_F(LogStoreTest, ConfirmingChangesNothing) {
  Commit({MakeWrite(1, MakeEntries(1, 5, 1))}, 2);
  const Status sure = log_->StartJournal();
  ASSERT_TRUE(sure.ok()) << sure.error();
  Reopen();
  EXPECT_EQ(ReadAll(*log_), MakeEntries(3, 5, 1));
}

TEST_F(LogStoreTest, ReadsIdentityAlone) {
  log_.reset();
  const Result<Identity> identity = LogStore::ReadIdentity(path_, options_);
  ASSERT_TRUE(identity.ok()) << identity.error();
  EXPECT_EQ(identity.value(), SomeIdentity());
}

using LogStoreDeathTest = LogStoreTest;

// Consensus's promises are checked where they become durable.
TEST_F(LogStoreDeathTest, RefusesWhatRaftForbids) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // LMDB does not survive a plain fork
  Commit({MakeWrite(1, MakeEntries(1, 5, 2))}, 2);
  EXPECT_DEATH(Commit({MakeWrite(2, MakeEntries(7, 7, 2))}), "entry.index");   // a gap
  EXPECT_DEATH(Commit({MakeWrite(2, MakeEntries(5, 5, 2))}), "entry.index");   // not truncated
  EXPECT_DEATH(Commit({MakeWrite(2, MakeEntries(2, 2, 3), 2)}), "from > ");    // trimmed
  EXPECT_DEATH(Commit({MakeWrite(2, MakeEntries(6, 6, 1))}), "current_term");  // term goes back
  Persist vote;
  vote.seq = PersistSeq(2);
  vote.hard_state = HardState{Term(2), NodeId(1)};
  Commit({vote});
  vote.hard_state = HardState{Term(2), NodeId(3)};
  EXPECT_DEATH(Commit({vote}), "voted_for");  // a second vote in one term
}

}  // namespace
}  // namespace quorate::storage
