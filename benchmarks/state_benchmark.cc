// The key space as commands see it: the memtable before the newest checkpoint in LMDB.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/per_operation.h"
#include "benchmarks/workload.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/keyspace/database_view.h"
#include "storage/keyspace/key_space.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate::storage {
namespace {

// A state of that many keys, all of them in a checkpoint and none in memory.
class State {
 public:
  explicit State(int64_t key_count) : keys_(MakeKeys(static_cast<uint64_t>(key_count))) {
    const std::string path = folder_ / "state";
    std::filesystem::create_directory(path);
    const Identity identity = {
        .cluster_id = 7, .node_id = consensus::NodeId(1), .members = "1=here"};
    if (!LmdbStateStore::Create(path, identity, "", {}).ok()) std::abort();
    auto opened = LmdbStateStore::Open(path, {});
    if (!opened.ok()) std::abort();
    store_ = std::move(opened.value());
    key_space_ = std::make_unique<KeySpace>(*store_, KeySpace::Limits());
    for (size_t i = 0; i < keys_.size();) {
      Begin();
      for (size_t end = std::min(i + 1000, keys_.size()); i < end; ++i) {
        WriteView(*key_space_, 0).PutString(keys_[i], SomeValue());
      }
      key_space_->EndEntry();
      if (key_space_->full()) SaveAll();
    }
    if (key_space_->has_changes()) SaveAll();
  }

  void Begin() {
    key_space_->BeginEntry(key_space_->last_applied() + 1, consensus::Term(1), {}, 0);
    key_space_->BeginCommand();
  }
  void SaveAll() {
    if (!store_->Write(key_space_->BeginCheckpoint()).ok()) std::abort();
    key_space_->CheckpointFinished();
  }
  const std::vector<std::string>& keys() const { return keys_; }
  KeySpace& key_space() { return *key_space_; }

  // One for all runs.
  static State& Of(int64_t key_count) {
    static std::map<int64_t, State> made;
    return made.try_emplace(key_count, key_count).first->second;
  }

 private:
  const TemporaryDirectory folder_;
  const std::vector<std::string> keys_;
  std::unique_ptr<LmdbStateStore> store_;
  std::unique_ptr<KeySpace> key_space_;
};

// A key that is in LMDB, behind an empty memtable.
void StateFind(benchmark::State& state) {
  State& filled = State::Of(state.range(0));
  if (filled.key_space().has_changes()) filled.SaveAll();
  Scattered numbers(filled.keys().size());
  const PerOperation report(state);
  for (auto _ : state) {
    const auto record = filled.key_space().Find(0, filled.keys()[numbers.Next()]);
    if (!record) std::abort();
    benchmark::DoNotOptimize(record->value.data());
  }
}
BENCHMARK(StateFind)->Arg(100'000)->Arg(1'000'000);

void StateFindMissing(benchmark::State& state) {
  State& filled = State::Of(state.range(0));
  if (filled.key_space().has_changes()) filled.SaveAll();
  std::vector<std::string> missing = filled.keys();
  for (std::string& key : missing) key[0] = 'K';
  Scattered numbers(missing.size());
  const PerOperation report(state);
  for (auto _ : state) {
    if (filled.key_space().Find(0, missing[numbers.Next()])) std::abort();
  }
}
BENCHMARK(StateFindMissing)->Arg(100'000)->Arg(1'000'000);

// Entries of 50 SETs each; reported is a SET. Each takes the old value's digest out and its own in.
void StatePut(benchmark::State& state) {
  constexpr int64_t kCommands = 50;
  State& filled = State::Of(state.range(0));
  Scattered numbers(filled.keys().size());
  const PerOperation report(state, kCommands);
  for (auto _ : state) {
    if (filled.key_space().full()) {
      state.PauseTiming();
      filled.SaveAll();
      state.ResumeTiming();
    }
    filled.Begin();
    for (int64_t i = 0; i < kCommands; ++i) {
      WriteView(filled.key_space(), 0).PutString(filled.keys()[numbers.Next()], SomeValue());
    }
    filled.key_space().EndEntry();
  }
}
BENCHMARK(StatePut)->Arg(100'000)->Arg(1'000'000);

// A checkpoint of 20,000 changed keys among so many; reported is a key.
void StateCheckpoint(benchmark::State& state) {
  constexpr int64_t kChanged = 20'000;
  State& filled = State::Of(state.range(0));
  if (filled.key_space().has_changes()) filled.SaveAll();
  Scattered numbers(filled.keys().size());
  const PerOperation report(state, kChanged);
  for (auto _ : state) {
    state.PauseTiming();
    filled.Begin();
    for (int64_t i = 0; i < kChanged; ++i) {
      WriteView(filled.key_space(), 0).PutString(filled.keys()[numbers.Next()], SomeValue());
    }
    filled.key_space().EndEntry();
    state.ResumeTiming();
    filled.SaveAll();
  }
}
BENCHMARK(StateCheckpoint)->Arg(100'000)->Arg(1'000'000)->UseRealTime();

// Opening a state of that many keys in one slot, which verifies it when they are very many, and the
// first read, which verifies it when they are not. Reported is a key: a read of any key of the slot
// may hold up the loop for as long as all of them take.
void StateFirstFind(benchmark::State& state) {
  const auto key_count = static_cast<uint64_t>(state.range(0));
  const auto value_bytes = static_cast<size_t>(state.range(1));
  const TemporaryDirectory folder;
  const std::string path = folder / "state";
  std::filesystem::create_directory(path);
  const Identity identity = {.cluster_id = 7, .node_id = consensus::NodeId(1), .members = "1=here"};
  if (!LmdbStateStore::Create(path, identity, "", {}).ok()) std::abort();
  {
    auto store = LmdbStateStore::Open(path, {});
    if (!store.ok()) std::abort();
    KeySpace keys(*store.value(), KeySpace::Limits());
    const auto save = [&] {
      if (!store.value()->Write(keys.BeginCheckpoint()).ok()) std::abort();
      keys.CheckpointFinished();
    };
    const std::string value(value_bytes, 'x');
    for (uint64_t i = 0; i < key_count; ++i) {
      keys.BeginEntry(keys.last_applied() + 1, consensus::Term(1), {}, 0);
      keys.BeginCommand();
      WriteView(keys, 0).PutString("{slot}" + std::to_string(i), value);
      keys.EndEntry();
      if (keys.full()) save();
    }
    save();
  }
  const PerOperation report(state, static_cast<int64_t>(key_count));
  for (auto _ : state) {
    auto store = LmdbStateStore::Open(path, {});
    if (!store.ok() || store.value()->Find(DatabaseId{}, "{slot}none")) std::abort();
    state.PauseTiming();  // closing is no part of it
    store.value().reset();
    state.ResumeTiming();
  }
}
BENCHMARK(StateFirstFind)
    ->Args({100, 100})
    ->Args({100, 100'000})
    ->Args({3'000, 100})
    ->Args({65'000, 100})
    ->Args({1'000'000, 100});

}  // namespace
}  // namespace quorate::storage
