#include "storage/keyspace/database_view.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/storage/checkpoint/state_fixture.h"

namespace quorate::storage {
namespace {

class DatabaseViewTest : public testing::Test {
 protected:
  // Runs a command at that time of the log's clock.
  void At(int64_t clock_ms, const std::function<void(WriteView&)>& command) {
    keys_.BeginEntry(keys_.last_applied() + 1, consensus::Term(1), {}, clock_ms);
    keys_.BeginCommand();
    WriteView view(keys_, 2);
    command(view);
    keys_.EndEntry();
  }
  bool ReadersSeeItAt(int64_t now_ms) { return ReadView(keys_, 2, now_ms).Contains("key"); }

  TemporaryDirectory directory_;
  std::unique_ptr<LmdbStateStore> state_ = MakeState(directory_ / "state");
  KeySpace keys_{*state_, {}};
};

TEST_F(DatabaseViewTest, AKeyIsSeenUpToTheMillisecondInWhichItExpires) {
  At(1000, [](WriteView& view) { view.PutString("key", "value", 2000); });
  EXPECT_EQ(keys_.databases().at(2).expires, 1U);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(ReadersSeeItAt(2000));
    EXPECT_FALSE(ReadersSeeItAt(2001));
    Checkpointed(keys_, *state_);
  }
  At(2000, [](WriteView& view) { EXPECT_TRUE(view.Find("key")); });
}

TEST_F(DatabaseViewTest, AWriteThatFindsAnExpiredKeyDeletesIt) {
  At(1000, [](WriteView& view) { view.PutString("key", "value", 2000); });
  At(2001, [](WriteView& view) {
    EXPECT_EQ(view.key_count(), 1U);
    EXPECT_FALSE(view.Find("key"));
    EXPECT_EQ(view.key_count(), 0U);
  });
  EXPECT_EQ(keys_.databases().at(2).expires, 0U);
}

TEST_F(DatabaseViewTest, ToDeleteAnExpiredKeyIsToDeleteNone) {
  At(1000, [](WriteView& view) { view.PutString("key", "value", 2000); });
  At(2001, [](WriteView& view) {
    EXPECT_FALSE(view.Delete("key"));
    EXPECT_EQ(view.key_count(), 0U);
  });
}

TEST_F(DatabaseViewTest, ANewTimeToExpireLeavesTheValue) {
  At(1000, [](WriteView& view) {
    view.PutString("key", "value", 2000);
    view.SetExpiry("key", *view.Find("key"), 3000);
  });
  EXPECT_TRUE(ReadersSeeItAt(3000));
  EXPECT_FALSE(ReadersSeeItAt(3001));
  At(1001, [](WriteView& view) { view.SetExpiry("key", *view.Find("key"), 0); });
  EXPECT_TRUE(ReadersSeeItAt(1'000'000));
  EXPECT_EQ(keys_.databases().at(2).expires, 0U);
  EXPECT_EQ(keys_.Find(2, "key")->value, "value");
}

}  // namespace
}  // namespace quorate::storage
