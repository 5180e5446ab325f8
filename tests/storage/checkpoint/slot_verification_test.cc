// Pages of a stopped node's state that were damaged, each in one chosen way: no read of a key gives
// "there is none", or an older value, before the background verification has looked at anything.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "storage/keyspace/database_view.h"
#include "storage/keyspace/row_key.h"
#include "storage/snapshot/backup.h"
#include "tests/storage/checkpoint/state_fixture.h"
#include "tests/storage/support/child_process.h"
#include "tests/storage/support/lmdb_pages.h"

namespace quorate::storage {
namespace {

using Node = LmdbPages::Node;

constexpr int kNoticed = 7;
constexpr int kWrong = 8;

class SlotVerification : public testing::Test {
 protected:
  // Keys of the tag's slot, all of one length, so that any may be written over any.
  static std::string Key(const std::string& tag, int number) {
    std::string digits = std::to_string(number);
    return "{" + tag + "}" + std::string(5 - digits.size(), '0') + digits;
  }

  static std::string RowKeyOf(std::string_view key) {
    return std::string(RowKey({}, DatabaseId{}, key).bytes());
  }
  // One of them by its place in the order of the rows.
  static std::string InOrder(const std::string& tag, size_t at) {
    std::vector<std::string> keys;
    for (int number = 0; number < kKeys; ++number) keys.push_back(Key(tag, number));
    std::sort(keys.begin(), keys.end(), [](const std::string& left, const std::string& right) {
      return RowKeyOf(left) < RowKeyOf(right);
    });
    return keys[at];
  }

  void SetUp() override {
    const auto state = MakeState(path_);
    file_ = state->file();
    KeySpace keys(*state, {});
    for (const std::string tag : {"a", "b", "c"}) {
      for (int number = 0; number < kKeys; ++number) {
        Apply(keys, [&] { WriteView(keys, 0).PutString(Key(tag, number), "old"); });
      }
    }
    Checkpointed(keys, *state);
    earlier_.emplace(file_);
    for (const std::string tag : {"a", "b", "c"}) {
      for (int number = 0; number < kKeys; ++number) {
        Apply(keys, [&] { WriteView(keys, 0).PutString(Key(tag, number), "new"); });
      }
    }
    Apply(keys, [&] { WriteView(keys, 0).PutString("{large}1", std::string(20'000, '1')); });
    Apply(keys, [&] { WriteView(keys, 0).PutString("{large}2", std::string(20'000, '2')); });
    Apply(keys, [&] { WriteView(keys, 0).PutString("{large}3", "small"); });
    Checkpointed(keys, *state);
  }

  // In a process of its own: damage ends it, with a text that has this part.
  int Run(const std::string& text_part, const std::function<int(LmdbStateStore& state)>& body) {
    return RunChild([&] {
      LmdbStateStore::Options options;
      options.fatal = [&](const std::string& text) {
        if (text.find(text_part) == std::string::npos) std::fprintf(stderr, "%s\n", text.c_str());
        _exit(text.find(text_part) == std::string::npos ? kWrong : kNoticed);
      };
      auto opened = LmdbStateStore::Open(path_, options);
      if (!opened.ok()) {
        options.fatal(opened.error());
        return kWrong;
      }
      return body(*opened.value());
    });
  }
  int ReadOne(const std::string& text_part, const std::string& key) {
    return Run(text_part, [&](LmdbStateStore& state) {
      const auto record = state.Find(DatabaseId{}, key);
      std::fprintf(stderr, "%s: %s\n", key.c_str(),
                   record ? std::string(record->value).c_str() : "(none)");
      return 0;
    });
  }
  // Each key of the slot alone, as the first that is read.
  void ExpectNoticedAtEveryKey(const std::string& tag, const std::string& text_part) {
    for (int number = 0; number < kKeys; number += 7) {
      ASSERT_EQ(ReadOne(text_part, Key(tag, number)), kNoticed) << Key(tag, number);
    }
    // A nil, too.
    ASSERT_EQ(ReadOne(text_part, "{" + tag + "}none"), kNoticed);
  }
  void ExpectIntact(const std::vector<std::string>& tags) {
    EXPECT_EQ(Run("",
                  [&](LmdbStateStore& state) {
                    for (const std::string& tag : tags) {
                      if (state.Find(DatabaseId{}, "{" + tag + "}none")) return 1;
                      for (int number = 0; number < kKeys; ++number) {
                        const auto record = state.Find(DatabaseId{}, Key(tag, number));
                        if (!record || record->value != "new") return 2;
                      }
                    }
                    return 0;
                  }),
              0);
  }

  std::vector<Node> PathTo(const LmdbPages& pages, const std::string& key) const {
    return pages.Path("keys", RowKeyOf(key));
  }
  // The node of a branch that leads to the leaf of that key.
  Node LeadingTo(const LmdbPages& pages, const std::string& key) const {
    const std::vector<Node> path = PathTo(pages, key);
    return path[path.size() - 2];
  }

  static constexpr int kKeys = 300;  // a few leaves
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "state";
  std::string file_;
  std::optional<LmdbPages> earlier_;  // with the first values
};

TEST_F(SlotVerification, FindsNothingWhereNothingIsDamaged) { ExpectIntact({"a", "b", "c", "a"}); }

TEST_F(SlotVerification, NoticesAChangedKey) {
  LmdbPages pages(file_);
  const Node node = PathTo(pages, InOrder("b", 150)).back();
  ++*(pages.At(pages.Key(node)) + pages.Key(node).size() - 1);
  pages.Save();
  ExpectNoticedAtEveryKey("b", "is damaged: its checksum is wrong");
  ExpectIntact({"a", "c"});
}

TEST_F(SlotVerification, NoticesAChangedValue) {
  LmdbPages pages(file_);
  const Node node = PathTo(pages, InOrder("b", 150)).back();
  *(pages.At(pages.Data(node)) + pages.Data(node).size() - 1) ^= 1;
  pages.Save();
  ExpectNoticedAtEveryKey("b", "is damaged: its checksum is wrong");
  ExpectIntact({"a", "c"});
}

// The rows are all there, and a cursor passes them all, but lookups go past some.
TEST_F(SlotVerification, NoticesADamagedSeparator) {
  for (const int to : {120, 180}) {
    LmdbPages pages(file_);
    const LmdbPages intact = pages;
    const Node separator = LeadingTo(pages, InOrder("b", 150));
    ASSERT_GT(separator.number, 0U);
    const std::string key = RowKeyOf(InOrder("b", to));
    ASSERT_NE(pages.Key(separator), key);
    std::copy(key.begin(), key.end(), pages.At(pages.Key(separator)));
    pages.Save();
    ExpectNoticedAtEveryKey("b", "a lookup does not find the row");
    ExpectIntact({"a", "c"});
    intact.Save();
  }
}

TEST_F(SlotVerification, NoticesThePageOfAnotherSlot) {
  LmdbPages pages(file_);
  const Node here = LeadingTo(pages, InOrder("b", 150));
  const Node there = LeadingTo(pages, InOrder("c", 150));
  const size_t child = pages.Child(here);
  pages.SetChild(here, pages.Child(there));
  pages.SetChild(there, child);
  pages.Save();
  ExpectNoticedAtEveryKey("b", "the checkpoint is damaged");
  ExpectNoticedAtEveryKey("c", "the checkpoint is damaged");
  ExpectIntact({"a"});
}

// Every row is intact and where it should be, and out of date.
TEST_F(SlotVerification, NoticesAnOlderPage) {
  LmdbPages pages(file_);
  const Node here = LeadingTo(pages, InOrder("b", 150));
  const Node before = LeadingTo(*earlier_, InOrder("b", 150));
  ASSERT_NE(pages.Child(here), earlier_->Child(before));
  pages.CopyPage(*earlier_, earlier_->Child(before), pages.Child(here));
  pages.Save();
  ExpectNoticedAtEveryKey("b", "the checkpoint is damaged");
}

TEST_F(SlotVerification, NoticesALostRow) {
  LmdbPages pages(file_);
  pages.Remove(PathTo(pages, InOrder("b", 150)).back());
  pages.Save();
  ExpectNoticedAtEveryKey("b", "has 299 keys and should have 300");
  ExpectIntact({"a", "c"});
}

TEST_F(SlotVerification, NoticesALostPage) {
  LmdbPages pages(file_);
  pages.Remove(LeadingTo(pages, InOrder("b", 150)));
  pages.Save();
  ExpectNoticedAtEveryKey("b", "the checkpoint is damaged");
}

TEST_F(SlotVerification, NoticesARowTwice) {
  LmdbPages pages(file_);
  pages.RepeatPrevious(PathTo(pages, InOrder("b", 150)).back());
  pages.Save();
  ExpectNoticedAtEveryKey("b", "its rows are not in order");
  ExpectIntact({"a", "c"});
}

// A slot's only key is deleted. The leaf behind is an older copy of the one before it, where the
// key still was, and damage has lookups of the key end there. A cursor that looks for the slot
// meets another slot's row at once.
TEST_F(SlotVerification, NoticesARowBehindTheSlotsEnd) {
  std::string deleted;  // in a slot of its own, within a leaf of others
  {
    const auto state = OpenState(path_);
    KeySpace keys(*state, {});
    // All of one length, and between the slots of the keys above.
    for (int number = 0; number < 3000; ++number) {
      const std::string digits = std::to_string(10000 + number);
      Apply(keys, [&] { WriteView(keys, 0).PutString("key" + digits, "old"); });
    }
    Checkpointed(keys, *state);
  }
  const LmdbPages with_it(file_);
  std::vector<Node> path;
  for (int number = 0; number < 3000; ++number) {
    const std::string key = "key" + std::to_string(10000 + number);
    path = PathTo(with_it, key);
    const Node leaf = path.back();
    const Node branch = path[path.size() - 2];
    const uint16_t slot = KeySlot(key);
    const auto slot_at = [&](size_t at) { return SlotOfRow(with_it.Key({leaf.page, at})); };
    const size_t count = with_it.NodeCount(leaf.page);
    if (leaf.number < 5 || leaf.number + 5 > count || slot_at(leaf.number - 1) == slot ||
        slot_at(leaf.number + 1) == slot || branch.number + 2 > with_it.NodeCount(branch.page)) {
      continue;
    }
    const Node next{branch.page, branch.number + 1};
    if (with_it.Key(next).size() != RowKeyOf(key).size()) continue;
    deleted = key;
    break;
  }
  ASSERT_FALSE(deleted.empty());
  {
    const auto state = OpenState(path_);
    KeySpace keys(*state, {});
    Apply(keys, [&] { keys.Delete(0, deleted); });
    Checkpointed(keys, *state);
    EXPECT_FALSE(state->Find(DatabaseId{}, deleted));
  }
  LmdbPages pages(file_);
  const Node here = LeadingTo(pages, deleted);
  const Node next{here.page, here.number + 1};
  const size_t next_leaf = pages.Child(next);
  pages.CopyPage(with_it, path.back().page, next_leaf);
  const std::string row_key = RowKeyOf(deleted);
  ASSERT_EQ(pages.Key(next).size(), row_key.size());
  std::copy(row_key.begin(), row_key.end(), pages.At(pages.Key(next)));
  // The leaf before ends at the slot.
  const Node behind = PathTo(with_it, deleted).back();
  const size_t leaf = pages.Child(here);
  while (pages.NodeCount(leaf) > behind.number) pages.Remove({leaf, behind.number});
  pages.Save();
  EXPECT_EQ(ReadOne("does not end where the next one begins", deleted), kNoticed);
}

// --- Values in pages of their own ---

// What is read is verified; what is not read does not have to be.
TEST_F(SlotVerification, VerifiesALargeValueWhenItIsRead) {
  LmdbPages pages(file_);
  const Node node = PathTo(pages, "{large}1").back();
  ASSERT_TRUE(pages.HasOwnPages(node));
  *(pages.OwnPage(node) + 9000) ^= 1;
  pages.Save();
  EXPECT_EQ(ReadOne("is damaged: its checksum is wrong", "{large}1"), kNoticed);
  EXPECT_EQ(Run("",
                [](LmdbStateStore& state) {
                  return state.Find(DatabaseId{}, "{large}2")->value == std::string(20'000, '2') &&
                                 state.Find(DatabaseId{}, "{large}3")->value == "small"
                             ? 0
                             : 1;
                }),
            0);
}

TEST_F(SlotVerification, NoticesALargeValueOfAnotherKey) {
  LmdbPages pages(file_);
  const Node one = PathTo(pages, "{large}1").back();
  const Node two = PathTo(pages, "{large}2").back();
  std::swap_ranges(pages.At(pages.Data(one)), pages.At(pages.Data(one)) + sizeof(uint64_t),
                   pages.At(pages.Data(two)));
  pages.Save();
  EXPECT_EQ(ReadOne("has other keys or values", "{large}3"), kNoticed);
}

// --- The sums themselves ---

TEST_F(SlotVerification, RefusesDamagedSums) {
  LmdbPages pages(file_);
  const std::string name = SlotSums::GroupName(DatabaseId{}, SlotSums::GroupOf(KeySlot("b")));
  pages.At(pages.Data(pages.PathInMain(name).back()))[100] ^= 1;
  pages.Save();
  EXPECT_EQ(ReadOne("the record \"" + name + "\" is damaged", "{a}none"), kNoticed);
}

// An intact record, of an earlier checkpoint.
TEST_F(SlotVerification, RefusesOlderSums) {
  LmdbPages pages(file_);
  const std::string name = SlotSums::GroupName(DatabaseId{}, SlotSums::GroupOf(KeySlot("b")));
  const std::string_view older = earlier_->Data(earlier_->PathInMain(name).back());
  const std::string_view newer = pages.Data(pages.PathInMain(name).back());
  ASSERT_EQ(older.size(), newer.size());
  ASSERT_NE(older, newer);
  std::copy(older.begin(), older.end(), pages.At(newer));
  pages.Save();
  EXPECT_EQ(ReadOne("the sums of its slots are not its own", "{a}none"), kNoticed);
}

// --- What goes to other places ---

// Of a snapshot and a backup each row is verified, but rows may be missing. A backup is not made of
// such a state; the receiver of a snapshot refuses the whole (snapshot_transfer_test.cc).
TEST_F(SlotVerification, MakesNoBackupThatLacksARow) {
  const std::string backup = directory_ / "backup";
  const auto make = [&] {
    return RunChild([&] {
      const auto state = OpenState(path_);
      BackupWriter writer(*state, backup, {});
      while (true) {
        if (const auto made = writer.TakeFinished()) return made->ok() ? 0 : kNoticed;
        usleep(100);
      }
    });
  };
  EXPECT_EQ(make(), 0);
  LmdbPages pages(file_);
  pages.Remove(LeadingTo(pages, InOrder("b", 150)));
  pages.Save();
  EXPECT_EQ(make(), kNoticed);
  EXPECT_TRUE(VerifyBackup(backup).ok());  // the one before
}

// --- When a slot counts as verified ---

// The first read of a very large slot would hold up the loop.
TEST_F(SlotVerification, VerifiesAllAtOnceWhereOneSlotIsLarge) {
  {
    const auto state = OpenState(path_);
    KeySpace keys(*state, {});
    for (uint32_t number = 0; number <= LmdbStateStore::kSlotRowsMax; ++number) {
      Apply(keys, [&] { WriteView(keys, 0).PutString("{d}" + std::to_string(number), ""); });
    }
    Checkpointed(keys, *state);
  }
  ExpectIntact({"a", "b", "c"});
  LmdbPages pages(file_);
  pages.Remove(PathTo(pages, InOrder("b", 150)).back());
  pages.Save();
  const auto opened = LmdbStateStore::Open(path_, {});
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().find("has 299 keys and should have 300"), std::string::npos)
      << opened.error();
}

// A write looks at what was there first. Else it would make sums that fit what damage has left.
TEST_F(SlotVerification, NoticesDamageBeforeAWrite) {
  LmdbPages pages(file_);
  pages.Remove(PathTo(pages, InOrder("b", 150)).back());
  pages.Save();
  const auto write = [&](const std::function<void(KeySpace & keys)>& command) {
    return Run("has 299 keys and should have 300", [&](LmdbStateStore& state) {
      KeySpace keys(state, {});
      Apply(keys, [&] { command(keys); });
      return 0;
    });
  };
  EXPECT_EQ(
      write([](KeySpace& keys) { WriteView(keys, 0).PutString(InOrder("b", 150), "newest"); }),
      kNoticed);
  EXPECT_EQ(
      write([](KeySpace& keys) { WriteView(keys, 0).PutString(InOrder("b", 299), "newest"); }),
      kNoticed);
  EXPECT_EQ(write([](KeySpace& keys) { WriteView(keys, 0).PutString("{b}another", "newest"); }),
            kNoticed);
  EXPECT_EQ(write([](KeySpace& keys) { keys.Delete(0, InOrder("b", 150)); }), kNoticed);
}

// As a checkpoint moves rows of slots that nobody has verified, one slot is verified anew in each.
TEST_F(SlotVerification, VerifiesEachCheckpointAnew) {
  EXPECT_EQ(Run("the checkpoint is damaged",
                [&](LmdbStateStore& state) {
                  KeySpace keys(state, {});
                  if (Found(keys, InOrder("b", 150)) != "new") return 1;
                  // Through the page cache, which LMDB's map shows at once.
                  LmdbPages pages(file_);
                  pages.Remove(PathTo(pages, InOrder("b", 150)).back());
                  pages.Save();
                  Apply(keys, [&] { WriteView(keys, 0).PutString(Key("a", 1), "newest"); });
                  Checkpointed(keys, state);
                  Found(keys, InOrder("b", 150));
                  return 2;
                }),
            kNoticed);
}

// Unless all of an earlier checkpoint is known to be intact.
TEST_F(SlotVerification, VerifiesNothingThatIsVerifiedAsAWhole) {
  EXPECT_EQ(Run("",
                [&](LmdbStateStore& state) {
                  KeySpace keys(state, {});
                  state.NoteVerified(state.meta().last_applied);
                  LmdbPages pages(file_);
                  pages.Remove(PathTo(pages, InOrder("b", 150)).back());
                  pages.Save();
                  if (Found(keys, InOrder("b", 151)) != "new") return 1;
                  Apply(keys, [&] { WriteView(keys, 0).PutString(Key("a", 1), "newest"); });
                  Checkpointed(keys, state);
                  return Found(keys, InOrder("b", 149)) == "new" ? 0 : 2;
                }),
            0);
}

// Of what was verified, an older view may have pages that are in none of the newer ones.
TEST_F(SlotVerification, AVerifiedCheckpointSaysNothingOfAnEarlierOne) {
  EXPECT_EQ(Run("has 299 keys and should have 300",
                [&](LmdbStateStore& state) {
                  LmdbPages pages(file_);
                  pages.Remove(PathTo(pages, InOrder("b", 150)).back());
                  pages.Save();
                  state.NoteVerified(state.meta().last_applied + 1);
                  state.Find(DatabaseId{}, InOrder("b", 151));
                  return 0;
                }),
            kNoticed);
}

}  // namespace
}  // namespace quorate::storage
