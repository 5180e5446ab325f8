// Writes that find no space on the disk: undone, and tried again until there is some.

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "storage/checkpoint/threaded_checkpointer.h"
#include "storage/folder/data_directory.h"
#include "storage/keyspace/database_view.h"
#include "storage/log/threaded_log_writer.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/log/log_fixture.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

using consensus::Index;
using consensus::NodeId;
using consensus::PersistSeq;
using system_calls::SetSpace;
using system_calls::Space;

// Counts what a storage thread says, for a test that waits for it.
class Counter {
 public:
  void Add() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  void WaitFor(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

class SpaceTest : public testing::Test {
 protected:
  ~SpaceTest() override { SetSpace(Space::kEnough); }

  TemporaryDirectory directory_;
  Counter reports_;
  Counter wakes_;
};

// Behind three entries: more than the file has ahead of its pages.
std::vector<consensus::Persist> LargeWrite() {
  const std::vector writes{MakeWrite(1, MakeEntries(1, 3, 1)),
                           MakeWrite(2, MakeEntries(4, 203, 1, 10'000))};
  return {Chains().Link(writes)[1]};
}

TEST_F(SpaceTest, ACommitThatFindsNoneIsUndoneAndMayBeTriedAgain) {
  for (const Space space : {Space::kNone, Space::kHalf}) {
    const std::string path = directory_ / (space == Space::kNone ? "none" : "half");
    auto log = MakeLog(path);
    ASSERT_TRUE(log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 3, 1))}, std::nullopt).ok());
    for (int attempt = 0; attempt < 3; ++attempt) {
      SetSpace(space);
      const Status full = log->Commit(LargeWrite(), std::nullopt);
      ASSERT_FALSE(full.ok());
      EXPECT_TRUE(full.disk_full()) << full.error();
      EXPECT_NE(full.error().find("No space left on device"), std::string::npos) << full.error();
      EXPECT_EQ(log->last_index(), Index(3));
      SetSpace(Space::kEnough);
      EXPECT_EQ(ReadAll(*log), MakeEntries(1, 3, 1));
      // What a start would find now.
      log.reset();
      log = OpenLog(path);
      ASSERT_EQ(ReadAll(*log), MakeEntries(1, 3, 1));
    }
    SetSpace(space);
    ASSERT_TRUE(log->Commit(LargeWrite(), std::nullopt).disk_full());
    SetSpace(Space::kEnough);
    ASSERT_TRUE(log->Commit(LargeWrite(), std::nullopt).ok());
    log.reset();
    EXPECT_EQ(ReadAll(*OpenLog(path)).size(), 203U);
  }
}

// The same error number as that of a write cut short, but from the disk itself.
TEST_F(SpaceTest, AFailedSyncIsNotLackOfSpace) {
  auto log = MakeLog(directory_ / "log");
  ASSERT_TRUE(log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 3, 1))}, std::nullopt).ok());
  system_calls::FailSyncsFrom(1);
  const Status failed = log->Commit(LargeWrite(), std::nullopt);
  system_calls::FailSyncsFrom(0);
  ASSERT_FALSE(failed.ok());
  EXPECT_FALSE(failed.disk_full()) << failed.error();
  EXPECT_FALSE(log->Commit(LargeWrite(), std::nullopt).ok());
}

TEST_F(SpaceTest, ACheckpointThatFindsNoneIsUndoneAndMayBeTriedAgain) {
  for (const Space space : {Space::kNone, Space::kHalf}) {
    const std::string path = directory_ / (space == Space::kNone ? "none" : "half");
    auto state = MakeState(path);
    KeySpace keys(*state, {});
    Apply(keys, [&] { WriteView(keys, 0).PutString("key", "old"); });
    Checkpointed(keys, *state);
    const StateMeta before = state->meta();
    Apply(keys, [&] { WriteView(keys, 0).PutString("key", std::string(1 << 20, 'n')); });
    const Checkpoint checkpoint = keys.BeginCheckpoint();
    SetSpace(space);
    const Status full = state->Write(checkpoint);
    EXPECT_TRUE(full.disk_full());
    state->Refresh();
    EXPECT_EQ(state->meta(), before);
    EXPECT_EQ(state->Find(DatabaseId{}, "key")->value, "old");
    SetSpace(Space::kEnough);
    ASSERT_TRUE(state->Write(checkpoint).ok());
    state->Refresh();
    EXPECT_EQ(state->Find(DatabaseId{}, "key")->value.size(), size_t{1} << 20);
    EXPECT_TRUE(state->VerifyRows().ok());
  }
}

class LogWriterSpaceTest : public SpaceTest {
 protected:
  // LargeWrite is too large for its journal.
  static std::unique_ptr<LogStore> MakeSmallJournal(const std::string& path) {
    auto log = MakeLog(path, {.journal_bytes = 64 << 10});
    EXPECT_TRUE(log->StartJournal().ok());
    return log;
  }
  ThreadedLogWriter::Options Options() {
    return {.wake = [this] { wakes_.Add(); },
            .report = [this](const std::string&) { reports_.Add(); }};
  }

  std::unique_ptr<LogStore> log_ = MakeSmallJournal(directory_ / "log");
};

TEST_F(LogWriterSpaceTest, WaitsAcknowledgesNothingAndGoesOn) {
  ThreadedLogWriter writer(*log_, Options());
  writer.Submit(MakeWrite(1, MakeEntries(1, 3, 1)));
  wakes_.WaitFor(1);
  SetSpace(Space::kNone);
  writer.Submit(LargeWrite()[0]);
  reports_.WaitFor(1);
  EXPECT_EQ(writer.durable(), PersistSeq(1));
  EXPECT_EQ(writer.room_bytes(), 0U);
  SetSpace(Space::kEnough);
  reports_.WaitFor(2);
  wakes_.WaitFor(2);
  EXPECT_EQ(writer.durable(), PersistSeq(2));
  writer.Stop();
  EXPECT_GT(writer.room_bytes(), 0U);
}

// Terms and votes, for example, and what was in flight when the disk ran full.
TEST_F(LogWriterSpaceTest, WhatTheJournalTakesNeedsNone) {
  ThreadedLogWriter writer(*log_, Options());
  SetSpace(Space::kNone);
  writer.Submit(MakeWrite(1, MakeEntries(1, 3, 1)));
  wakes_.WaitFor(1);
  EXPECT_EQ(writer.durable(), PersistSeq(1));
  writer.Stop();
  SetSpace(Space::kEnough);
  log_.reset();
  EXPECT_EQ(ReadAll(*OpenLog(directory_ / "log")), MakeEntries(1, 3, 1));
}

TEST_F(LogWriterSpaceTest, CanBeStoppedWhileItWaits) {
  ThreadedLogWriter writer(*log_, Options());
  SetSpace(Space::kNone);
  writer.Submit(MakeWrite(1, MakeEntries(1, 3, 1)));
  writer.Submit(LargeWrite()[0]);
  reports_.WaitFor(1);
  writer.Stop();
  EXPECT_LT(writer.durable(), PersistSeq(2));
}

// Small writes, until the journal has no more room either.
TEST_F(LogWriterSpaceTest, CanBeStoppedWhileTheJournalIsFull) {
  ThreadedLogWriter writer(*log_, Options());
  SetSpace(Space::kNone);
  Chains chains;
  for (uint64_t index = 1; index <= 100; ++index) {
    writer.Submit(chains.Link(MakeWrite(index, MakeEntries(index, index, 1, 10'000))));
  }
  reports_.WaitFor(1);
  writer.Stop();
  const uint64_t durable = writer.durable().value();
  EXPECT_LT(durable, 100U);
  SetSpace(Space::kEnough);
  log_.reset();
  EXPECT_EQ(OpenLog(directory_ / "log")->last_index(), Index(durable));
}

// LMDB has begun to take over what is in the journal and does not come to an end. Until it does,
// the journal gives none of that space to others, and the entries are read from memory.
TEST_F(LogWriterSpaceTest, NothingIsGivenBackBeforeLmdbHasIt) {
  ThreadedLogWriter::Options options = Options();
  options.merger.merge_bytes = 1;  // at once
  options.commit_bytes_max = 1;    // one write a record
  ThreadedLogWriter writer(*log_, options);
  SetSpace(Space::kNone);
  Chains chains;
  writer.Submit(chains.Link(MakeWrite(1, MakeEntries(1, 1, 1, 10'000))));
  reports_.WaitFor(1);
  EXPECT_EQ(writer.Read(Index(1), Index(1), 1 << 20), MakeEntries(1, 1, 1, 10'000));
  for (uint64_t index = 2; index <= 100; ++index) {
    writer.Submit(chains.Link(MakeWrite(index, MakeEntries(index, index, 1, 10'000))));
  }
  writer.Stop();
  const uint64_t durable = writer.durable().value();
  EXPECT_EQ(durable, 5U);  // as many as the journal holds
  SetSpace(Space::kEnough);
  log_.reset();
  const auto opened = LogStore::Open(directory_ / "log", {});
  ASSERT_TRUE(opened.ok()) << opened.error();
  EXPECT_EQ(ReadAll(*opened.value()), MakeEntries(1, durable, 1, 10'000));
}

// What only the journal has needs space in LMDB. A start that finds none has changed nothing.
TEST_F(SpaceTest, AStartThatFindsNoneMayBeTriedAgain) {
  const std::string path = directory_ / "data";
  Identity identity;
  identity.cluster_id = 1;
  identity.node_id = NodeId(1);
  std::optional<OpenedStorage> opened(std::move(OpenStorage(path, identity, {}).value()));
  {
    ThreadedLogWriter writer(*opened->log,
                             {.wake = [this] { wakes_.Add(); },
                              .report = [this](const std::string&) { reports_.Add(); }});
    SetSpace(Space::kNone);
    writer.Submit(MakeWrite(1, MakeEntries(1, 200, 1, 10'000)));
    wakes_.WaitFor(1);
    reports_.WaitFor(1);
  }
  opened.reset();
  for (int attempt = 0; attempt < 3; ++attempt) {
    const Result<OpenedStorage> full = OpenStorage(path, identity, {});
    ASSERT_FALSE(full.ok());
    EXPECT_TRUE(full.disk_full()) << full.error();
  }
  SetSpace(Space::kEnough);
  const Result<OpenedStorage> found = OpenStorage(path, identity, {});
  ASSERT_TRUE(found.ok()) << found.error();
  EXPECT_EQ(ReadAll(*found.value().log), MakeEntries(1, 200, 1, 10'000));
}

TEST_F(SpaceTest, TheCheckpointerWaitsAndGoesOn) {
  auto state = MakeState(directory_ / "state");
  KeySpace keys(*state, {});
  ThreadedCheckpointer checkpointer(
      *state,
      {.wake = [this] { wakes_.Add(); }, .report = [this](const std::string&) { reports_.Add(); }});
  Apply(keys, [&] { WriteView(keys, 0).PutString("key", std::string(1 << 20, 'v')); });
  SetSpace(Space::kNone);
  checkpointer.Start(keys.BeginCheckpoint());
  reports_.WaitFor(1);
  EXPECT_TRUE(checkpointer.disk_full());
  EXPECT_FALSE(checkpointer.TakeFinished());
  EXPECT_EQ(keys.Find(0, "key")->value.size(), size_t{1} << 20) << "reads go on";
  SetSpace(Space::kEnough);
  wakes_.WaitFor(1);
  EXPECT_FALSE(checkpointer.disk_full());
  ASSERT_TRUE(checkpointer.TakeFinished());
  keys.CheckpointFinished();
  EXPECT_EQ(keys.checkpoint_index(), Index(1));
}

TEST_F(SpaceTest, TheCheckpointerCanBeStoppedWhileItWaits) {
  auto state = MakeState(directory_ / "state");
  KeySpace keys(*state, {});
  ThreadedCheckpointer checkpointer(*state,
                                    {.report = [this](const std::string&) { reports_.Add(); }});
  Apply(keys, [&] { WriteView(keys, 0).PutString("key", "value"); });
  SetSpace(Space::kNone);
  checkpointer.Start(keys.BeginCheckpoint());
  reports_.WaitFor(1);
  checkpointer.Stop();
  EXPECT_FALSE(checkpointer.TakeFinished());
}

}  // namespace
}  // namespace quorate::storage
