// Compares a data folder with what a workload was told is durable.
#pragma once

#include <string>

#include "storage/folder/data_directory.h"
#include "storage/keyspace/key_space.h"
#include "tests/storage/keyspace/empty_state.h"
#include "tests/storage/support/workload.h"

namespace quorate::storage {

// What is wrong becomes a failure of the running test. The folder of one workload, at different
// times of its life.
class Inspector {
 public:
  // `acknowledged` must outlive the inspector.
  explicit Inspector(const Acknowledged& acknowledged) : acknowledged_(acknowledged) {}

  // A folder that has to open.
  void OpenAndInspect(const std::string& path);
  void Inspect(const OpenedStorage& storage);

 private:
  const Acknowledged& acknowledged_;
  // What the state should be, made in memory from the committed entries alone.
  EmptyState nothing_;
  KeySpace keys_{nothing_, {}};
};

}  // namespace quorate::storage
