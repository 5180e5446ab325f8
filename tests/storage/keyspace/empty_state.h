// A checkpoint of nothing, for a key space that lives in memory alone.
#pragma once

#include <utility>

#include "storage/keyspace/state_store.h"

namespace quorate::storage {

class EmptyState : public StateReader {
 public:
  explicit EmptyState(StateMeta meta = {}) : meta_(std::move(meta)) {}
  const StateMeta& meta() const override { return meta_; }
  std::optional<RecordView> Find(DatabaseId, std::string_view) const override {
    return std::nullopt;
  }
  DatabaseSums LoadSlotSums() const override { return {}; }
  void Refresh() override {}

 private:
  StateMeta meta_;
};

}  // namespace quorate::storage
