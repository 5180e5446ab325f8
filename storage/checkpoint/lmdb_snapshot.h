// One checkpoint in a read transaction of its own, to be read in chunks.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <cstddef>
#include <string_view>

#include "storage/base/result.h"
#include "storage/checkpoint/state_records.h"
#include "storage/keyspace/snapshot.h"
#include "storage/keyspace/state_store.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

// One thread at a time. Made by LmdbStateStore::OpenSnapshot, which must outlive it.
class LmdbSnapshot {
 public:
  // `meta` and `garbage` are those of the transaction.
  LmdbSnapshot(const Environment& environment, ReadTransaction transaction, MDB_dbi rows,
               StateMeta meta, Garbage garbage)
      : environment_(environment),
        transaction_(std::move(transaction)),
        rows_(rows),
        meta_(std::move(meta)),
        garbage_(std::move(garbage)) {}

  const StateMeta& meta() const { return meta_; }
  // The rows behind that row key ("": from the first one on), as many as kChunkBytes hold but one;
  // an incomplete chunk, soon, when `stop` turns true. Each row is verified: an error names the
  // damaged one.
  Result<SnapshotChunk> Read(std::string_view after_key, const std::atomic<bool>& stop) const;
  static constexpr size_t kChunkBytes = 256 << 10;
  // Reads every row, also of databases that are no more, sees whether a lookup finds it, and
  // compares their number and digest with the meta record, which takes a second a few million rows.
  // Ok also when `stop` has turned true.
  Status Verify(const std::atomic<bool>& stop) const;

 private:
  const Environment& environment_;
  ReadTransaction transaction_;
  MDB_dbi rows_;
  StateMeta meta_;
  Garbage garbage_;
};

}  // namespace quorate::storage
