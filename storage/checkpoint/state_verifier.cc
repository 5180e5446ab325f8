#include "storage/checkpoint/state_verifier.h"

#include <sys/resource.h>

#include <utility>

#include "storage/base/monotonic_clock.h"

namespace quorate::storage {
namespace {

// After all who serve. On Linux the priority is the calling thread's alone.
constexpr int kLowestPriority = 19;

}  // namespace

StateVerifier::StateVerifier(LmdbStateStore& store, Options options)
    : store_(store),
      options_(std::move(options)),
      thread_([this, snapshot = store.OpenSnapshot()]() mutable { Run(std::move(snapshot)); }) {}

StateVerifier::~StateVerifier() {
  stopping_ = true;
  thread_.join();
}

void StateVerifier::Run(Result<LmdbSnapshot> snapshot) {
  setpriority(PRIO_PROCESS, 0, kLowestPriority);
  if (!snapshot.ok()) Die(options_.fatal, snapshot.error());
  const int64_t began_usec = MonotonicUsec();
  const Status verified = snapshot.value().Verify(stopping_);
  if (!verified.ok()) Die(options_.fatal, verified.error());
  if (stopping_) return;
  store_.NoteVerified(snapshot.value().meta().last_applied);
  if (options_.verified) {
    options_.verified(snapshot.value().meta().key_count(), MonotonicUsec() - began_usec);
  }
}

}  // namespace quorate::storage
