#include "storage/log/log_journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "storage/base/encoding.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::PersistSeq;
using consensus::Term;

constexpr size_t kFileBytes = 64 << 10;
constexpr size_t kBlockBytes = 4096;
constexpr size_t kRingBytes = kFileBytes - kBlockBytes;  // without the head
constexpr uint64_t kGeneration = 0xfeed;
constexpr uint64_t kOwner = 0xface;

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

bool Same(const std::vector<Persist>& one, const std::vector<Persist>& other) {
  return std::equal(
      one.begin(), one.end(), other.begin(), other.end(), [](const Persist& a, const Persist& b) {
        return a.hard_state == b.hard_state && a.truncate_from == b.truncate_from &&
               a.founding == b.founding && a.ledger == b.ledger && a.entries == b.entries;
      });
}

class LogJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(LogJournal::Prepare(path_, kFileBytes, kOwner).ok());
    Open(kGeneration);
  }
  void Open(uint64_t generation) {
    journal_.reset();
    auto opened = LogJournal::Open(path_, generation, kOwner);
    ASSERT_TRUE(opened.ok()) << opened.error();
    journal_ = std::move(opened.value());
  }
  // A record of about that size with the entry of that number.
  void Append(uint64_t number, size_t bytes = 100) {
    const std::vector<Persist> writes{MakeWrite(number, MakeEntries(number, number, 1, bytes))};
    ASSERT_TRUE(journal_->Takes(writes));
    ASSERT_TRUE(journal_->Append(writes).ok());
  }
  // The indexes of the entries from there on; {0} when it is refused.
  std::vector<uint64_t> Recovered(JournalMark from = {kGeneration, 0, kFileBytes}) {
    const auto writes = LogJournal::Recover(path_, from);
    if (!writes.ok()) return {0};
    std::vector<uint64_t> numbers;
    for (const Persist& write : writes.value()) {
      for (const Entry& entry : write.entries) numbers.push_back(entry.index.value());
    }
    return numbers;
  }
  void Damage(size_t at) {
    std::string bytes = ReadFile(path_).value();
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    WriteFile(path_, bytes);
  }

  using Numbers = std::vector<uint64_t>;

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "journal";
  std::unique_ptr<LogJournal> journal_;
};

TEST_F(LogJournalTest, GivesBackWhatWentIn) {
  std::vector<Persist> writes(4);
  writes[0].hard_state = HardState{Term(3), NodeId(2)};
  writes[1].entries = MakeEntries(4, 7, 2, 900);
  writes[1].entries.push_back({Term(3), Index(8), consensus::EntryKind::kNoop, {}});
  writes[2].truncate_from = Index(6);
  writes[2].founding = consensus::FoundingId(77);
  writes[3].hard_state = HardState{Term(9), NodeId()};
  writes[3].truncate_from = Index(5);
  writes[3].entries = MakeEntries(5, 5, 9);
  ASSERT_TRUE(journal_->Append(std::span(writes).first(2)).ok());
  const JournalMark middle = journal_->end();
  ASSERT_TRUE(journal_->Append(std::span(writes).last(2)).ok());
  auto all = LogJournal::Recover(path_, {kGeneration, 0, kFileBytes});
  ASSERT_TRUE(all.ok()) << all.error();
  EXPECT_TRUE(Same(all.value(), writes));
  auto rest = LogJournal::Recover(path_, middle);
  ASSERT_TRUE(rest.ok()) << rest.error();
  EXPECT_TRUE(Same(rest.value(), {writes[2], writes[3]}));
  EXPECT_EQ(Recovered(journal_->end()), Numbers{});
}

TEST_F(LogJournalTest, GoesRoundAndRound) {
  Random random(TestSeed(1));
  std::deque<std::pair<uint64_t, JournalMark>> kept;  // entries, and where their records begin
  for (uint64_t number = 1; number <= 300; ++number) {
    const size_t bytes = random.Below(kFileBytes / 4 - kBlockBytes);
    const std::vector<Persist> writes{MakeWrite(number, MakeEntries(number, number, 1, bytes))};
    const auto released = [&] { return kept.empty() ? journal_->end() : kept.front().second; };
    while (!journal_->HasRoom(writes, released())) {
      ASSERT_FALSE(kept.empty());
      kept.pop_front();
    }
    kept.emplace_back(number, journal_->end());
    Append(number, bytes);
    Numbers expected;
    for (const auto& [entry, mark] : kept) expected.push_back(entry);
    ASSERT_EQ(Recovered(kept.front().second), expected);
    ASSERT_EQ(Recovered(journal_->end()), Numbers{});
  }
}

TEST_F(LogJournalTest, TakesNothingTooLarge) {
  const std::vector<Persist> writes{MakeWrite(1, MakeEntries(1, 1, 1, kFileBytes / 4))};
  EXPECT_FALSE(journal_->Takes(writes));
}

// The last record was being written when the power failed: any of its sectors may be there.
TEST_F(LogJournalTest, ATornRecordAtTheEndNeverWas) {
  Random random(TestSeed(2));
  Append(1, 9000);
  Append(2, 9000);
  const std::string before = ReadFile(path_).value();
  Append(3, 9000);
  const std::string after = ReadFile(path_).value();
  for (int round = 0; round < 300; ++round) {
    std::string torn = before;
    for (size_t at = 0; at < torn.size(); at += 512) {
      if (random.OneIn(2)) torn.replace(at, 512, after, at, 512);
    }
    WriteFile(path_, torn);
    const Numbers expected = torn == after ? Numbers{1, 2, 3} : Numbers{1, 2};
    ASSERT_EQ(Recovered(), expected);
  }
}

// What is not intact and has a record behind it was acknowledged.
TEST_F(LogJournalTest, ADamagedRecordBeforeOthersIsRefused) {
  for (uint64_t number = 1; number <= 3; ++number) Append(number, 9000);
  const std::string intact = ReadFile(path_).value();
  const size_t record_bytes = 3 * kBlockBytes;
  for (const size_t in_ring : {0, 8, 16, 24, 30, 5000, 12288, 20000}) {
    const size_t at = kBlockBytes + in_ring;
    Damage(at);
    const auto writes = LogJournal::Recover(path_, {kGeneration, 0, kFileBytes});
    ASSERT_FALSE(writes.ok()) << at;
    EXPECT_NE(
        writes.error().find("the record at " +
                            std::to_string(kBlockBytes + in_ring / record_bytes * record_bytes) +
                            " is damaged"),
        std::string::npos)
        << writes.error();
    WriteFile(path_, intact);
  }
  WriteFile(path_, intact.substr(0, 30'000));
  EXPECT_EQ(Recovered(), Numbers{0});  // cut
  WriteFile(path_, intact.substr(0, 2 * record_bytes));
  EXPECT_EQ(Recovered(), Numbers{0});  // cut where a record ends, so that the others are whole
}

// The same where the file ends with it, and the next one begins the file anew.
TEST_F(LogJournalTest, ADamagedRecordAtTheFilesEndIsRefused) {
  constexpr uint64_t kRecords = kRingBytes / kBlockBytes;
  for (uint64_t number = 1; number < kRecords; ++number) Append(number);
  const JournalMark last = journal_->end();
  Append(kRecords);
  ASSERT_EQ(journal_->end().position, kRingBytes);
  Append(kRecords + 1);
  EXPECT_EQ(Recovered(last), (Numbers{kRecords, kRecords + 1}));
  Damage(kFileBytes - kBlockBytes + 50);
  EXPECT_EQ(Recovered(last), Numbers{0});
}

// The same where the next one would not have fitted behind the damaged one: nothing but what the
// next one says of the one before it tells that there was another.
TEST_F(LogJournalTest, ADamagedRecordBeforeALargerOneIsRefused) {
  while (journal_->end().position + 3 * kBlockBytes < kRingBytes) Append(1);
  const JournalMark last = journal_->end();
  std::vector<Persist> vote(1);
  vote[0].hard_state = HardState{Term(3), NodeId(2)};
  ASSERT_TRUE(journal_->Append(vote).ok());
  ASSERT_LT(journal_->end().position, kRingBytes);
  Append(2, 3 * kBlockBytes);
  ASSERT_GT(journal_->end().position, kRingBytes);
  EXPECT_EQ(Recovered(last), Numbers{2});
  const std::string intact = ReadFile(path_).value();
  for (const size_t at : {0, 8, 16, 24, 30}) {
    Damage(kBlockBytes + last.position + at);
    EXPECT_EQ(Recovered(last), Numbers{0}) << at;
    WriteFile(path_, intact);
  }
}

// Records of an earlier generation, or those that a client has put into a value, are none.
TEST_F(LogJournalTest, OnlyItsOwnRecordsCount) {
  for (uint64_t number = 1; number <= 5; ++number) Append(number);
  const std::string old = ReadFile(path_).value();
  Open(kGeneration + 1);
  Append(6);
  EXPECT_EQ(Recovered({kGeneration + 1, 0, kFileBytes}), Numbers{6});

  // A value which, after a torn write, lies where the next record would: as one of the earlier
  // generation, whose records the client may have guessed.
  std::string forged = ReadFile(path_).value();
  forged.replace(2 * kBlockBytes, kBlockBytes, old, 2 * kBlockBytes, kBlockBytes);
  WriteFile(path_, forged);
  EXPECT_EQ(Recovered({kGeneration + 1, 0, kFileBytes}), Numbers{6});
}

// "No record" says that nothing was written since only where the file is known to be this journal.
TEST_F(LogJournalTest, AnotherFileIsNotAJournalWithoutRecords) {
  const std::string fresh = ReadFile(path_).value();
  EXPECT_EQ(Recovered(), Numbers{});
  WriteFile(path_, std::string(kFileBytes, '\0'));
  EXPECT_EQ(Recovered(), Numbers{0});
  WriteFile(path_, fresh);
  Open(kGeneration + 1);
  EXPECT_EQ(Recovered(), Numbers{0});  // a later start's
  EXPECT_EQ(Recovered({kGeneration + 1, 0, kFileBytes}), Numbers{});
  Append(1);
  WriteFile(path_, fresh);
  EXPECT_EQ(Recovered({kGeneration + 1, 0, kFileBytes}), Numbers{0});  // an earlier start's
  Damage(9);
  EXPECT_EQ(Recovered(), Numbers{0});
}

// LMDB has taken over more than an older copy of the file holds.
TEST_F(LogJournalTest, AnOlderCopyIsRefused) {
  for (uint64_t round = 0; round < 30; ++round) {
    Append(1, 100 + 400 * round);
    const JournalMark earlier = journal_->end();
    const std::string older = ReadFile(path_).value();
    Append(2, 100 + 300 * round);
    const JournalMark merged = journal_->end();
    const std::string newer = ReadFile(path_).value();
    WriteFile(path_, older);
    EXPECT_EQ(Recovered(earlier), Numbers{});
    EXPECT_EQ(Recovered(merged), Numbers{0});
    WriteFile(path_, newer);
    EXPECT_EQ(Recovered(earlier), Numbers{2});
    EXPECT_EQ(Recovered(merged), Numbers{});
  }
}

// The next record was being written when the power failed, over what LMDB had taken over long ago:
// the newest record that LMDB has is still there.
TEST_F(LogJournalTest, ATornRecordLeavesTheOneBeforeIt) {
  const size_t largest = kFileBytes / 4 - 200;
  for (uint64_t round = 0; round < 40; ++round) {
    Append(1, round % 2 == 0 ? largest : 100 + 300 * round);
    const JournalMark merged = journal_->end();
    const std::string before = ReadFile(path_).value();
    Append(2, round % 3 == 0 ? 100 : largest);
    std::string torn = ReadFile(path_).value();
    // All of it but its first sector.
    for (size_t at = 0; at < kFileBytes; at += kBlockBytes) {
      if (torn.compare(at, kBlockBytes, before, at, kBlockBytes) != 0) {
        torn.replace(at, 512, before, at, 512);
        break;
      }
    }
    const std::string whole = ReadFile(path_).value();
    WriteFile(path_, torn);
    ASSERT_EQ(Recovered(merged), Numbers{}) << round;
    WriteFile(path_, whole);
  }
}

// Two processes on one journal, where locks do not keep them apart: the earlier one reports nothing
// as durable any more.
TEST_F(LogJournalTest, AnotherOwnerIsNoticedBeforeAnythingIsDurable) {
  Append(1);
  ASSERT_TRUE(LogJournal::Claim(path_, kOwner + 1).ok());
  const std::vector<Persist> writes{MakeWrite(2, MakeEntries(2, 2, 1))};
  const std::string before = ReadFile(path_).value();
  const Status appended = journal_->Append(writes);
  ASSERT_FALSE(appended.ok());
  // Nor is anything written, where the other one's records may be.
  EXPECT_EQ(ReadFile(path_).value(), before);
  EXPECT_EQ(appended.error().find(path_ + ": another process has opened this log"), 0U);
  ASSERT_TRUE(LogJournal::Claim(path_, kOwner).ok());
  EXPECT_FALSE(journal_->Append(writes).ok());  // once failed, always failed
  // Nor does it begin anew.
  journal_.reset();
  ASSERT_TRUE(LogJournal::Claim(path_, kOwner + 1).ok());
  EXPECT_FALSE(LogJournal::Open(path_, kGeneration + 1, kOwner).ok());
  EXPECT_EQ(Recovered(), Numbers{1});
}

// The other one comes between the look at the owner and the write, and has read the journal without
// this record.
TEST_F(LogJournalTest, AnotherOwnerIsNoticedBehindTheWrite) {
  system_calls::BeforeNextWrite([&] { ASSERT_TRUE(LogJournal::Claim(path_, kOwner + 1).ok()); });
  EXPECT_FALSE(journal_->Append(std::vector{MakeWrite(1, MakeEntries(1, 1, 1))}).ok());
}

TEST_F(LogJournalTest, AFileWithoutAHeadIsRefused) {
  WriteFile(directory_ / "short", "");
  const auto opened = LogJournal::Open(directory_ / "short", kGeneration, kOwner);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error(), (directory_ / "short") + ": the file is too short to be a journal");
}

TEST_F(LogJournalTest, IsOfOneProcessOnly) {
  const auto second = LogJournal::Open(path_, kGeneration + 1, kOwner);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error(), path_ + ": the file is in use by another process");
}

// The journal that the log's header tells of is not there, or was made smaller.
TEST(LogWithJournal, IsRefusedWithoutIt) {
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  {
    auto log = MakeLog(path, {.journal_bytes = kFileBytes});
    ASSERT_TRUE(log->StartJournal().ok());
    ASSERT_TRUE(log->journal().Append(std::vector{MakeWrite(1, MakeEntries(1, 3, 1))}).ok());
  }
  const std::string intact = ReadFile(path + "/journal").value();
  std::filesystem::remove(path + "/journal");
  EXPECT_FALSE(LogStore::Open(path, {}).ok());
  WriteFile(path + "/journal", "");
  EXPECT_FALSE(LogStore::Open(path, {}).ok());
  WriteFile(path + "/journal", intact);
  EXPECT_EQ(OpenLog(path)->recovered().last_index, Index(3));
  // Twice: LMDB has it now.
  EXPECT_EQ(OpenLog(path)->recovered().last_index, Index(3));
}

TEST(LogWithJournal, StartsAnotherOfAnotherSize) {
  TemporaryDirectory directory;
  const std::string path = directory / "log";
  uint64_t next = 1;
  Chains chains;
  for (const size_t bytes : {kFileBytes, kFileBytes, 4 * kFileBytes, kFileBytes}) {
    auto log = next == 1 ? MakeLog(path, {.journal_bytes = bytes})
                         : OpenLog(path, {.journal_bytes = bytes});
    EXPECT_EQ(log->last_index(), Index(next - 1));
    ASSERT_TRUE(log->StartJournal().ok());
    EXPECT_EQ(std::filesystem::file_size(path + "/journal"), bytes);
    ASSERT_TRUE(log->journal()
                    .Append(std::vector{chains.Link(MakeWrite(next, MakeEntries(next, next, 1)))})
                    .ok());
    ++next;
  }
}

}  // namespace
}  // namespace quorate::storage
