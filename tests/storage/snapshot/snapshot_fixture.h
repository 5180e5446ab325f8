// What tests of snapshots share: a folder with a state, and the passing of a snapshot from a view
// to a target.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/folder/data_directory.h"
#include "storage/folder/folder_changes.h"
#include "storage/keyspace/database_view.h"
#include "storage/keyspace/key_space.h"
#include "storage/snapshot/lmdb_snapshot_store.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/random.h"
#include "tests/storage/support/waker.h"

namespace quorate::storage {

// Folders of tests are many, and copied.
inline StorageOptions SmallJournal(std::string initial_configuration = "") {
  return {.journal_bytes = 64 << 10, .initial_configuration = std::move(initial_configuration)};
}

// Asks for one chunk and waits for it.
inline Result<SnapshotChunk> NextChunk(SnapshotView& view, Waker& waker,
                                       std::string_view after_key) {
  view.Prepare(after_key);
  std::optional<Result<SnapshotChunk>> chunk;
  waker.WaitUntil([&] {
    chunk = view.Take();
    return chunk.has_value();
  });
  return std::move(*chunk);
}

// All chunks of the rows behind the key.
inline std::vector<SnapshotChunk> AllChunks(SnapshotView& view, Waker& waker,
                                            std::string after_key = "") {
  std::vector<SnapshotChunk> chunks;
  do {
    Result<SnapshotChunk> chunk = NextChunk(view, waker, after_key);
    EXPECT_TRUE(chunk.ok()) << chunk.error();
    if (!chunk.ok()) break;
    after_key = chunk.value().last_key;
    chunks.push_back(std::move(chunk.value()));
  } while (!chunks.back().last);
  return chunks;
}

// What went wrong, or nothing.
inline std::string WaitForEnd(SnapshotTarget& target, Waker& waker) {
  std::optional<Status> finished;
  waker.WaitUntil([&] {
    finished = target.TakeFinished();
    return finished.has_value();
  });
  return finished->ok() ? "" : finished->error();
}

// Entries as a leader's log would have them, applied up to the last one and checkpointed.
inline void ApplyEntries(OpenedStorage& storage, uint64_t last, uint64_t term, uint64_t seed) {
  KeySpace keys(*storage.state, {});
  Random random(seed);
  while (keys.last_applied() < consensus::Index(last)) {
    const consensus::Index index = keys.last_applied() + 1;
    const bool trimmed = index < storage.log->base_index();
    const auto chain = trimmed ? consensus::Chain() : storage.log->ChainAt(index).value();
    keys.BeginEntry(index, consensus::Term(term), chain, 1000);
    keys.BeginCommand();
    WriteView(keys, 0).PutString("key:" + std::to_string(random.Below(1000)),
                                 random.Bytes(random.Below(3000)));
    keys.EndEntry();
  }
  Checkpointed(keys, *storage.state);
}

// A leader's folder with a snapshot up to that entry, sent chunk by chunk.
struct Sender {
  Sender(const std::string& path, uint64_t last, uint64_t term) {
    const Identity identity{
        .cluster_id = 0xabc, .node_id = consensus::NodeId(9), .members = "m", .joined = false};
    Result<OpenedStorage> opened = OpenStorage(path, identity, SmallJournal());
    EXPECT_TRUE(opened.ok()) << opened.error();
    EXPECT_TRUE(
        opened.value()
            .log->Commit(std::vector{MakeWrite(1, MakeEntries(1, last, term))}, std::nullopt)
            .ok());
    ApplyEntries(opened.value(), last, term, 1);
    Waker waker;
    LmdbSnapshotStore store(*opened.value().state, path, {}, [&waker] { waker.Wake(); });
    auto view = store.OpenView();
    EXPECT_TRUE(view.ok()) << view.error();
    meta = view.value()->meta();
    chunks = AllChunks(*view.value(), waker);
  }

  StateMeta meta;
  std::vector<SnapshotChunk> chunks;
};

// Receives it into the open folder; to be installed when this returns nothing.
inline std::string Receive(OpenedStorage& storage, const std::string& path, const Sender& sender) {
  Waker waker;
  LmdbSnapshotStore store(*storage.state, path, {}, [&waker] { waker.Wake(); });
  const auto target = store.BeginTarget(sender.meta);
  for (const SnapshotChunk& chunk : sender.chunks) target->Add(chunk.rows);
  target->Finish();
  return WaitForEnd(*target, waker);
}

}  // namespace quorate::storage
