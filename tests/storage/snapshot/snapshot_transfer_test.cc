// Snapshots that arrive: what is written beside the state, and what is refused.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "storage/keyspace/database_view.h"
#include "storage/keyspace/snapshot_rows.h"
#include "tests/storage/snapshot/snapshot_fixture.h"
#include "tests/storage/support/child_process.h"

namespace quorate::storage {
namespace {

namespace fs = std::filesystem;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

Identity Receiver() { return {.cluster_id = 0xabc, .node_id = NodeId(1), .members = "m"}; }

class SnapshotTransferTest : public testing::Test {
 protected:
  OpenedStorage Open() {
    Result<OpenedStorage> opened = OpenStorage(path_, Receiver(), SmallJournal());
    EXPECT_TRUE(opened.ok()) << opened.error();
    return std::move(opened.value());
  }

  // What is there when all has been received, installed or not.
  std::string Install() {
    const Status installed = InstallIncoming(path_, SmallJournal());
    return installed.ok() ? "" : installed.error();
  }

  bool IsThere(const std::string& name) const { return fs::exists(path_ + "/" + name); }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "data";
  const Sender sender_{directory_ / "sender", 600, 2};
};

// The folder was moved while the server runs, and another one is at its path: a snapshot is not
// written into that one.
TEST_F(SnapshotTransferTest, IsRefusedWhenTheFolderWasMoved) {
  OpenedStorage storage = Open();
  fs::rename(path_, directory_ / "moved");
  fs::create_directory(path_);
  EXPECT_CONTAINS(Receive(storage, path_, sender_), "the data folder was moved or replaced");
  EXPECT_TRUE(fs::is_empty(path_));
  fs::remove(path_);
  fs::rename(directory_ / "moved", path_);
  EXPECT_EQ(Receive(storage, path_, sender_), "");
}

TEST_F(SnapshotTransferTest, TakesTheStatesPlaceAndBeginsTheLogAnew) {
  ASSERT_GT(sender_.chunks.size(), 1U);
  {
    OpenedStorage storage = Open();
    ASSERT_TRUE(
        storage.log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 10, 1))}, std::nullopt).ok());
    ApplyEntries(storage, 10, 1, 5);
    EXPECT_EQ(Receive(storage, path_, sender_), "");
    EXPECT_EQ(storage.state->meta().last_applied, Index(10));
  }
  EXPECT_EQ(Install(), "");
  for (int start = 0; start < 2; ++start) {
    const OpenedStorage storage = Open();
    EXPECT_EQ(storage.log_begun_anew, start == 0);
    const StateMeta& meta = storage.state->meta();
    EXPECT_EQ(meta.last_applied, Index(600));
    EXPECT_EQ(meta.digest(), sender_.meta.digest());
    EXPECT_EQ(meta.key_count(), sender_.meta.key_count());
    EXPECT_EQ(meta.snapshot_index, Index(600));
    EXPECT_EQ(meta.snapshot_term, Term(2));
    EXPECT_TRUE(storage.state->VerifyRows().ok());
    EXPECT_EQ(storage.state->identity(), Receiver());
    EXPECT_EQ(storage.recovered.base_index, Index(600));
    EXPECT_EQ(storage.recovered.base_term, Term(2));
    EXPECT_EQ(storage.recovered.last_index, Index(600));
    EXPECT_EQ(storage.recovered.last_applied, Index(600));
    EXPECT_EQ(storage.recovered.hard_state.current_term, Term(2));
    EXPECT_EQ(storage.log->sizes().bytes(), 0U);
  }
  for (const char* name : {"state.incoming", "state.received", "state.installing"}) {
    EXPECT_FALSE(IsThere(name)) << name;
  }
  // And the log goes on from there.
  OpenedStorage storage = Open();
  const auto write = Chains(storage.recovered).Link(MakeWrite(1, MakeEntries(601, 605, 3)));
  ASSERT_TRUE(storage.log->Commit(std::vector{write}, std::nullopt).ok());
  ApplyEntries(storage, 603, 3, 5);
}

// Section 7: where the log has the snapshot's last entry, what follows it stays.
TEST_F(SnapshotTransferTest, ALogThatHasTheSnapshotsLastEntryStays) {
  {
    OpenedStorage storage = Open();
    ASSERT_TRUE(
        storage.log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 610, 2))}, Index(100)).ok());
    ApplyEntries(storage, 110, 2, 5);
    ASSERT_EQ(Receive(storage, path_, sender_), "");
  }
  ASSERT_EQ(Install(), "");
  const OpenedStorage storage = Open();
  EXPECT_FALSE(storage.log_begun_anew);
  EXPECT_EQ(storage.recovered.base_index, Index(100));
  EXPECT_EQ(storage.recovered.last_index, Index(610));
  EXPECT_EQ(storage.recovered.last_applied, Index(600));
}

TEST_F(SnapshotTransferTest, ALogWithAnotherEntryThereIsBegunAnew) {
  consensus::HardState hard_state{Term(7), NodeId(3)};
  {
    OpenedStorage storage = Open();
    std::vector<consensus::Entry> entries = MakeEntries(1, 590, 1);
    for (consensus::Entry& entry : MakeEntries(591, 620, 7)) entries.push_back(entry);
    consensus::Persist write = MakeWrite(1, entries);
    write.hard_state = hard_state;
    ASSERT_TRUE(storage.log->Commit(std::vector{write}, std::nullopt).ok());
    ASSERT_EQ(Receive(storage, path_, sender_), "");
  }
  ASSERT_EQ(Install(), "");
  const OpenedStorage storage = Open();
  EXPECT_TRUE(storage.log_begun_anew);
  EXPECT_EQ(storage.recovered.base_index, Index(600));
  EXPECT_EQ(storage.recovered.last_index, Index(600));
  EXPECT_EQ(storage.recovered.hard_state, hard_state);  // the vote is not forgotten
}

TEST_F(SnapshotTransferTest, OfAnEmptyStateArrives) {
  Sender sender(directory_ / "empty", 1, 1);
  sender.meta = StateMeta();
  sender.meta.last_applied = Index(5);
  sender.meta.last_applied_term = Term(1);
  sender.chunks = {SnapshotChunk{.rows = "", .last_key = "", .last = true}};
  {
    OpenedStorage storage = Open();
    ASSERT_EQ(Receive(storage, path_, sender), "");
  }
  ASSERT_EQ(Install(), "");
  EXPECT_EQ(Open().state->meta().key_count(), 0U);
}

TEST_F(SnapshotTransferTest, GoesOnAfterALostConnection) {
  OpenedStorage storage = Open();
  Waker waker;
  LmdbSnapshotStore store(*storage.state, path_, {}, [&waker] { waker.Wake(); });
  const auto target = store.BeginTarget(sender_.meta);
  EXPECT_EQ(target->last_key(), "");
  const size_t half = sender_.chunks.size() / 2;
  for (size_t i = 0; i < half; ++i) target->Add(sender_.chunks[i].rows);
  waker.WaitUntil([&] { return target->written() == half; });
  EXPECT_EQ(target->last_key(), sender_.chunks[half - 1].last_key);
  // The sender did not hear of the last one, and sends it again.
  for (size_t i = half - 1; i < sender_.chunks.size(); ++i) target->Add(sender_.chunks[i].rows);
  target->Finish();
  EXPECT_EQ(WaitForEnd(*target, waker), "");
}

TEST_F(SnapshotTransferTest, ADamagedChunkIsRefused) {
  Sender damaged = sender_;
  std::string& rows = damaged.chunks[1].rows;
  rows[rows.size() / 2] = static_cast<char>(rows[rows.size() / 2] ^ 1);
  OpenedStorage storage = Open();
  EXPECT_CONTAINS(Receive(storage, path_, damaged), "arrived damaged: its checksum is wrong");
  EXPECT_FALSE(IsThere("state.incoming"));
  EXPECT_FALSE(IsThere("state.received"));
  EXPECT_EQ(Receive(storage, path_, sender_), "");  // a new try
}

TEST_F(SnapshotTransferTest, RowsThatAreNotTheSnapshotsAreRefused) {
  OpenedStorage storage = Open();
  Sender lost = sender_;
  lost.chunks.erase(lost.chunks.begin());
  EXPECT_CONTAINS(Receive(storage, path_, lost), "is not the one that was sent");
  Sender other = sender_;
  other.meta.databases[0].digest += 1;
  EXPECT_CONTAINS(Receive(storage, path_, other), "is not the one that was sent");
  EXPECT_FALSE(IsThere("state.received"));
}

TEST_F(SnapshotTransferTest, OneThatIsGivenUpHasNeverBeen) {
  {
    OpenedStorage storage = Open();
    Waker waker;
    LmdbSnapshotStore store(*storage.state, path_, {}, [&waker] { waker.Wake(); });
    for (size_t chunks = 0; chunks < sender_.chunks.size(); ++chunks) {
      const auto target = store.BeginTarget(sender_.meta);
      for (size_t i = 0; i < chunks; ++i) target->Add(sender_.chunks[i].rows);
      waker.WaitUntil([&] { return target->written() >= chunks / 2; });
    }
    // The next one begins from the start.
    const auto target = store.BeginTarget(sender_.meta);
    for (const SnapshotChunk& chunk : sender_.chunks) target->Add(chunk.rows);
    target->Finish();
    EXPECT_EQ(WaitForEnd(*target, waker), "");
  }
  // What was received and not installed is gone after a start.
  EXPECT_TRUE(IsThere("state.received"));
  EXPECT_EQ(Open().state->meta().last_applied, Index(0));
  EXPECT_FALSE(IsThere("state.received"));
  EXPECT_CONTAINS(Install(), "there is no snapshot to be installed");
}

// As when the log has caught up while the snapshot was on its way.
TEST_F(SnapshotTransferTest, AnOlderOneThanTheStateIsRefused) {
  {
    OpenedStorage storage = Open();
    ASSERT_TRUE(
        storage.log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 700, 2))}, std::nullopt).ok());
    ASSERT_EQ(Receive(storage, path_, sender_), "");
    ApplyEntries(storage, 600, 2, 5);
  }
  EXPECT_CONTAINS(Install(), "up to entry 600, and the state up to 600 already");
  EXPECT_EQ(Open().recovered.last_applied, Index(600));
}

// A disk that is full: here, files that may grow no further.
TEST_F(SnapshotTransferTest, AFullDiskLeavesTheStateAlone) {
  const int status = RunChild([&] {
    OpenedStorage storage = Open();
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{400 << 10, 400 << 10};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const std::string error = Receive(storage, path_, sender_);
    std::fprintf(stderr, "(as expected) %s\n", error.c_str());
    if (error.find("cannot be written") == std::string::npos) return 2;
    if (IsThere("state.incoming") || IsThere("state.received")) return 3;
    // The server goes on.
    KeySpace keys(*storage.state, {});
    Apply(keys, [&] { WriteView(keys, 0).PutString("key", "value"); });
    if (!storage.state->Write(keys.BeginCheckpoint()).ok()) return 4;
    keys.CheckpointFinished();
    return Found(keys, "key") == "value" ? 0 : 5;
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace quorate::storage
