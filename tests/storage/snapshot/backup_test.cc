#include "storage/snapshot/backup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "consensus/configuration.h"
#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"
#include "storage/folder/folder_changes.h"
#include "storage/keyspace/database_view.h"
#include "storage/keyspace/state_meta.h"
#include "tests/storage/snapshot/snapshot_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/system_calls.h"

namespace quorate::storage {
namespace {

namespace fs = std::filesystem;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void SetBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Waits for the end: the meta record, or the error.
Result<StateMeta> Backup(LmdbStateStore& state, const std::string& path) {
  Waker waker;
  BackupWriter writer(state, path, {.wake = [&waker] { waker.Wake(); }});
  std::optional<Result<StateMeta>> finished;
  waker.WaitUntil([&] {
    finished = writer.TakeFinished();
    return finished.has_value();
  });
  return std::move(*finished);
}

class BackupTest : public testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value) {
    Apply(keys_, [&] { WriteView(keys_, 0).PutString(key, value); });
  }
  // What is wrong with the file, or nothing.
  std::string Wrong() {
    const Result<StateMeta> verified = VerifyBackup(path_);
    return verified.ok() ? "" : verified.error();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "dump.quorate";
  std::unique_ptr<LmdbStateStore> state_ = MakeState(directory_ / "state");
  KeySpace keys_{*state_, {}};
};

TEST_F(BackupTest, HoldsTheNewestCheckpoint) {
  Random random(1);
  for (int i = 0; i < 500; ++i) Put(std::to_string(i), random.Bytes(random.Below(3000)));
  Put(std::string(5000, 'k'), random.Bytes(2 << 20));
  Checkpointed(keys_, *state_);
  const Result<StateMeta> made = Backup(*state_, path_);
  ASSERT_TRUE(made.ok()) << made.error();
  EXPECT_EQ(made.value(), state_->meta());
  EXPECT_EQ(ReadBackupMeta(path_).value(), state_->meta());
  EXPECT_EQ(Wrong(), "");
  EXPECT_FALSE(fs::exists(path_ + ".new"));
}

TEST_F(BackupTest, OfAnEmptyStateIsABackup) {
  ASSERT_TRUE(Backup(*state_, path_).ok());
  EXPECT_EQ(Wrong(), "");
}

TEST_F(BackupTest, DamageIsRefusedWithItsPlace) {
  for (int i = 0; i < 20; ++i) Put(std::to_string(i), "value");
  Checkpointed(keys_, *state_);
  ASSERT_TRUE(Backup(*state_, path_).ok());
  const std::string intact = Bytes(path_);
  ASSERT_LT(intact.size(), 4096U);
  for (size_t at = 0; at < intact.size(); ++at) {
    std::string damaged = intact;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    SetBytes(path_, damaged);
    EXPECT_CONTAINS(Wrong(), path_ + ": ") << at;
    SetBytes(path_, intact.substr(0, at));
    EXPECT_CONTAINS(Wrong(), path_ + ": byte ") << at;
  }
  SetBytes(path_, intact + "x");
  EXPECT_CONTAINS(Wrong(), "byte " + std::to_string(intact.size()) + ": something follows the end");
  SetBytes(path_, intact.substr(0, intact.size() - 1));
  EXPECT_CONTAINS(Wrong(), "cut short");
  std::string damaged = intact;
  damaged[damaged.find("value")] ^= 1;
  SetBytes(path_, damaged);
  EXPECT_CONTAINS(Wrong(), "a chunk is damaged: its checksum is wrong");
  damaged = intact;
  damaged[16] = 77;
  SetBytes(path_, damaged);
  EXPECT_CONTAINS(Wrong(), "the data was written by a newer version of Quorate");
  damaged[16] = 3;
  SetBytes(path_, damaged);
  EXPECT_CONTAINS(Wrong(), "the data was written by Quorate 0.1");
  EXPECT_CONTAINS(Wrong(), "copy its keys to a new cluster");
  SetBytes(path_, "REDIS0009\372\tredis-ver\0066.0.16 and so on");
  EXPECT_CONTAINS(Wrong(), "is no backup of Quorate's");
  EXPECT_CONTAINS(VerifyBackup(path_ + "-not").error(), "cannot be opened: No such file");
}

// Chunks that are intact, and not those of this file: swapped, or missing.
TEST_F(BackupTest, ChunksHaveTheirPlaces) {
  for (int i = 0; i < 300; ++i) Put(std::to_string(i), std::string(3000, 'x'));
  Checkpointed(keys_, *state_);
  ASSERT_TRUE(Backup(*state_, path_).ok());
  const std::string intact = Bytes(path_);
  const size_t first = 16 + 8 + EncodeStateMeta(state_->meta(), kAnyTransaction).size();
  const auto chunk_bytes = [&](size_t at) { return 8 + GetInteger<uint32_t>(intact.data() + at); };
  const size_t second = first + chunk_bytes(first);
  const size_t third = second + chunk_bytes(second);
  SetBytes(path_, intact.substr(0, first) + intact.substr(second));
  EXPECT_CONTAINS(Wrong(), "byte " + std::to_string(first) + ": a chunk is damaged");
  SetBytes(path_, intact.substr(0, first) + intact.substr(second, third - second) +
                      intact.substr(first, second - first) + intact.substr(third));
  EXPECT_CONTAINS(Wrong(), "byte " + std::to_string(first) + ": a chunk is damaged");
}

TEST_F(BackupTest, AFailureLeavesTheLastOneThere) {
  Put("key", "value");
  Checkpointed(keys_, *state_);
  ASSERT_TRUE(Backup(*state_, path_).ok());
  const std::string before = Bytes(path_);
  Put("key", "other");
  Checkpointed(keys_, *state_);
  fs::create_directory(path_ + ".new");  // stands in its way
  const Result<StateMeta> failed = Backup(*state_, path_);
  ASSERT_FALSE(failed.ok());
  EXPECT_CONTAINS(failed.error(), "cannot be opened: Is a directory");
  EXPECT_EQ(Bytes(path_), before);
  fs::remove(path_ + ".new");
  ASSERT_TRUE(Backup(*state_, path_).ok());
  EXPECT_NE(Bytes(path_), before);
  EXPECT_FALSE(Backup(*state_, directory_ / "no/such/folder").ok());
}

// A backup that ends suddenly, at each of its steps: there is the one before, or the new one.
TEST_F(BackupTest, IsWholeOrNotThere) {
  Put("key", "value");
  Checkpointed(keys_, *state_);
  const StateMeta before = state_->meta();
  ASSERT_TRUE(Backup(*state_, path_).ok());
  Put("other", std::string(300'000, 'x'));
  Checkpointed(keys_, *state_);
  const StateMeta after = state_->meta();
  state_.reset();
  constexpr int kEnded = 42;
  uint64_t call = 0;
  for (int status = kEnded; status == kEnded;) {
    ++call;
    status = RunChild([&] {
      const auto state = OpenState(directory_ / "state");
      system_calls::EndProcessBefore(call, kEnded);
      return Backup(*state, path_).ok() ? 0 : 1;
    });
    ASSERT_TRUE(status == kEnded || status == 0) << status;
    const Result<StateMeta> found = VerifyBackup(path_);
    ASSERT_TRUE(found.ok()) << found.error();
    ASSERT_TRUE(found.value() == before || found.value() == after);
    if (status == 0) {
      EXPECT_EQ(found.value(), after);
    }
  }
  EXPECT_GT(call, 5U);
}

TEST_F(BackupTest, MayBeGivenUp) {
  for (int i = 0; i < 2000; ++i) Put(std::to_string(i), std::string(3000, 'x'));
  Checkpointed(keys_, *state_);
  for (int i = 0; i < 10; ++i) BackupWriter(*state_, path_, {});
  EXPECT_FALSE(fs::exists(path_ + ".new"));
}

// --- Restoring ---

TEST_F(BackupTest, BeginsANewCluster) {
  for (int i = 0; i < 300; ++i) Put(std::to_string(i), std::string(3000, 'x'));
  keys_.BeginEntry(keys_.last_applied() + 1, Term(4), {}, 0);
  const consensus::Founding founding = consensus::DrawFounding();
  keys_.SetFounding(Encode(founding));
  consensus::Configuration members_before;
  members_before.feature_level = 3;
  keys_.SetConfiguration(Encode(members_before));
  keys_.EndEntry();
  Checkpointed(keys_, *state_);
  ASSERT_TRUE(Backup(*state_, path_).ok());

  consensus::Configuration members;
  members.members = {{.id = NodeId(1), .voter = true, .address = "here"},
                     {.id = NodeId(2), .voter = true, .address = "there"}};
  members.next_id = NodeId(3);
  const Identity identity{.cluster_id = 0x77, .node_id = NodeId(2), .members = "m"};
  const StorageOptions options = SmallJournal(Encode(members));
  const std::string folder = directory_ / "restored";
  const Status restored = RestoreInto(folder, identity, path_, options);
  ASSERT_TRUE(restored.ok()) << restored.error();
  for (int start = 0; start < 2; ++start) {
    const Result<OpenedStorage> opened = OpenStorage(folder, identity, options);
    ASSERT_TRUE(opened.ok()) << opened.error();
    const consensus::Recovered& recovered = opened.value().recovered;
    EXPECT_EQ(recovered.base_index, Index(301));
    EXPECT_EQ(recovered.base_term, Term(4));
    EXPECT_EQ(recovered.last_index, Index(301));
    EXPECT_EQ(recovered.last_applied, Index(301));
    EXPECT_EQ(recovered.origin_index, Index(301));
    consensus::Configuration members_at_level = members;
    members_at_level.feature_level = 3;  // the state is of that level
    EXPECT_EQ(recovered.configuration, members_at_level);
    EXPECT_EQ(recovered.configuration_index, Index(301));
    // Another cluster, with the old one's rows: what they are hashed with stays.
    EXPECT_EQ(recovered.founding, consensus::FoundingId());
    const consensus::Founding next = FoundingOfNext(opened.value().state->meta());
    EXPECT_NE(next.id, founding.id);
    EXPECT_EQ(next.hash_secret, founding.hash_secret);
    EXPECT_EQ(recovered.hard_state, (consensus::HardState{Term(4), NodeId()}));
    EXPECT_EQ(opened.value().state->meta().digest(), keys_.digest());
    EXPECT_EQ(opened.value().state->meta().revision, keys_.revision());
    EXPECT_TRUE(opened.value().state->VerifyRows().ok());
  }
  // Into an empty folder only.
  const Status again = RestoreInto(folder, identity, path_, options);
  ASSERT_FALSE(again.ok());
  EXPECT_CONTAINS(again.error(), "the folder holds data");
}

// A member that has lost its folder may have been restored once more; it is replaced like any
// other.
TEST_F(BackupTest, WhatHoldsNothingElseCanBecomeAnothersFolder) {
  Put("key", "value");
  Checkpointed(keys_, *state_);
  ASSERT_TRUE(Backup(*state_, path_).ok());
  const Identity identity{.cluster_id = 0x77, .node_id = NodeId(2), .members = "m"};
  const Identity next{.cluster_id = 0x77, .node_id = NodeId(4), .members = "", .joined = true};
  const std::string folder = directory_ / "restored";
  const std::string written = directory_ / "written";
  for (const std::string& path : {folder, written}) {
    ASSERT_TRUE(RestoreInto(path, identity, path_, SmallJournal()).ok());
  }
  ASSERT_TRUE(AdoptIdentity(folder, next, false, SmallJournal()).ok());
  {
    const Result<OpenedStorage> opened = OpenStorage(folder, next, SmallJournal());
    ASSERT_TRUE(opened.ok()) << opened.error();
    EXPECT_EQ(opened.value().recovered.last_index, Index(0));
    EXPECT_EQ(opened.value().state->meta().key_count(), 0U);
  }
  // One that has an entry behind the backup has acknowledged it.
  {
    const Result<OpenedStorage> opened = OpenStorage(written, identity, SmallJournal());
    ASSERT_TRUE(opened.ok()) << opened.error();
    const auto write = Chains(opened.value().recovered).Link(MakeWrite(1, MakeEntries(2, 2, 1)));
    ASSERT_TRUE(opened.value().log->Commit(std::vector{write}, std::nullopt).ok());
  }
  const Status refused = AdoptIdentity(written, next, false, SmallJournal());
  ASSERT_FALSE(refused.ok());
  EXPECT_CONTAINS(refused.error(), "the folder holds data");
}

TEST_F(BackupTest, ADamagedOneIsNotRestored) {
  for (int i = 0; i < 300; ++i) Put(std::to_string(i), std::string(3000, 'x'));
  Checkpointed(keys_, *state_);
  ASSERT_TRUE(Backup(*state_, path_).ok());
  const std::string intact = Bytes(path_);
  const Identity identity{.cluster_id = 0x77, .node_id = NodeId(2), .members = "m"};
  const std::string folder = directory_ / "restored";
  SetBytes(path_, intact.substr(0, intact.size() / 2));
  const Status cut = RestoreInto(folder, identity, path_, SmallJournal());
  ASSERT_FALSE(cut.ok());
  EXPECT_CONTAINS(cut.error(), path_ + ": byte ");
  EXPECT_FALSE(ReadIdentity(folder, SmallJournal()).value());
  SetBytes(path_, intact);
  EXPECT_TRUE(RestoreInto(folder, identity, path_, SmallJournal()).ok());
}

}  // namespace
}  // namespace quorate::storage
