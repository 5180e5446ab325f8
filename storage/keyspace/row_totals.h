// What the rows of a state add up to, to be compared with what its meta record says of them.
#pragma once

#include <cstdint>
#include <map>

#include "storage/keyspace/database.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/state_store.h"

namespace quorate::storage {

class RowTotals {
 public:
  // `digest` is the row's RecordDigest.
  void Add(DatabaseId database, const RecordHeader& header, uint64_t digest) {
    if (newest_ == nullptr || newest_->id != database) {
      newest_ = &databases_.try_emplace(database, Database{.id = database}).first->second;
    }
    ++newest_->key_count;
    if (header.expire_at_ms != 0) ++newest_->expires;
    newest_->digest += digest;
    ++key_count_;
  }

  uint64_t key_count() const { return key_count_; }
  // The rows are those of that state and, as many as it says, of databases that are no more; there
  // are no others.
  bool AreOf(const StateMeta& meta, const std::map<DatabaseId, uint64_t>& garbage = {}) const {
    size_t found = 0;
    for (const auto& [number, database] : meta.databases) {
      const auto totals = databases_.find(database.id);
      if (totals != databases_.end() ? totals->second != database : database.key_count != 0) {
        return false;
      }
      found += totals != databases_.end() ? 1 : 0;
    }
    for (const auto& [database, rows] : garbage) {
      const auto totals = databases_.find(database);
      if (totals == databases_.end() || totals->second.key_count != rows) return false;
      ++found;
    }
    return found == databases_.size();
  }

 private:
  std::map<DatabaseId, Database> databases_;
  Database* newest_ = nullptr;  // that of the last row: rows come in their order
  uint64_t key_count_ = 0;
};

}  // namespace quorate::storage
