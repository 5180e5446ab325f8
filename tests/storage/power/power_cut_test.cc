// What the disk holds after the power fails. All that is done to the files and folders is recorded;
// then folders are made as a power cut could leave them at any moment: what was synced is there, of
// what was not each sector and each name may be there or not. Every one must open, with all that
// was acknowledged before that moment. Power cuts while a folder changes its owner, or takes a
// snapshot, are in interrupted_change_test.cc.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <span>

#include "storage/base/encoding.h"
#include "storage/snapshot/backup.h"
#include "tests/storage/power/disk_model.h"
#include "tests/storage/snapshot/snapshot_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/inspector.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/system_calls.h"
#include "tests/storage/support/workload.h"

namespace quorate::storage {
namespace {

using consensus::Entry;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::PersistSeq;
using consensus::Term;
using system_calls::Event;

// Cuts the power at that many moments, all of them if there are fewer. After each, `look` is given
// the folder as the cut has left it, and what the marks before it said.
void CutPower(DiskModel disk, const std::vector<Event>& events, uint64_t cuts,
              const std::string& path, Random& random,
              const std::function<void(const std::vector<std::string>& marks)>& look) {
  std::vector<std::string> marks;
  for (size_t count = 0; count <= events.size(); ++count) {
    const Event* under_way = count < events.size() ? &events[count] : nullptr;
    if (under_way == nullptr || random.Below(events.size()) < cuts) {
      SCOPED_TRACE("cut before event " + std::to_string(count));
      disk.CutPower(path, under_way, random);
      look(marks);
      if (testing::Test::HasFatalFailure()) return;
    }
    if (under_way == nullptr) return;
    if (under_way->kind == Event::Kind::kMark) marks.push_back(under_way->bytes);
    disk.Apply(*under_way);
  }
}

struct Contents {
  HardState hard_state;
  Index base_index;
  std::string ledger;
  std::vector<Entry> entries;

  bool operator==(const Contents&) const = default;
};

Contents ContentsOf(const LogStore& log, const HardState& hard_state, std::string ledger) {
  return {hard_state, log.base_index(), std::move(ledger), ReadAll(log)};
}

// What follows a log with these ends.
Persist RandomWrite(Random& random, uint64_t seq, Index base, Index last, HardState* hard_state,
                    Chains* chains, std::string* ledger) {
  Persist write;
  write.seq = PersistSeq(seq);
  if (random.OneIn(5)) {
    *hard_state = {hard_state->current_term + 1, NodeId(random.Below(4))};
    write.hard_state = *hard_state;
    if (last > base + 3) {
      last = last - 1 - random.Below(3);
      write.truncate_from = last + 1;
    }
  }
  if (random.OneIn(4)) {
    *ledger = random.Bytes(random.OneIn(4) ? random.Below(8'000) : random.Below(300));
    write.ledger = *ledger;
  }
  for (uint64_t count = random.Below(8); count > 0; --count) {
    const size_t size = random.OneIn(8) ? random.Below(20'000) : random.Below(300);
    ++last;
    write.entries.push_back(
        MakeEntry(last.value(), hard_state->current_term.value(), random.Bytes(size)));
  }
  return chains->Link(std::move(write));
}

TEST(PowerCut, LeavesAllThatWasCommitted) {
  const uint64_t seed = TestSeed(77);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  std::vector<Contents> committed;  // after each mark
  std::optional<DiskModel> disk;
  std::vector<Event> events;
  {
    auto log = MakeLog(directory / "log");
    disk.emplace(directory / "log");
    system_calls::Record(directory / "log");
    HardState hard_state{Term(1), NodeId()};
    Chains chains;
    std::string ledger;
    Persist first;
    first.seq = PersistSeq(1);
    first.hard_state = hard_state;
    ASSERT_TRUE(log->Commit(std::vector{first}, std::nullopt).ok());
    system_calls::Mark();
    committed.push_back(ContentsOf(*log, hard_state, ledger));
    for (uint64_t commit = 0; commit < 60; ++commit) {
      if (random.OneIn(8)) {
        // Behind a snapshot of a newer leader's.
        hard_state = {hard_state.current_term + 1, NodeId()};
        const consensus::Chain chain(random.Below(UINT64_MAX));
        ASSERT_TRUE(log->BeginAnew(log->last_index() + 7, hard_state.current_term, chain).ok());
        chains = Chains(log->last_index(), chain);
      } else {
        std::optional<Index> trim_to;
        const Persist write = RandomWrite(random, commit + 2, log->base_index(), log->last_index(),
                                          &hard_state, &chains, &ledger);
        if (log->last_index() > Index(20) && random.OneIn(2)) trim_to = log->last_index() - 15;
        ASSERT_TRUE(log->Commit(std::vector{write}, trim_to).ok());
      }
      system_calls::Mark();
      committed.push_back(ContentsOf(*log, hard_state, ledger));
      if (random.OneIn(3)) log->PrepareGrowth();
    }
    events = system_calls::TakeRecord();
  }
  // Each commit syncs, and then writes where the new state is through a synchronous descriptor.
  EXPECT_GE(std::count_if(events.begin(), events.end(),
                          [](const Event& event) { return event.kind == Event::Kind::kSync; }),
            60);
  EXPECT_GE(std::count_if(events.begin(), events.end(),
                          [](const Event& event) { return event.durable_at_once; }),
            60);

  CutPower(*disk, events, TestRounds(400), directory / "cut", random, [&](const auto& marks) {
    const auto opened = LogStore::Open(directory / "cut", {});
    ASSERT_TRUE(opened.ok()) << opened.error();
    const LogStore& log = *opened.value();
    const Contents found = ContentsOf(log, log.recovered().hard_state, log.recovered().ledger);
    // The commit that was under way may have come through or not, but as a whole.
    const bool is_last = marks.empty() ? log.pristine() : found == committed[marks.size() - 1];
    const bool is_next = marks.size() < committed.size() && found == committed[marks.size()];
    ASSERT_TRUE(is_last || is_next) << "commit " << marks.size();
  });
}

// As above, with the journal in front: acknowledged is what it has, and LMDB takes that over from
// time to time, while more is acknowledged. A record that was being written is torn.
TEST(PowerCut, LeavesAllThatTheJournalHad) {
  const uint64_t seed = TestSeed(78);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  constexpr size_t kJournalBytes = 128 << 10;

  std::vector<Contents> acknowledged;  // after each mark, as if nothing had been trimmed
  std::optional<DiskModel> disk;
  std::vector<Event> events;
  {
    auto log = MakeLog(directory / "log", {.journal_bytes = kJournalBytes});
    ASSERT_TRUE(log->StartJournal().ok());
    disk.emplace(directory / "log");
    system_calls::Record(directory / "log");
    HardState hard_state{Term(1), NodeId()};
    Chains chains;
    std::string ledger;
    std::vector<Entry> entries;
    JournalMark merged = log->journal().end();
    std::vector<Persist> waiting;
    const auto merge = [&] {
      std::optional<Index> trim_to;
      if (entries.size() > 20 && random.OneIn(2)) trim_to = Index(entries.size() - 15);
      merged = log->journal().end();
      ASSERT_TRUE(log->Commit(waiting, trim_to, merged).ok());
      waiting.clear();
    };
    for (uint64_t number = 1; number <= 120; ++number) {
      const Index base = log->base_index();
      Persist write =
          RandomWrite(random, number, base, Index(entries.size()), &hard_state, &chains, &ledger);
      if (!log->journal().Takes(std::vector{write})) write.entries.resize(1);
      std::vector<Persist> record{write};
      if (number == 1) record.front().hard_state = hard_state;
      if (!log->journal().HasRoom(record, merged)) merge();
      ASSERT_TRUE(log->journal().Append(record).ok());
      if (write.truncate_from) entries.resize(write.truncate_from->value() - 1);
      entries.insert(entries.end(), write.entries.begin(), write.entries.end());
      acknowledged.push_back({hard_state, Index(), ledger, entries});
      system_calls::Mark();
      waiting.push_back(record.front());
      if (random.OneIn(10)) merge();
    }
    events = system_calls::TakeRecord();
  }

  CutPower(*disk, events, TestRounds(400), directory / "cut", random, [&](const auto& marks) {
    const auto opened = LogStore::Open(directory / "cut", {});
    ASSERT_TRUE(opened.ok()) << opened.error();
    const LogStore& log = *opened.value();
    const auto is = [&](size_t mark) {
      if (mark == 0) return log.pristine();
      if (mark > acknowledged.size()) return false;
      const auto& [hard_state, base, ledger, entries] = acknowledged[mark - 1];
      return log.recovered().hard_state == hard_state && log.recovered().ledger == ledger &&
             log.last_index() == Index(entries.size()) &&
             std::ranges::equal(ReadAll(log), std::span(entries).subspan(log.base_index().value()));
    };
    ASSERT_TRUE(is(marks.size()) || is(marks.size() + 1)) << "record " << marks.size();
  });
}

// A first start and later ones, after which LMDB has what the journal had, or not, the last with a
// journal of another size. Whatever of a folder is there, the next start takes it up; and what was
// acknowledged is there.
TEST(PowerCut, LeavesAFolderThatStarts) {
  const uint64_t seed = TestSeed(79);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  std::filesystem::create_directory(directory / "disk");
  const DiskModel disk(directory / "disk");
  system_calls::Record(directory / "disk");
  uint64_t next = 1;
  for (const size_t journal_bytes : {64 << 10, 64 << 10, 64 << 10, 128 << 10}) {
    ASSERT_EQ(
        RunChild([&] {
          Result<OpenedStorage> opened = OpenStorage(directory / "disk/data", SomeIdentity(),
                                                     {.journal_bytes = journal_bytes});
          if (!opened.ok()) return 1;
          LogStore& log = *opened.value().log;
          if (log.last_index() != Index(next - 1)) return 2;
          const std::vector writes{
              Chains(opened.value().recovered).Link(MakeWrite(next, MakeEntries(next, next, 1)))};
          if (!log.journal().Append(writes).ok()) return 3;
          system_calls::Mark();
          const bool merge = next % 2 == 0;
          if (merge && !log.Commit(writes, std::nullopt, log.journal().end()).ok()) return 4;
          return 0;
        }),
        0);
    ++next;
  }
  const std::vector<Event> events = system_calls::TakeRecord();
  for (int round = 0; round < 3; ++round) {
    CutPower(disk, events, events.size(), directory / "cut", random, [&](const auto& marks) {
      const Result<OpenedStorage> opened =
          OpenStorage(directory / "cut/data", SomeIdentity(), {.journal_bytes = 64 << 10});
      ASSERT_TRUE(opened.ok()) << opened.error();
      // The record under way may be there.
      ASSERT_GE(opened.value().log->last_index(), Index(marks.size()));
      ASSERT_LE(opened.value().log->last_index(), Index(marks.size() + 1));
    });
  }
}

// What a workload says at each of its steps: all but the entries' terms, which never change.
std::string Encode(const Acknowledged& acknowledged) {
  std::string bytes;
  AppendInteger(&bytes, acknowledged.committed.load());
  AppendInteger(&bytes, acknowledged.checkpoint.load());
  AppendInteger(&bytes, acknowledged.trimmed.load());
  AppendInteger(&bytes, acknowledged.term.load());
  AppendInteger(&bytes, acknowledged.vote.load());
  return bytes;
}

void Decode(std::string_view bytes, Acknowledged* acknowledged) {
  FieldReader fields(bytes);
  acknowledged->committed = fields.Take<uint64_t>();
  acknowledged->checkpoint = fields.Take<uint64_t>();
  acknowledged->trimmed = fields.Take<uint64_t>();
  acknowledged->term = fields.Take<uint64_t>();
  acknowledged->vote = fields.Take<uint64_t>();
}

// A server at work, all of its threads and both of its environments together: the journal is
// written round and round and given to LMDB, checkpoints are made and the log is trimmed behind
// them, over several starts.
TEST(PowerCut, LeavesLogAndStateThatFit) {
  const uint64_t seed = TestSeed(80);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  const StorageOptions options{.journal_bytes = 96 << 10};
  std::filesystem::create_directory(directory / "disk");
  const Shared<Acknowledged> acknowledged;
  const DiskModel disk(directory / "disk");
  system_calls::Record(directory / "disk");
  for (uint64_t life = 0; life < 3; ++life) {
    ASSERT_EQ(RunChild([&] {
                Result<OpenedStorage> opened =
                    OpenStorage(directory / "disk/data", WorkloadIdentity(), options);
                if (!opened.ok()) return 1;
                Workload::Options workload{.seed = seed + life, .steps = 150};
                workload.acknowledged = [&] { system_calls::Mark(Encode(*acknowledged)); };
                Workload(opened.value(), *acknowledged, workload).Run();
                return 0;
              }),
              0);
  }
  const std::vector<Event> events = system_calls::TakeRecord();
  const Shared<Acknowledged> then;
  for (size_t index = 0; index < Acknowledged::kEntriesMax; ++index) {
    then->terms[index] = acknowledged->terms[index].load();
  }
  CutPower(disk, events, TestRounds(200), directory / "cut", random, [&](const auto& marks) {
    if (!marks.empty()) Decode(marks.back(), &*then);
    const Result<OpenedStorage> opened =
        OpenStorage(directory / "cut/data", WorkloadIdentity(), options);
    ASSERT_TRUE(opened.ok()) << opened.error();
    ASSERT_TRUE(opened.value().state->VerifyRows().ok());
    ASSERT_NO_FATAL_FAILURE(Inspector(*then).Inspect(opened.value()));
    ASSERT_FALSE(testing::Test::HasFailure());
  });
  EXPECT_GT(then->trimmed, 0U);
}

// The new backup takes the last one's place when it is on the disk, not before.
TEST(PowerCut, LeavesAWholeBackup) {
  const uint64_t seed = TestSeed(81);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory(TemporaryDirectory::Fast());
  const std::string path = directory / "disk/dump.quorate";
  std::filesystem::create_directory(directory / "disk");
  const DiskModel disk(directory / "disk");
  system_calls::Record(directory / "disk");
  ASSERT_EQ(RunChild([&] {
              Result<OpenedStorage> opened =
                  OpenStorage(directory / "data", SomeIdentity(), SmallJournal());
              if (!opened.ok()) return 1;
              const auto write = MakeWrite(1, MakeEntries(1, 20, 1));
              if (!opened.value().log->Commit(std::vector{write}, std::nullopt).ok()) return 2;
              for (const uint64_t last : {10, 20}) {
                ApplyEntries(opened.value(), last, 1, 5);
                Waker waker;
                BackupWriter writer(*opened.value().state, path,
                                    {.wake = [&waker] { waker.Wake(); }});
                std::optional<Result<StateMeta>> finished;
                waker.WaitUntil([&] { return (finished = writer.TakeFinished()).has_value(); });
                if (!finished->ok()) return 3;
                system_calls::Mark();
              }
              return 0;
            }),
            0);
  const std::vector<Event> events = system_calls::TakeRecord();
  for (int round = 0; round < 5; ++round) {
    CutPower(disk, events, events.size(), directory / "cut", random, [&](const auto& marks) {
      const std::string backup = directory / "cut/dump.quorate";
      if (marks.empty() && !std::filesystem::exists(backup)) return;
      const Result<StateMeta> found = VerifyBackup(backup);
      ASSERT_TRUE(found.ok()) << found.error();
      ASSERT_GE(found.value().last_applied, Index(10 * marks.size()));
    });
  }
}

}  // namespace
}  // namespace quorate::storage
