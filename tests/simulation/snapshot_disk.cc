#include "tests/simulation/snapshot_disk.h"

#include <cassert>
#include <string>
#include <utility>

#include "storage/keyspace/row_key.h"
#include "storage/keyspace/row_totals.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/keyspace/state_meta.h"

namespace quorate::simulation {

using storage::SnapshotChunk;

namespace {

constexpr Time kDelayMax = 20 * kMillisecond;
constexpr int64_t kRowsPerChunkMax = 4;

// What stands for a row key between nodes: the image's order.
std::string EncodePlace(const StateDisk::Key& place) {
  std::string bytes = storage::RowKeyPrefix(place.first);
  return bytes + place.second;
}

StateDisk::Key DecodePlace(std::string_view bytes) {
  constexpr size_t kPrefixBytes = sizeof(storage::DatabaseId);
  uint32_t database = 0;
  for (const char byte : bytes.substr(0, kPrefixBytes)) {
    database = database << 8 | static_cast<uint8_t>(byte);
  }
  return {static_cast<storage::DatabaseId>(database), std::string(bytes.substr(kPrefixBytes))};
}

}  // namespace

// Reads an image that nobody changes any more.
class SnapshotDisk::View : public storage::SnapshotView {
 public:
  View(SnapshotDisk& disk, StateDisk::Image image) : disk_(disk), image_(std::move(image)) {}

  const storage::StateMeta& meta() const override { return image_.meta; }

  void Prepare(std::string_view after_key) override {
    assert(!*chunk_);
    const storage::HashSecret secret = storage::HashSecretOf(image_.meta).value();
    SnapshotChunk chunk;
    auto row =
        after_key.empty() ? image_.rows.begin() : image_.rows.upper_bound(DecodePlace(after_key));
    for (int64_t count = disk_.random_.Between(1, kRowsPerChunkMax);
         count > 0 && row != image_.rows.end(); --count, ++row) {
      const auto& [database, key] = row->first;
      const storage::RowKey row_key(secret, database, key);
      storage::AppendSnapshotRow(&chunk.rows, row_key.bytes(),
                                 storage::EncodeRow(row_key.bytes(), {key, row->second.view()}));
      chunk.last_key = EncodePlace(row->first);
    }
    chunk.last = row == image_.rows.end();
    disk_.Later([to = chunk_, chunk = std::move(chunk)] { *to = chunk; });
  }

  std::optional<storage::Result<SnapshotChunk>> Take() override {
    if (!*chunk_) return std::nullopt;
    return *std::exchange(*chunk_, std::nullopt);
  }

 private:
  SnapshotDisk& disk_;
  const StateDisk::Image image_;
  // Shared with what is under way when the view is closed.
  std::shared_ptr<std::optional<SnapshotChunk>> chunk_ =
      std::make_shared<std::optional<SnapshotChunk>>();
};

class SnapshotDisk::Target : public storage::SnapshotTarget {
 public:
  Target(SnapshotDisk& disk, const storage::StateMeta& meta)
      : disk_(disk), work_(std::make_shared<Work>()) {
    work_->image->meta = meta;
    work_->image->meta.snapshot_index = meta.last_applied;
    work_->image->meta.snapshot_term = meta.last_applied_term;
    work_->image->meta.snapshot_chain = meta.last_applied_chain;
  }
  ~Target() override { work_->given_up = true; }

  void Add(std::string rows) override {
    disk_.Later([&disk = disk_, work = work_, rows = std::move(rows)] {
      if (disk.state_.full() || work->given_up) {
        Fail(*work, "no space is left on the disk");
        return;
      }
      storage::SnapshotRowReader reader(rows);
      while (const auto row = reader.Next()) {
        const storage::Row& content = row->content;
        const StateDisk::Key place(storage::DatabaseOfRow(row->row_key), content.key);
        work->image->rows.insert_or_assign(place, storage::OwnedRecord(content.record));
        work->last_key = EncodePlace(place);
      }
      work->damaged |= reader.unreadable().has_value();
      ++work->written;
    });
    ++added_;
  }
  uint64_t written() const override { return work_->written; }
  std::string last_key() const override { return work_->last_key; }
  void Finish() override { Complete(disk_, work_, added_); }
  std::optional<storage::Status> TakeFinished() override {
    return std::exchange(work_->finished, std::nullopt);
  }

 private:
  struct Work {
    std::shared_ptr<StateDisk::Image> image = std::make_shared<StateDisk::Image>();
    uint64_t written = 0;
    std::string last_key;
    bool damaged = false;
    bool given_up = false;
    std::optional<storage::Status> finished;
  };

  static void Fail(Work& work, std::string reason) {
    if (!std::exchange(work.given_up, true)) work.finished = storage::Error{std::move(reason)};
  }

  // When all that was added is written: events need not come in the order in which they were asked
  // for.
  static void Complete(SnapshotDisk& disk, std::shared_ptr<Work> work, uint64_t added) {
    disk.Later([&disk, work, added] {
      if (work->given_up) return;
      if (work->written < added) {
        Complete(disk, work, added);
        return;
      }
      storage::RowTotals totals;
      for (const auto& [place, row] : work->image->rows) {
        totals.Add(place.first, row.view().header, storage::RecordDigest(place.second, row.view()));
      }
      if (work->damaged || !totals.AreOf(work->image->meta)) {
        Fail(*work, "the snapshot's rows are not those of its meta record");
        return;
      }
      disk.complete_ = work->image;
      work->finished = storage::Ok();
    });
  }

  SnapshotDisk& disk_;
  const std::shared_ptr<Work> work_;
  uint64_t added_ = 0;
};

void SnapshotDisk::Open(std::function<void()> wake) { wake_ = std::move(wake); }

void SnapshotDisk::Crash() {
  ++life_;
  wake_ = nullptr;
  complete_.reset();
}

StateDisk::Image SnapshotDisk::TakeComplete() {
  assert(complete_);
  return std::move(*std::exchange(complete_, nullptr));
}

storage::Result<std::unique_ptr<storage::SnapshotView>> SnapshotDisk::OpenView() {
  return std::unique_ptr<storage::SnapshotView>(std::make_unique<View>(*this, state_.visible()));
}

std::unique_ptr<storage::SnapshotTarget> SnapshotDisk::BeginTarget(const storage::StateMeta& meta) {
  complete_.reset();
  return std::make_unique<Target>(*this, meta);
}

void SnapshotDisk::Later(std::function<void()> action) {
  events_.After(random_.Between(0, kDelayMax), [this, life = life_, action = std::move(action)] {
    if (life != life_) return;
    action();
    wake_();
  });
}

}  // namespace quorate::simulation
