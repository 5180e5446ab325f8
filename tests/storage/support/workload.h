// A server's write path without the server: a log writer and a checkpointer at work for a stream of
// entries that one number determines. So whoever knows index and term of an entry knows its bytes
// and what it does to the key space, and can check what another process has left behind.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "consensus/types.h"
#include "storage/checkpoint/threaded_checkpointer.h"
#include "storage/folder/data_directory.h"
#include "storage/keyspace/key_space.h"
#include "storage/log/threaded_log_writer.h"
#include "tests/storage/support/random.h"

namespace quorate::storage {

consensus::Entry WorkloadEntry(consensus::Index index, consensus::Term term);
// What the entry does when it is applied.
void ApplyWorkloadEntry(KeySpace& keys, consensus::Index index, consensus::Term term,
                        consensus::Chain chain = {});
Identity WorkloadIdentity();

// What a workload has been told is durable: acknowledged, in a server's words. Lies in memory that
// outlives it.
struct Acknowledged {
  static constexpr uint64_t kEntriesMax = 1 << 20;

  std::atomic<uint64_t> started{0};  // the folder is open
  std::atomic<uint64_t> committed{
      0};  // entries up to here are durable, and none is truncated again
  std::atomic<uint64_t> checkpoint{0};  // the newest finished
  std::atomic<uint64_t> trimmed{0};
  std::atomic<uint64_t> term{0};             // of the hard state
  std::atomic<uint64_t> vote{0};             // in that term; 0: none that is durable
  std::atomic<uint32_t> terms[kEntriesMax];  // of the committed entries
};

class Workload {
 public:
  struct Options {
    uint64_t seed = 0;
    uint64_t steps = ~uint64_t{0};
    size_t entry_bytes_max = 3000;
    FatalHandler fatal = nullptr;
    std::function<void(const std::string& text)> report = nullptr;  // of waiting for space
    // All that is durable up to now has been acknowledged, and nothing that comes next is begun.
    std::function<void()> acknowledged = nullptr;
  };

  Workload(OpenedStorage& storage, Acknowledged& acknowledged, const Options& options);
  // Runs the steps and ends in good order. Reports what is acknowledged as it comes.
  void Run();

 private:
  // A write that was submitted: when it is durable, the log is so up to here.
  struct Submitted {
    consensus::PersistSeq seq;
    consensus::Index last_index;
    consensus::HardState hard_state;
  };

  void Step();
  void SubmitWrite();
  void TakeDurable();
  void ApplyCommitted();
  consensus::Term TermOf(consensus::Index index) const;

  OpenedStorage& storage_;
  Acknowledged& acknowledged_;
  const Options options_;
  Random random_;
  KeySpace keys_;
  consensus::HardState hard_state_;
  // Of the entries after first_.
  std::deque<consensus::Term> terms_;
  std::deque<consensus::Chain> chains_;
  consensus::Index first_;
  consensus::Chain base_chain_;
  consensus::Index last_index_;
  consensus::Index durable_index_;
  consensus::Index committed_;
  consensus::PersistSeq seq_;
  std::deque<Submitted> submitted_;
  ThreadedLogWriter writer_;
  ThreadedCheckpointer checkpointer_;
};

}  // namespace quorate::storage
