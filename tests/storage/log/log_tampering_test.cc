// Logs whose rows are each intact but do not make up a log: what damage to LMDB's inner pages
// leaves.

#include <gtest/gtest.h>

#include <functional>

#include "consensus/crc32c.h"
#include "storage/lmdb/lmdb_records.h"
#include "tests/storage/log/log_fixture.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::Entry;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

// The log's database, open for a change behind the store's back.
class Tamperer {
 public:
  Tamperer(MDB_txn* transaction, MDB_dbi entries) : transaction_(transaction), entries_(entries) {}

  void Delete(uint64_t index) {
    MDB_val key{sizeof(index), &index};
    ASSERT_EQ(mdb_del(transaction_, entries_, &key, nullptr), 0);
  }
  void Put(uint64_t index, const Entry& entry) {
    std::string row(EntryRowBytes(entry), '\0');
    EncodeEntryTo(row.data(), entry);
    MDB_val key{sizeof(index), &index};
    MDB_val value = ToValue(row);
    ASSERT_EQ(mdb_put(transaction_, entries_, &key, &value, 0), 0);
  }
  // Every commit has to: the header names the transaction that wrote it.
  void PutHeader(const LogHeader& header) {
    const std::string record = EncodeLogHeader(header, mdb_txn_id(transaction_));
    ASSERT_EQ(PutRecord(transaction_, "header", record), 0);
  }

 private:
  MDB_txn* transaction_;
  MDB_dbi entries_;
};

class LogTamperingTest : public testing::Test {
 protected:
  // A log of the entries 1 .. 10: up to 5 of term 1, then of term 2.
  LogTamperingTest() {
    auto log = MakeLog(path_);
    std::vector<Entry> entries = MakeEntries(1, 5, 1);
    for (const Entry& entry : MakeEntries(6, 10, 2)) entries.push_back(entry);
    EXPECT_TRUE(log->Commit(std::vector{MakeWrite(1, entries)}, std::nullopt).ok());
    header_.last_chain = log->ChainAt(Index(10)).value();
    before_the_last_ = log->ChainAt(Index(9)).value();
  }

  // Why a log with that change does not open; nothing when it does.
  std::string ErrorAfter(const std::function<void(Tamperer&)>& change) {
    {
      auto environment = Environment::Open(path_, {});
      EXPECT_TRUE(environment.ok()) << environment.error();
      auto transaction = WriteTransaction::Begin(*environment.value());
      EXPECT_TRUE(transaction.ok()) << transaction.error();
      MDB_txn* handle = transaction.value().handle();
      MDB_dbi entries = 0;
      EXPECT_EQ(OpenRecords(handle), 0);
      EXPECT_EQ(mdb_dbi_open(handle, "entries", MDB_INTEGERKEY, &entries), 0);
      Tamperer tamperer(handle, entries);
      tamperer.PutHeader(header_);
      change(tamperer);
      EXPECT_EQ(transaction.value().Commit(), 0);
    }
    const auto opened = LogStore::Open(path_, {});
    return opened.ok() ? "" : opened.error();
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "log";
  LogHeader header_{.hard_state = HardState{Term(2), NodeId()},
                    .founding = {},
                    .base_index = Index(0),
                    .base_term = Term(0),
                    .base_chain = Chain(),
                    .last_index = Index(10),
                    .last_term = Term(2),
                    .last_chain = Chain(),
                    .journal = {}};
  Chain before_the_last_;
};

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

TEST_F(LogTamperingTest, WithoutAChangeItOpens) {
  EXPECT_EQ(ErrorAfter([](Tamperer&) {}), "");
}

TEST_F(LogTamperingTest, AnEntryIsMissingInTheMiddle) {
  EXPECT_CONTAINS(ErrorAfter([](Tamperer& tamperer) { tamperer.Delete(4); }),
                  "log entry 4 is missing; the log is not shortened");
}

TEST_F(LogTamperingTest, AnEntryIsMissingAtTheStart) {
  EXPECT_CONTAINS(ErrorAfter([](Tamperer& tamperer) { tamperer.Delete(1); }),
                  "log entry 1 is missing");
}

// The most dangerous: without it there is still a log, only a shorter one.
TEST_F(LogTamperingTest, AnEntryIsMissingAtTheEnd) {
  EXPECT_CONTAINS(ErrorAfter([](Tamperer& tamperer) { tamperer.Delete(10); }),
                  "log entry 10 is missing");
}

TEST_F(LogTamperingTest, AnEntryIsThereBehindTheEnd) {
  EXPECT_CONTAINS(
      ErrorAfter([](Tamperer& tamperer) { tamperer.Put(11, MakeEntry(11, 2, "more")); }),
      "log entry 11 is past the log's recorded end");
}

TEST_F(LogTamperingTest, AnEntryIsUnderAnothersIndex) {
  EXPECT_CONTAINS(ErrorAfter([](Tamperer& tamperer) { tamperer.Put(8, MakeEntry(7, 2, "seven")); }),
                  "log entry 8 is damaged");
}

TEST_F(LogTamperingTest, TermsGoBack) {
  EXPECT_CONTAINS(ErrorAfter([](Tamperer& tamperer) { tamperer.Put(8, MakeEntry(8, 1, "old")); }),
                  "log entry 8 is of a term gone by");
}

TEST_F(LogTamperingTest, TheLastEntryIsOfAnotherTermThanRecorded) {
  header_.hard_state.current_term = Term(3);
  std::vector<Entry> entries{MakeEntry(10, 3, "new")};
  Link(before_the_last_, &entries);
  EXPECT_CONTAINS(ErrorAfter([&](Tamperer& tamperer) { tamperer.Put(10, entries[0]); }),
                  "log entry 10 is not of the recorded last term");
}

TEST_F(LogTamperingTest, AnEntryIsOfATermThatHasNotBegun) {
  header_.hard_state.current_term = Term(1);
  EXPECT_CONTAINS(ErrorAfter([](Tamperer&) {}), "log entry 10 is of a term yet to come");
}

// A vote that nobody gave in this commit: an old page in the place of the newest.
TEST_F(LogTamperingTest, TheHeaderIsOfAnotherCommit) {
  const std::string error = ErrorAfter([&](Tamperer&) {});
  EXPECT_EQ(error, "");
  {
    auto environment = Environment::Open(path_, {});
    ASSERT_TRUE(environment.ok()) << environment.error();
    auto transaction = WriteTransaction::Begin(*environment.value());
    ASSERT_TRUE(transaction.ok()) << transaction.error();
    MDB_txn* handle = transaction.value().handle();
    ASSERT_EQ(OpenRecords(handle), 0);
    ASSERT_EQ(PutRecord(handle, "unrelated", "record"), 0);
    ASSERT_EQ(transaction.value().Commit(), 0);
  }
  const auto opened = LogStore::Open(path_, {});
  ASSERT_FALSE(opened.ok());
  EXPECT_CONTAINS(opened.error(), "the log's header with term and vote is damaged, or not of the");
}

// A whole row of another log with the same indexes and terms, as when pages of two copies are
// mixed.
TEST_F(LogTamperingTest, AnEntryIsAnotherLogs) {
  std::vector<Entry> entries{MakeEntry(8, 2, "another")};
  Link(Chain(7), &entries);
  EXPECT_CONTAINS(ErrorAfter([&](Tamperer& tamperer) { tamperer.Put(8, entries[0]); }),
                  "log entry 8 does not follow from those before it");
}

TEST_F(LogTamperingTest, TheLastEntryIsNotTheRecordedOne) {
  std::vector<Entry> entries{MakeEntry(10, 2, "another")};
  Link(before_the_last_, &entries);
  EXPECT_CONTAINS(ErrorAfter([&](Tamperer& tamperer) { tamperer.Put(10, entries[0]); }),
                  "log entry 10 is not the recorded last one");
}

TEST_F(LogTamperingTest, TheLedgerIsMissing) {
  header_.ledger_crc32c = consensus::Crc32c("ledger");
  EXPECT_CONTAINS(ErrorAfter([](Tamperer&) {}), "the ledger of this server's starts is damaged");
}

TEST_F(LogTamperingTest, APayloadIsNotTheOneTheEntryWasMadeWith) {
  Entry entry = MakeEntry(8, 2, "payload");
  entry.payload = consensus::Payload("pavload", entry.payload.crc32c());
  EXPECT_CONTAINS(ErrorAfter([&](Tamperer& tamperer) { tamperer.Put(8, entry); }),
                  "log entry 8 is damaged: its checksum is wrong");
}

}  // namespace
}  // namespace quorate::storage
