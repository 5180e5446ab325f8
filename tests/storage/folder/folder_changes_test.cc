// Another identity for a folder.

#include "storage/folder/folder_changes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "consensus/configuration.h"
#include "storage/folder/folder_recovery.h"
#include "storage/keyspace/database_view.h"
#include "tests/storage/snapshot/snapshot_fixture.h"

namespace quorate::storage {
namespace {

namespace fs = std::filesystem;
using consensus::Configuration;
using consensus::Entry;
using consensus::EntryKind;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

Identity Alone() { return {.cluster_id = 0x111, .node_id = NodeId(1), .members = ""}; }
Identity Joined() {
  return {.cluster_id = 0xabc, .node_id = NodeId(4), .members = "", .joined = true};
}
Identity Refounded() { return {.cluster_id = 0xdef, .node_id = NodeId(1), .members = "alone"}; }

Configuration Members(uint64_t count) {
  Configuration configuration;
  for (uint64_t id = 1; id <= count; ++id) {
    configuration.members.push_back(
        {.id = NodeId(id), .voter = true, .address = "host-" + std::to_string(id)});
  }
  configuration.next_id = NodeId(count + 1);
  return configuration;
}

Entry ConfigurationEntry(uint64_t index, uint64_t term, const Configuration& configuration) {
  Entry entry = MakeEntry(index, term, Encode(configuration));
  entry.kind = EntryKind::kConfiguration;
  return entry;
}

class FolderChangesTest : public testing::Test {
 protected:
  OpenedStorage Open(const Configuration& configuration = {}) {
    StorageOptions options = SmallJournal();
    if (!configuration.members.empty()) options.initial_configuration = Encode(configuration);
    std::optional<Identity> identity;
    if (!fs::exists(path_)) identity = Alone();
    Result<OpenedStorage> opened = OpenStorage(path_, identity, options);
    EXPECT_TRUE(opened.ok()) << opened.error();
    return std::move(opened.value());
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "data";
};

// --- Members in log and state ---

TEST_F(FolderChangesTest, AFirstStartBeginsWithTheGivenMembers) {
  EXPECT_EQ(Open(Members(3)).recovered.configuration, Members(3));
  // Those given later do not count.
  const OpenedStorage storage = Open(Members(5));
  EXPECT_EQ(storage.recovered.configuration, Members(3));
  EXPECT_EQ(storage.recovered.configuration_index, Index(0));
  EXPECT_FALSE(storage.recovered.joined);
}

TEST_F(FolderChangesTest, MembersComeFromTheStateAndFromTheLogBehindIt) {
  {
    OpenedStorage storage = Open(Members(1));
    std::vector<Entry> entries = MakeEntries(1, 9, 1);
    entries[1] = ConfigurationEntry(2, 1, Members(2));
    entries[3] = ConfigurationEntry(4, 1, Members(3));
    entries[6] = ConfigurationEntry(7, 1, Members(4));
    entries[8] = ConfigurationEntry(9, 1, Members(5));
    ASSERT_TRUE(storage.log->Commit(std::vector{MakeWrite(1, entries)}, std::nullopt).ok());
    KeySpace keys(*storage.state, {});
    for (size_t i = 0; i < 5; ++i) {
      keys.BeginEntry(entries[i].index, entries[i].term,
                      storage.log->ChainAt(entries[i].index).value(), 0);
      if (entries[i].kind == EntryKind::kConfiguration) {
        keys.SetConfiguration(entries[i].payload.bytes());
      }
      keys.EndEntry();
    }
    Checkpointed(keys, *storage.state);
  }
  const OpenedStorage storage = Open();
  EXPECT_EQ(storage.recovered.configuration, Members(3));
  EXPECT_EQ(storage.recovered.configuration_index, Index(4));
  const std::vector<std::pair<Index, Configuration>> behind = {{Index(7), Members(4)},
                                                               {Index(9), Members(5)}};
  EXPECT_EQ(storage.recovered.configurations, behind);
}

TEST_F(FolderChangesTest, MembersThatCannotBeReadAreRefused) {
  {
    OpenedStorage storage = Open(Members(1));
    std::vector<Entry> entries = MakeEntries(1, 1, 1);
    entries[0].kind = EntryKind::kConfiguration;
    ASSERT_TRUE(storage.log->Commit(std::vector{MakeWrite(1, entries)}, std::nullopt).ok());
  }
  const Result<OpenedStorage> opened = OpenStorage(path_, std::nullopt, SmallJournal());
  ASSERT_FALSE(opened.ok());
  EXPECT_CONTAINS(opened.error(), "log entry 1 sets members that cannot be read");
}

// --- Adopting an identity ---

TEST_F(FolderChangesTest, AFolderWithoutDataAdoptsAnIdentity) {
  {
    // As a single server leaves it that has served nobody: it has voted for itself.
    OpenedStorage storage = Open(Members(1));
    std::vector<Entry> entries = {ConfigurationEntry(1, 1, Members(1))};
    consensus::Persist write = MakeWrite(1, entries);
    write.hard_state = HardState{Term(1), NodeId(1)};
    ASSERT_TRUE(storage.log->Commit(std::vector{write}, std::nullopt).ok());
  }
  const Status adopted = AdoptIdentity(path_, Joined(), false, SmallJournal());
  ASSERT_TRUE(adopted.ok()) << adopted.error();
  const Result<std::optional<Identity>> identity = ReadIdentity(path_, SmallJournal());
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity.value(), Joined());
  const OpenedStorage storage = Open();
  EXPECT_EQ(storage.identity, Joined());
  EXPECT_TRUE(storage.log->pristine());
  EXPECT_EQ(storage.state->meta(), StateMeta());
  EXPECT_TRUE(storage.recovered.joined);
  EXPECT_EQ(storage.recovered.configuration, Configuration());
  EXPECT_FALSE(fs::exists(path_ + "/change"));
}

TEST_F(FolderChangesTest, AFolderWithDataKeepsItsIdentity) {
  {
    OpenedStorage storage = Open();
    ASSERT_TRUE(
        storage.log->Commit(std::vector{MakeWrite(1, MakeEntries(1, 3, 1))}, std::nullopt).ok());
  }
  Status adopted = AdoptIdentity(path_, Joined(), false, SmallJournal());
  ASSERT_FALSE(adopted.ok());
  EXPECT_CONTAINS(adopted.error(), "the folder holds data");
  {
    // Applied, and deleted again since: it was written to.
    OpenedStorage storage = Open();
    KeySpace keys(*storage.state, {});
    Apply(keys, [&] { WriteView(keys, 0).PutString("key", "value"); });
    Apply(keys, [&] { keys.Delete(0, "key"); });
    Apply(
        keys, [] {}, storage.log->ChainAt(Index(3)).value());
    Checkpointed(keys, *storage.state);
  }
  adopted = AdoptIdentity(path_, Joined(), false, SmallJournal());
  ASSERT_FALSE(adopted.ok());
  const OpenedStorage storage = Open();
  EXPECT_EQ(storage.identity, Alone());
  EXPECT_EQ(storage.recovered.last_applied, Index(3));
}

// A member whose data was put back is replaced by another one at the same place.
TEST_F(FolderChangesTest, AFolderWithDataAdoptsAnIdentityWhenItIsTold) {
  {
    OpenedStorage storage = Open();
    consensus::Persist write = MakeWrite(1, MakeEntries(1, 3, 1));
    write.ledger = "of its starts";
    ASSERT_TRUE(storage.log->Commit(std::vector{write}, std::nullopt).ok());
  }
  const Status adopted = AdoptIdentity(path_, Joined(), true, SmallJournal());
  ASSERT_TRUE(adopted.ok()) << adopted.error();
  const OpenedStorage storage = Open();
  EXPECT_EQ(storage.identity, Joined());
  EXPECT_TRUE(storage.log->pristine());
  EXPECT_EQ(storage.recovered.ledger, "");
}

// --- A new cluster out of a survivor ---

TEST_F(FolderChangesTest, ASurvivorBecomesAClusterOfItsOwn) {
  const consensus::Founding before = consensus::DrawFounding();
  {
    OpenedStorage storage = Open(Members(3));
    std::vector<Entry> entries = MakeEntries(1, 9, 5);
    entries[7] = {Term(5), Index(8), EntryKind::kFounding, consensus::Payload(Encode(before))};
    Configuration newest = Members(5);
    newest.feature_level = 3;
    entries.push_back(ConfigurationEntry(10, 5, newest));
    consensus::Persist write = MakeWrite(1, entries);
    write.ledger = "of its starts";
    ASSERT_TRUE(storage.log->Commit(std::vector{write}, Index(2)).ok());
    ApplyEntries(storage, 6, 5, 1);
  }
  const Status forced = ForceNewCluster(path_, Refounded(), "here", SmallJournal());
  ASSERT_TRUE(forced.ok()) << forced.error();
  for (int start = 0; start < 2; ++start) {
    const OpenedStorage storage = Open();
    EXPECT_EQ(storage.identity, Refounded());
    EXPECT_EQ(storage.state->identity(), Refounded());
    const consensus::Recovered& recovered = storage.recovered;
    EXPECT_EQ(recovered.base_index, Index(2));
    EXPECT_EQ(recovered.last_applied, Index(6));
    EXPECT_EQ(recovered.last_index, Index(12));
    EXPECT_NE(recovered.founding, consensus::FoundingId());
    EXPECT_EQ(recovered.hard_state, (HardState{Term(6), NodeId()}));
    EXPECT_EQ(recovered.terms.back(), (consensus::TermRun{Term(6), Index(11)}));
    ASSERT_EQ(recovered.configurations.size(), 2U);
    Configuration only = Members(1);  // where it was
    only.next_id = NodeId(6);         // ids are not used again
    only.feature_level = 3;           // nor does the level fall
    EXPECT_EQ(recovered.configurations[1].first, Index(11));
    EXPECT_EQ(recovered.configurations[1].second, only);
    EXPECT_EQ(ReadAll(*storage.log).size(), 10U);
    const Entry founding = ReadAll(*storage.log).back();
    ASSERT_EQ(founding.kind, EntryKind::kFounding);
    const consensus::Founding found = *consensus::DecodeFounding(founding.payload.bytes());
    EXPECT_EQ(found.id, recovered.founding);
    EXPECT_NE(found.id, before.id);
    EXPECT_EQ(found.hash_secret, before.hash_secret);
    EXPECT_EQ(recovered.ledger, "");  // nobody in the new cluster has known it
  }
}

TEST_F(FolderChangesTest, ASurvivorThatKnowsNoAddressOfItsOwnIsGivenOne) {
  {
    OpenedStorage storage = Open(Members(3));
    Configuration others = Members(3);
    others.members.erase(others.members.begin());
    const auto write = MakeWrite(1, {ConfigurationEntry(1, 1, others)});
    ASSERT_TRUE(storage.log->Commit(std::vector{write}, std::nullopt).ok());
  }
  ASSERT_TRUE(ForceNewCluster(path_, Refounded(), "here", SmallJournal()).ok());
  Configuration only = Members(1);
  only.members[0].address = "here";
  only.next_id = NodeId(4);
  EXPECT_EQ(Open().recovered.configurations.back().second, only);
}

TEST_F(FolderChangesTest, ANewClusterIsNotForcedOnAnEmptyFolder) {
  Open(Members(3));
  const Status forced = ForceNewCluster(path_, Refounded(), "here", SmallJournal());
  ASSERT_FALSE(forced.ok());
  EXPECT_CONTAINS(forced.error(), "the folder holds no entry");
  EXPECT_EQ(Open().identity, Alone());
}

TEST_F(FolderChangesTest, ANewClusterIsNotForcedOnAnothersFolder) {
  {
    const OpenedStorage storage = Open(Members(3));
    const auto write = MakeWrite(1, MakeEntries(1, 1, 1));
    ASSERT_TRUE(storage.log->Commit(std::vector{write}, std::nullopt).ok());
  }
  Identity other = Refounded();
  other.node_id = NodeId(2);
  const Status forced = ForceNewCluster(path_, other, "here", SmallJournal());
  ASSERT_FALSE(forced.ok());
  EXPECT_CONTAINS(forced.error(), "belongs to node 1 of cluster 0000000000000111, and cannot");
  // Nor twice, which would only add an entry each time.
  ASSERT_TRUE(ForceNewCluster(path_, Refounded(), "here", SmallJournal()).ok());
  EXPECT_FALSE(ForceNewCluster(path_, Refounded(), "here", SmallJournal()).ok());
}

// --- The decision's file ---

TEST(FolderChange, GivesBackWhatWentInAndNoChangeGoesUnnoticed) {
  const FolderChange change{.kind = FolderChange::Kind::kRefound,
                            .identity = Refounded(),
                            .configuration = Encode(Members(1)),
                            .founding = "founding"};
  const std::string record = EncodeFolderChange(change);
  EXPECT_EQ(DecodeFolderChange(record), change);
  for (size_t at = 0; at < record.size(); ++at) {
    std::string damaged = record;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_FALSE(DecodeFolderChange(damaged)) << at;
    EXPECT_FALSE(DecodeFolderChange(record.substr(0, at))) << at;
  }
}

TEST_F(FolderChangesTest, ADamagedDecisionIsRefused) {
  Open(Members(1));
  std::ofstream(path_ + "/change") << "damaged";
  const Result<OpenedStorage> opened = OpenStorage(path_, std::nullopt, SmallJournal());
  ASSERT_FALSE(opened.ok());
  EXPECT_CONTAINS(opened.error(), "/change: the file is damaged");
}

}  // namespace
}  // namespace quorate::storage
