// The memtable: what has been applied since the last checkpoint.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "benchmarks/per_operation.h"
#include "benchmarks/workload.h"
#include "storage/keyspace/memtable.h"

namespace quorate::storage {
namespace {

const std::vector<std::string>& Keys(int64_t count) {
  static std::map<int64_t, std::vector<std::string>> made;
  auto [found, is_new] = made.try_emplace(count);
  if (is_new) found->second = MakeKeys(static_cast<uint64_t>(count));
  return found->second;
}

RecordView SomeRecord() { return {{}, SomeValue()}; }

void Fill(Memtable* memtable, const std::vector<std::string>& keys) {
  for (const std::string& key : keys)
    memtable->Put(Memtable::Key(DatabaseId{}, key), SomeRecord(), 0);
}

// One table for all runs of a benchmark.
Memtable& Filled(int64_t count) {
  static std::map<int64_t, Memtable> made;
  auto [found, is_new] = made.try_emplace(count);
  if (is_new) Fill(&found->second, Keys(count));
  return found->second;
}

// From an empty table to one of that many keys.
void MemtablePutNew(benchmark::State& state) {
  const std::vector<std::string>& keys = Keys(state.range(0));
  const PerOperation report(state, state.range(0));
  for (auto _ : state) {
    Memtable memtable;
    Fill(&memtable, keys);
    benchmark::DoNotOptimize(memtable.bytes());
    state.PauseTiming();
    { const Memtable gone = std::move(memtable); }
    state.ResumeTiming();
  }
}
BENCHMARK(MemtablePutNew)->Arg(100'000)->Arg(1'000'000);

void MemtableOverwrite(benchmark::State& state) {
  const std::vector<std::string>& keys = Keys(state.range(0));
  Memtable& memtable = Filled(state.range(0));
  Scattered numbers(keys.size());
  const PerOperation report(state);
  for (auto _ : state) {
    memtable.Put(Memtable::Key(DatabaseId{}, keys[numbers.Next()]), SomeRecord(), 0);
  }
}
BENCHMARK(MemtableOverwrite)->Arg(100'000)->Arg(1'000'000);

void MemtableFind(benchmark::State& state) {
  const std::vector<std::string>& keys = Keys(state.range(0));
  const Memtable& memtable = Filled(state.range(0));
  Scattered numbers(keys.size());
  const PerOperation report(state);
  for (auto _ : state) {
    const Memtable::Change* change =
        memtable.Find(Memtable::Key(DatabaseId{}, keys[numbers.Next()]));
    if (change == nullptr) std::abort();
    benchmark::DoNotOptimize(change->view().value.data());
  }
}
BENCHMARK(MemtableFind)->Arg(100'000)->Arg(1'000'000);

void MemtableFindMissing(benchmark::State& state) {
  const std::vector<std::string>& keys = Keys(state.range(0));
  const Memtable& memtable = Filled(state.range(0));
  std::vector<std::string> missing = keys;
  for (std::string& key : missing) key[0] = 'K';
  Scattered numbers(keys.size());
  const PerOperation report(state);
  for (auto _ : state) {
    if (memtable.Find(Memtable::Key(DatabaseId{}, missing[numbers.Next()])) != nullptr)
      std::abort();
  }
}
BENCHMARK(MemtableFindMissing)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace quorate::storage
