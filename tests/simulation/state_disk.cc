#include "tests/simulation/state_disk.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "storage/keyspace/key_slot.h"

namespace quorate::simulation {
namespace {

constexpr Time kSpaceInterval = 500 * kMillisecond;

}  // namespace

StateDisk::StateDisk(consensus::NodeId id, EventQueue& events, Trace& trace, Random random,
                     const DiskSettings& settings)
    : id_(id), events_(events), trace_(trace), random_(random), settings_(settings) {}

void StateDisk::Open(std::function<void()> on_finished) {
  assert(!under_way_);
  on_finished_ = std::move(on_finished);
  visible_ = durable_;
}

void StateDisk::Crash() {
  ++life_;
  if (under_way_ && !waits_for_space_ && random_.Chance(300)) Apply(*under_way_, &durable_);
  under_way_.reset();
  unseen_.reset();
  finished_ = false;
  on_finished_ = nullptr;
  waits_for_space_ = false;
  stalled_until_ = 0;
}

std::optional<storage::RecordView> StateDisk::Find(storage::DatabaseId database,
                                                   std::string_view key) const {
  const auto found = visible_.rows.find(Key(database, key));
  if (found == visible_.rows.end()) return std::nullopt;
  return found->second.view();
}

storage::DatabaseSums StateDisk::LoadSlotSums() const {
  storage::DatabaseSums sums;
  for (const auto& [place, row] : visible_.rows) {
    const auto& [database, key] = place;
    sums[database].Add(storage::KeySlot(key), storage::HeaderDigest(key, row.view().header));
  }
  return sums;
}

void StateDisk::Refresh() {
  if (!unseen_) return;
  Apply(*unseen_, &visible_);
  unseen_.reset();
  assert(visible_.meta == durable_.meta);
}

void StateDisk::Start(storage::Checkpoint checkpoint) {
  assert(!under_way_);
  assert(!finished_);
  under_way_ = std::move(checkpoint);
  events_.After(random_.Between(100, settings_.checkpoint_max),
                [this, life = life_] { Finish(life); });
}

bool StateDisk::TakeFinished() { return std::exchange(finished_, false); }

void StateDisk::StallUntil(Time when) { stalled_until_ = std::max(stalled_until_, when); }

void StateDisk::Finish(uint64_t life) {
  if (life != life_) return;
  if (events_.now() < stalled_until_) {
    events_.At(stalled_until_, [this, life] { Finish(life); });
    return;
  }
  waits_for_space_ = full();
  if (waits_for_space_) {
    events_.After(kSpaceInterval, [this, life] { Finish(life); });
    return;
  }
  Apply(*under_way_, &durable_);
  trace_.Add(Happening::kCheckpoint, id_.value(), durable_.meta.last_applied.value());
  unseen_ = std::exchange(under_way_, std::nullopt);
  finished_ = true;
  on_finished_();
}

// The memtable's order is any, but each of its keys is there once.
void StateDisk::Apply(const storage::Checkpoint& checkpoint, Image* image) {
  checkpoint.changes->VisitAll([&](const storage::Memtable::Change& change) {
    const Key key(change.database(), change.key());
    if (change.deleted()) {
      image->rows.erase(key);
    } else {
      image->rows.insert_or_assign(key, storage::OwnedRecord(change.view()));
    }
  });
  image->meta = checkpoint.meta;
  const auto is_live = [image](storage::DatabaseId id) {
    return std::ranges::any_of(image->meta.databases,
                               [id](const auto& entry) { return entry.second.id == id; });
  };
  std::erase_if(image->rows, [&](const auto& row) { return !is_live(row.first.first); });
  assert(image->rows.size() == image->meta.key_count());
}

}  // namespace quorate::simulation
