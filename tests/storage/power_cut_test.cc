// What the disk holds after the power fails. All that the log does to its file is recorded; then
// files are made as a power cut could leave them at any moment: what was synced is there, of what
// was not each sector may be there or not. Every one must open, with all that was committed before
// that moment.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>

#include "tests/storage/child_process.h"
#include "tests/storage/log_fixture.h"
#include "tests/storage/random.h"
#include "tests/storage/system_calls.h"

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

constexpr size_t kSectorBytes = 512;

struct Contents {
  HardState hard_state;
  Index base_index;
  std::vector<Entry> entries;

  bool operator==(const Contents&) const = default;
};

Contents ContentsOf(const LogStore& log, const HardState& hard_state) {
  return {hard_state, log.base_index(), ReadAll(log)};
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void Put(std::string* image, uint64_t offset, std::string_view bytes) {
  if (image->size() < offset + bytes.size()) image->resize(offset + bytes.size());
  image->replace(offset, bytes.size(), bytes);
}

// The first `count` events happened, and then the power failed.
std::string ImageAfter(const std::string& before, const std::vector<Event>& events, size_t count,
                       Random& random, size_t file = 0) {
  std::string durable = before;
  std::vector<const Event*> unsynced;
  for (size_t i = 0; i < count; ++i) {
    const Event& event = events[i];
    if (event.file != file) continue;
    if (event.kind == Event::Kind::kSync) {
      for (const Event* write : unsynced) Put(&durable, write->offset, write->bytes);
      unsynced.clear();
    } else if (event.kind == Event::Kind::kWrite && event.durable_at_once) {
      Put(&durable, event.offset, event.bytes);
    } else if (event.kind == Event::Kind::kWrite) {
      unsynced.push_back(&event);
    }
  }
  // How much of it reached the disk before: nothing, everything, or any of it.
  const uint64_t kind = random.Below(4);
  for (const Event* write : unsynced) {
    for (size_t at = 0; at < write->bytes.size();) {
      const size_t size =
          std::min(write->bytes.size() - at, kSectorBytes - (write->offset + at) % kSectorBytes);
      if (kind == 1 || (kind > 1 && random.OneIn(kind))) {
        Put(&durable, write->offset + at, std::string_view(write->bytes).substr(at, size));
      }
      at += size;
    }
  }
  return durable;
}

// What follows a log with these ends.
Persist RandomWrite(Random& random, uint64_t seq, Index base, Index last, HardState* hard_state,
                    Chains* chains) {
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
  TemporaryDirectory directory;

  std::string before;
  std::vector<Contents> committed;  // after each mark
  std::vector<Event> events;
  {
    auto log = MakeLog(directory / "log");
    before = ReadFile(log->file());
    system_calls::Record(log->file());
    HardState hard_state{Term(1), NodeId()};
    Chains chains;
    Persist first;
    first.seq = PersistSeq(1);
    first.hard_state = hard_state;
    ASSERT_TRUE(log->Commit(std::vector{first}, std::nullopt).ok());
    system_calls::Mark();
    committed.push_back(ContentsOf(*log, hard_state));
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
                                          &hard_state, &chains);
        if (log->last_index() > Index(20) && random.OneIn(2)) trim_to = log->last_index() - 15;
        ASSERT_TRUE(log->Commit(std::vector{write}, trim_to).ok());
      }
      system_calls::Mark();
      committed.push_back(ContentsOf(*log, hard_state));
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

  std::filesystem::create_directory(directory / "cut");
  for (uint64_t cut = 0; cut < TestRounds(400); ++cut) {
    const size_t count = random.Below(events.size() + 1);
    const auto marks = static_cast<size_t>(
        std::count_if(events.begin(), events.begin() + static_cast<ptrdiff_t>(count),
                      [](const Event& event) { return event.kind == Event::Kind::kMark; }));
    WriteFile(directory / "cut/data.mdb", ImageAfter(before, events, count, random));
    const auto opened = LogStore::Open(directory / "cut", {});
    ASSERT_TRUE(opened.ok()) << "after event " << count << ": " << opened.error();
    const LogStore& log = *opened.value();
    const Contents found = ContentsOf(log, log.recovered().hard_state);
    // The commit that was under way may have come through or not, but as a whole.
    const bool is_last = marks == 0 ? log.pristine() : found == committed[marks - 1];
    const bool is_next = marks < committed.size() && found == committed[marks];
    ASSERT_TRUE(is_last || is_next) << "after event " << count << ", commit " << marks;
  }
}

// As above, with the journal in front: acknowledged is what it has, and LMDB takes that over from
// time to time, while more is acknowledged. A record that was being written is torn.
TEST(PowerCut, LeavesAllThatTheJournalHad) {
  const uint64_t seed = TestSeed(78);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory;
  constexpr size_t kJournalBytes = 128 << 10;

  std::string before;
  std::string journal_before;
  std::vector<std::pair<HardState, std::vector<Entry>>> acknowledged;  // after each mark
  std::vector<Event> events;
  {
    auto log = MakeLog(directory / "log", {.journal_bytes = kJournalBytes});
    ASSERT_TRUE(log->StartJournal().ok());
    before = ReadFile(log->file());
    journal_before = ReadFile(directory / "log/journal");
    system_calls::Record(log->file());
    system_calls::Record(directory / "log/journal");
    HardState hard_state{Term(1), NodeId()};
    Chains chains;
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
          RandomWrite(random, number, base, Index(entries.size()), &hard_state, &chains);
      if (!log->journal().Takes(std::vector{write})) write.entries.resize(1);
      std::vector<Persist> record{write};
      if (number == 1) record.front().hard_state = hard_state;
      if (!log->journal().HasRoom(record, merged)) merge();
      ASSERT_TRUE(log->journal().Append(record).ok());
      if (write.truncate_from) entries.resize(write.truncate_from->value() - 1);
      entries.insert(entries.end(), write.entries.begin(), write.entries.end());
      acknowledged.emplace_back(hard_state, entries);
      system_calls::Mark();
      waiting.push_back(record.front());
      if (random.OneIn(10)) merge();
    }
    events = system_calls::TakeRecord();
  }

  std::filesystem::create_directory(directory / "cut");
  for (uint64_t cut = 0; cut < TestRounds(400); ++cut) {
    const size_t count = random.Below(events.size() + 1);
    const auto marks = static_cast<size_t>(
        std::count_if(events.begin(), events.begin() + static_cast<ptrdiff_t>(count),
                      [](const Event& event) { return event.kind == Event::Kind::kMark; }));
    WriteFile(directory / "cut/data.mdb", ImageAfter(before, events, count, random));
    std::string journal = ImageAfter(journal_before, events, count, random, 1);
    const bool in_record = count < events.size() && events[count].file == 1 &&
                           events[count].kind == Event::Kind::kWrite;
    if (in_record) {
      for (size_t at = 0; at < events[count].bytes.size(); at += kSectorBytes) {
        if (random.OneIn(2)) continue;
        Put(&journal, events[count].offset + at,
            std::string_view(events[count].bytes).substr(at, kSectorBytes));
      }
    }
    WriteFile(directory / "cut/journal", journal);
    const auto opened = LogStore::Open(directory / "cut", {});
    ASSERT_TRUE(opened.ok()) << "after event " << count << ": " << opened.error();
    const LogStore& log = *opened.value();
    const auto is = [&](size_t mark) {
      if (mark == 0) return log.pristine();
      if (mark > acknowledged.size()) return false;
      const auto& [hard_state, entries] = acknowledged[mark - 1];
      return log.recovered().hard_state == hard_state &&
             log.last_index() == Index(entries.size()) &&
             std::ranges::equal(ReadAll(log), std::span(entries).subspan(log.base_index().value()));
    };
    ASSERT_TRUE(is(marks) || is(marks + 1)) << "after event " << count << ", record " << marks;
  }
}

}  // namespace
}  // namespace quorate::storage
