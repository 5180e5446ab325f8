// Looks once through the whole state, in the background, so that damage is found also where nobody
// reads, and a first read of a slot need not verify that slot any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "storage/base/fatal.h"
#include "storage/base/result.h"
#include "storage/checkpoint/lmdb_snapshot.h"
#include "storage/checkpoint/lmdb_state_store.h"

namespace quorate::storage {

class StateVerifier {
 public:
  struct Options {
    // Both are called on the verifier's thread.
    std::function<void(uint64_t keys, int64_t duration_usec)> verified = nullptr;
    FatalHandler fatal = nullptr;  // the state is damaged
  };

  // Starts the thread, on the newest checkpoint of `store`, which must outlive the verifier. When
  // all of it is intact, the store verifies no slots by itself any more.
  StateVerifier(LmdbStateStore& store, Options options);
  // Waits until the thread has noticed, at the next row.
  ~StateVerifier();
  StateVerifier(const StateVerifier&) = delete;
  StateVerifier& operator=(const StateVerifier&) = delete;

 private:
  // The snapshot goes with the end of this: it keeps the pages of its checkpoint from being reused.
  void Run(Result<LmdbSnapshot> snapshot);

  LmdbStateStore& store_;
  const Options options_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace quorate::storage
