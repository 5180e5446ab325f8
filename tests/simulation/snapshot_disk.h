// A node's snapshots, those that it sends and the one that it receives: slow, and lost in a crash
// unless it was complete. Outlives the lives of its node.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "storage/keyspace/snapshot.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/random.h"
#include "tests/simulation/state_disk.h"

namespace quorate::simulation {

class SnapshotDisk : public storage::SnapshotStore {
 public:
  // `state` must outlive this.
  SnapshotDisk(StateDisk& state, EventQueue& events, Random random)
      : state_(state), events_(events), random_(random) {}

  // `wake` is called when there is something to take. Until the next Crash.
  void Open(std::function<void()> wake);
  // What is being received is lost, complete or not.
  void Crash();
  // The snapshot that is complete, to take the state's place as storage::InstallIncoming has it do:
  // when this life is over.
  StateDisk::Image TakeComplete();

  storage::Result<std::unique_ptr<storage::SnapshotView>> OpenView() override;
  std::unique_ptr<storage::SnapshotTarget> BeginTarget(const storage::StateMeta& meta) override;

 private:
  class View;
  class Target;

  // Calls `action` after a while, unless this life has ended.
  void Later(std::function<void()> action);

  StateDisk& state_;
  EventQueue& events_;
  Random random_;
  uint64_t life_ = 0;
  std::function<void()> wake_;
  std::shared_ptr<StateDisk::Image> complete_;  // received, not installed
};

}  // namespace quorate::simulation
