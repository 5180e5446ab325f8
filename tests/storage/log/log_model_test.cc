// The log against a plain vector: random groups of writes with truncations and trimming, restarts
// in between, everything compared.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/random.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::Entry;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::PersistSeq;
using consensus::Term;
using consensus::TermRun;

struct Model {
  HardState hard_state;
  Index base_index;
  Term base_term;
  Chain base_chain;
  std::vector<Entry> entries;

  Index last_index() const { return base_index + entries.size(); }
  Chain last_chain() const { return entries.empty() ? base_chain : entries.back().chain; }
  Term last_term() const { return entries.empty() ? base_term : entries.back().term; }

  std::vector<TermRun> terms() const {
    std::vector<TermRun> runs;
    for (const Entry& entry : entries) {
      if (runs.empty() || runs.back().term != entry.term) runs.push_back({entry.term, entry.index});
    }
    return runs;
  }

  void TrimTo(Index index) {
    while (base_index < index) {
      base_index = entries.front().index;
      base_term = entries.front().term;
      base_chain = entries.front().chain;
      entries.erase(entries.begin());
    }
  }
};

Persist RandomWrite(Random& random, uint64_t seq, Model* model) {
  Persist write;
  write.seq = PersistSeq(seq);
  if (random.OneIn(3)) {
    HardState& hard_state = model->hard_state;
    if (random.OneIn(2)) hard_state = {hard_state.current_term + 1, NodeId()};
    if (hard_state.voted_for == NodeId()) hard_state.voted_for = NodeId(1 + random.Below(5));
    write.hard_state = hard_state;
  }
  if (random.OneIn(4) && !model->entries.empty()) {
    const uint64_t keep = random.Below(model->entries.size() + 1);
    model->entries.resize(keep);
    write.truncate_from = model->last_index() + 1;
  }
  const Term first = std::max(model->last_term(), Term(1));
  if (first > model->hard_state.current_term) return write;
  Term term = model->hard_state.current_term;
  if (random.OneIn(2)) term = first;
  for (uint64_t count = random.Below(6); count > 0; --count) {
    if (random.OneIn(4)) term = model->hard_state.current_term;
    const size_t size = random.OneIn(10) ? random.Below(30'000) : random.Below(200);
    Entry entry = MakeEntry((model->last_index() + 1).value(), term.value(), random.Bytes(size));
    entry.chain = ExtendChain(model->last_chain(), entry);
    write.entries.push_back(entry);
    model->entries.push_back(std::move(entry));
  }
  return write;
}

void ExpectSame(const LogStore& log, const Model& model) {
  ASSERT_EQ(log.base_index(), model.base_index);
  ASSERT_EQ(log.last_index(), model.last_index());
  ASSERT_EQ(ReadAll(log), model.entries);
  size_t bytes = 0;
  for (const Entry& entry : model.entries) bytes += entry.payload.size();
  ASSERT_EQ(log.sizes().bytes(), bytes);
}

TEST(LogModel, RandomWritesTrimsAndRestarts) {
  const uint64_t seed = TestSeed(5);
  SCOPED_TRACE("QUORATE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  TemporaryDirectory directory;
  LogStore::Options options;
  options.trim_entries_max = 3;
  auto log = MakeLog(directory / "log", options);
  Model model;
  uint64_t seq = 0;
  for (uint64_t round = 0; round < TestRounds(1000); ++round) {
    std::vector<Persist> writes;
    size_t appended = 0;
    for (uint64_t count = random.Below(5); count > 0; --count) {
      writes.push_back(RandomWrite(random, ++seq, &model));
      appended += writes.back().entries.size();
    }
    std::optional<Index> trim_to;
    if (random.OneIn(3)) trim_to = Index(random.Below(model.last_index().value() + 1));
    const Status committed = log->Commit(writes, trim_to);
    ASSERT_TRUE(committed.ok()) << committed.error();
    if (trim_to) {
      const Index bound = model.base_index + std::max(options.trim_entries_max, appended);
      model.TrimTo(std::min(*trim_to, bound));
    }
    if (random.OneIn(10)) ExpectSame(*log, model);
    if (random.OneIn(20)) {
      log.reset();
      log = OpenLog(directory / "log", options);
      ExpectSame(*log, model);
      const consensus::Recovered& recovered = log->recovered();
      ASSERT_EQ(recovered.hard_state, model.hard_state);
      ASSERT_EQ(recovered.base_index, model.base_index);
      ASSERT_EQ(recovered.base_term, model.base_term);
      ASSERT_EQ(recovered.base_chain, model.base_chain);
      ASSERT_EQ(recovered.last_chain, model.last_chain());
      ASSERT_EQ(recovered.last_index, model.last_index());
      ASSERT_EQ(recovered.terms, model.terms());
    }
    if (HasFatalFailure()) return;
  }
}

// Trimmed pages are used again: a log of bounded length lives in a file of bounded size, with small
// and large entries mixed.
TEST(LogModel, AFileOfATrimmedLogStopsGrowing) {
  Random random(TestSeed(6));
  TemporaryDirectory directory;
  auto log = MakeLog(directory / "log");
  Chains chains;
  constexpr uint64_t kKept = 500;
  const auto run = [&](uint64_t entries) {
    for (const uint64_t end = log->last_index().value() + entries;
         log->last_index() < Index(end);) {
      const uint64_t next = log->last_index().value() + 1;
      std::vector<Entry> batch;
      for (uint64_t index = next; index < next + 20; ++index) {
        const size_t size = random.OneIn(10) ? random.Below(100'000) : random.Below(2000);
        batch.push_back(MakeEntry(index, 1, std::string(size, 'x')));
      }
      std::optional<Index> trim_to;
      if (next > kKept) trim_to = Index(next - kKept);
      const Status committed =
          log->Commit(std::vector{chains.Link(MakeWrite(next, batch))}, trim_to);
      ASSERT_TRUE(committed.ok()) << committed.error();
    }
  };
  run(4000);
  const auto bytes = std::filesystem::file_size(log->file());
  run(8000);
  EXPECT_LT(std::filesystem::file_size(log->file()), bytes * 3 / 2);
}

}  // namespace
}  // namespace quorate::storage
