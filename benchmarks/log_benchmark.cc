// The log: what an acknowledgement waits for. One write is a batch of SETs as one entry. The folder
// is made under TMPDIR, whose disk is what is measured.
#include <benchmark/benchmark.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/per_operation.h"
#include "benchmarks/workload.h"
#include "storage/log/log_journal.h"
#include "storage/log/log_store.h"
#include "storage/log/threaded_log_writer.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate::storage {
namespace {

consensus::Payload MakeBatch(int64_t commands) {
  std::string bytes;
  for (int64_t i = 0; i < commands; ++i) bytes += SetRequest(static_cast<uint64_t>(i));
  return consensus::Payload(std::move(bytes));
}

// The write numbered `number`, which appends the entry of that index. `chain`: of the log before
// it, and then with it.
consensus::Persist MakeWrite(uint64_t number, const consensus::Payload& batch,
                             consensus::Chain* chain) {
  consensus::Persist write;
  write.seq = consensus::PersistSeq(number);
  write.hard_state = consensus::HardState{consensus::Term(1), consensus::NodeId(1)};
  write.entries.push_back({.term = consensus::Term(1),
                           .index = consensus::Index(number),
                           .kind = consensus::EntryKind::kBatch,
                           .payload = batch});
  *chain = write.entries.back().chain = ExtendChain(*chain, write.entries.back());
  return write;
}

std::unique_ptr<LogStore> MakeStore(const TemporaryDirectory& folder) {
  const std::string path = folder / "log";
  std::filesystem::create_directory(path);
  const Identity identity = {.cluster_id = 7, .node_id = consensus::NodeId(1), .members = "1=here"};
  if (!LogStore::Create(path, identity, {}).ok()) std::abort();
  auto store = LogStore::Open(path, {});
  if (!store.ok() || !store.value()->StartJournal().ok()) std::abort();
  return std::move(store.value());
}

// A record of the journal by itself.
void JournalAppend(benchmark::State& state) {
  const TemporaryDirectory folder;
  const std::string path = folder / "journal";
  if (!LogJournal::Prepare(path, kJournalBytesDefault, 1).ok()) std::abort();
  auto journal = LogJournal::Open(path, 1, 1);
  if (!journal.ok()) std::abort();
  const consensus::Payload batch = MakeBatch(state.range(0));
  uint64_t number = 0;
  consensus::Chain chain;
  const PerOperation report(state);
  for (auto _ : state) {
    const consensus::Persist write = MakeWrite(++number, batch, &chain);
    if (!journal.value()->Append({&write, 1}).ok()) std::abort();
  }
}
BENCHMARK(JournalAppend)->Arg(1)->Arg(50)->Arg(800)->UseRealTime();

// From Submit until the loop would be woken, while LMDB is given what the journal has.
void LogWriterCommit(benchmark::State& state) {
  const TemporaryDirectory folder;
  const std::unique_ptr<LogStore> store = MakeStore(folder);
  std::mutex mutex;
  std::condition_variable woken;
  ThreadedLogWriter::Options options;
  options.wake = [&] {
    const std::lock_guard lock(mutex);
    woken.notify_one();
  };
  ThreadedLogWriter writer(*store, options);
  const consensus::Payload batch = MakeBatch(state.range(0));
  uint64_t number = 0;
  consensus::Chain chain;
  const PerOperation report(state);
  for (auto _ : state) {
    writer.Submit(MakeWrite(++number, batch, &chain));
    std::unique_lock lock(mutex);
    woken.wait(lock, [&] { return writer.durable() == consensus::PersistSeq(number); });
    // As a server does: the log has a tail of some size.
    if (number % 1000 == 0) writer.Trim(consensus::Index(number - 500));
  }
}
BENCHMARK(LogWriterCommit)->Arg(1)->Arg(50)->Arg(800)->UseRealTime();

// LMDB takes over that many batches of 50 SETs with one commit; reported is a batch.
void LmdbCommit(benchmark::State& state) {
  const TemporaryDirectory folder;
  const std::unique_ptr<LogStore> store = MakeStore(folder);
  const consensus::Payload batch = MakeBatch(50);
  const auto count = static_cast<uint64_t>(state.range(0));
  uint64_t number = 0;
  consensus::Chain chain;
  const PerOperation report(state, state.range(0));
  for (auto _ : state) {
    std::vector<consensus::Persist> writes;
    for (uint64_t i = 0; i < count; ++i) writes.push_back(MakeWrite(++number, batch, &chain));
    const bool ok = store->Commit(writes, consensus::Index(number - count)).ok();
    if (!ok) std::abort();
  }
}
BENCHMARK(LmdbCommit)->Arg(1)->Arg(500)->UseRealTime();

}  // namespace
}  // namespace quorate::storage
