// Makes a state out of the rows of a snapshot or a backup, in an environment of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/keyspace/row_totals.h"
#include "storage/keyspace/slot_sums.h"
#include "storage/keyspace/state_store.h"
#include "storage/lmdb/lmdb_environment.h"

namespace quorate::storage {

// One thread. After an error it is of no more use.
class StateBuilder {
 public:
  // In a folder that exists and is empty. `meta` says what the rows have to add up to; the state
  // says in addition that it begins with them.
  static Result<std::unique_ptr<StateBuilder>> Begin(const std::string& path,
                                                     const Identity& identity,
                                                     const StateMeta& meta,
                                                     const LmdbStateStore::Options& options);

  // Rows in the order of their keys; see SnapshotTarget::Add.
  Status Add(std::string_view rows);
  // Verifies the whole, and makes it durable. The environment is closed.
  Status Finish();

  // Row key of the last row; empty: there is none.
  const std::string& last_key() const { return last_key_; }

 private:
  StateBuilder(std::unique_ptr<Environment> environment, StateMeta meta);

  Status BeginTransaction();
  Status Commit();

  std::unique_ptr<Environment> environment_;
  std::optional<WriteTransaction> transaction_;
  MDB_dbi rows_ = 0;
  StateMeta meta_;
  HashSecret secret_{};
  size_t transaction_bytes_ = 0;

  std::string last_key_;
  RowTotals totals_;
  DatabaseSums sums_;
};

}  // namespace quorate::storage
