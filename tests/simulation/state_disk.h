// A node's checkpoints on its disk: atomic, and slow. A crash loses the one under way, or finds it
// just finished. Outlives the lives of its node.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "consensus/types.h"
#include "storage/keyspace/state_store.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/random.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/trace.h"
#include "tests/storage/keyspace/owned_record.h"

namespace quorate::simulation {

class StateDisk : public storage::StateReader, public storage::Checkpointer {
 public:
  StateDisk(consensus::NodeId id, EventQueue& events, Trace& trace, Random random,
            const DiskSettings& settings);

  // `on_finished` is called when a checkpoint is durable. Until the next Crash.
  void Open(std::function<void()> on_finished);
  void Crash();

  // --- storage::StateReader ---
  const storage::StateMeta& meta() const override { return visible_.meta; }
  std::optional<storage::RecordView> Find(storage::DatabaseId database,
                                          std::string_view key) const override;
  storage::DatabaseSums LoadSlotSums() const override;
  void Refresh() override;

  // --- storage::Checkpointer ---
  void Start(storage::Checkpoint checkpoint) override;
  bool TakeFinished() override;
  bool disk_full() const override { return waits_for_space_; }

  // --- Snapshots ---
  using Key = std::pair<storage::DatabaseId, std::string>;
  struct Image {
    std::map<Key, storage::OwnedRecord> rows;
    storage::StateMeta meta;
  };
  const Image& visible() const { return visible_; }
  const Image& durable() const { return durable_; }
  const storage::StateMeta& durable_meta() const { return durable_.meta; }
  // Between two lives.
  void Replace(Image image) { durable_ = std::move(image); }

  // No checkpoint completes before then.
  void StallUntil(Time when);
  bool stalled() const { return events_.now() < stalled_until_; }
  // Until then no checkpoint finds space, whatever becomes of the node, nor does a snapshot.
  void FillUntil(Time when) { full_until_ = when; }
  bool full() const { return events_.now() < full_until_; }

 private:
  static void Apply(const storage::Checkpoint& checkpoint, Image* image);
  void Finish(uint64_t life);

  const consensus::NodeId id_;
  EventQueue& events_;
  Trace& trace_;
  Random random_;
  const DiskSettings& settings_;

  Image durable_;
  Image visible_;  // what Refresh has seen

  uint64_t life_ = 0;
  std::function<void()> on_finished_;
  std::optional<storage::Checkpoint> under_way_;
  std::optional<storage::Checkpoint> unseen_;  // durable, and not refreshed to
  bool finished_ = false;
  bool waits_for_space_ = false;
  Time stalled_until_ = 0;
  Time full_until_ = 0;
};

}  // namespace quorate::simulation
