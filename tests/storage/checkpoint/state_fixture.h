// What tests of the state share: short ways to open one, to apply an entry and to write a
// checkpoint.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "storage/checkpoint/lmdb_state_store.h"
#include "storage/keyspace/key_space.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate::storage {

inline Identity StateIdentity() {
  return {.cluster_id = 0xc0ffee, .node_id = consensus::NodeId(1), .members = "1=here"};
}

inline std::unique_ptr<LmdbStateStore> OpenState(const std::string& path,
                                                 const LmdbStateStore::Options& options = {}) {
  auto state = LmdbStateStore::Open(path, options);
  EXPECT_TRUE(state.ok()) << state.error();
  return std::move(state.value());
}

inline std::unique_ptr<LmdbStateStore> MakeState(const std::string& path,
                                                 const LmdbStateStore::Options& options = {}) {
  std::filesystem::create_directory(path);
  const Status created = LmdbStateStore::Create(path, StateIdentity(), "", options);
  EXPECT_TRUE(created.ok()) << created.error();
  return OpenState(path, options);
}

// One entry with one command, which is what `command` does.
inline void Apply(KeySpace& keys, const std::function<void()>& command,
                  consensus::Chain chain = {}) {
  keys.BeginEntry(keys.last_applied() + 1, consensus::Term(1), chain, keys.clock_ms() + 1);
  keys.BeginCommand();
  command();
  keys.EndEntry();
}

inline void Checkpointed(KeySpace& keys, LmdbStateStore& state) {
  const Status written = state.Write(keys.BeginCheckpoint());
  ASSERT_TRUE(written.ok()) << written.error();
  keys.CheckpointFinished();
}

inline std::string Found(const KeySpace& keys, std::string_view key, uint32_t database = 0) {
  const std::optional<RecordView> record = keys.Find(database, key);
  return record ? std::string(record->value) : "(none)";
}

}  // namespace quorate::storage
