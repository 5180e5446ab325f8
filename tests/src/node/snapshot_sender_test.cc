#include "src/node/snapshot_sender.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace quorate {
namespace {

using consensus::Index;
using consensus::InstallSnapshot;
using consensus::InstallSnapshotReply;
using consensus::NodeId;
using consensus::Term;

constexpr NodeId kFollower{2};

// Of a checkpoint without keys.
class EmptyView : public storage::SnapshotView {
 public:
  explicit EmptyView(storage::StateMeta meta) : meta_(std::move(meta)) {}
  const storage::StateMeta& meta() const override { return meta_; }
  void Prepare(std::string_view) override { asked_ = true; }
  std::optional<storage::Result<storage::SnapshotChunk>> Take() override {
    if (!std::exchange(asked_, false)) return std::nullopt;
    return storage::SnapshotChunk{.rows = "", .last_key = "", .last = true};
  }

 private:
  storage::StateMeta meta_;
  bool asked_ = false;
};

struct EmptyStates : storage::SnapshotStore {
  storage::Result<std::unique_ptr<storage::SnapshotView>> OpenView() override {
    storage::StateMeta meta;
    meta.last_applied = applied;
    meta.last_applied_term = Term(1);
    return std::unique_ptr<storage::SnapshotView>(std::make_unique<EmptyView>(meta));
  }
  std::unique_ptr<storage::SnapshotTarget> BeginTarget(const storage::StateMeta&) override {
    return nullptr;
  }
  Index applied{100};
};

class SnapshotSenderTest : public testing::Test {
 protected:
  static constexpr SnapshotSender::Options kOptions{};

  // What is sent by then.
  std::vector<InstallSnapshot> Run(int64_t now_ms) {
    std::vector<InstallSnapshot> sent;
    const auto send = [&](NodeId, InstallSnapshot message) { sent.push_back(std::move(message)); };
    for (int rounds = 0; rounds < 3; ++rounds) EXPECT_TRUE(sender_.Run(now_ms, send).ok());
    return sent;
  }
  // The follower has all of it at that time, and is about to begin anew.
  void SendAll(int64_t now_ms) {
    ASSERT_TRUE(sender_.Start(kFollower, now_ms).ok());
    const std::vector<InstallSnapshot> sent = Run(now_ms);
    ASSERT_EQ(sent.size(), 2U);
    InstallSnapshotReply reply;
    reply.transfer = sent.front().transfer;
    reply.next_chunk = 2;
    reply.installed = true;
    ASSERT_TRUE(sender_.Receive(kFollower, reply, now_ms));
  }

  EmptyStates states_;
  SnapshotSender sender_{states_, kOptions};
};

// A large state is not replaced in a moment. If the log went on without it meanwhile, a follower
// would need one snapshot after the other.
TEST_F(SnapshotSenderTest, KeepsTheLogForAFollowerThatTakesLongToBeginAnew) {
  SendAll(0);
  Run(kOptions.give_up_ms - 1);
  EXPECT_EQ(sender_.oldest_index(), Index(100));
  sender_.Joined(kFollower, Index(99));
  EXPECT_EQ(sender_.oldest_index(), Index(100));
  sender_.Joined(kFollower, Index(100));
  EXPECT_TRUE(sender_.idle());
}

TEST_F(SnapshotSenderTest, KeepsTheLogForNobodyWhoDoesNotComeBack) {
  SendAll(0);
  Run(kOptions.give_up_ms);
  EXPECT_TRUE(sender_.idle());
}

TEST_F(SnapshotSenderTest, SendsAnotherToAFollowerThatComesBackWithoutIt) {
  SendAll(0);
  states_.applied = Index(200);
  // What it says before it has ended is of the time before.
  ASSERT_TRUE(sender_.Start(kFollower, kOptions.join_ms - 1).ok());
  EXPECT_TRUE(Run(kOptions.join_ms - 1).empty());
  ASSERT_TRUE(sender_.Start(kFollower, kOptions.join_ms).ok());
  const std::vector<InstallSnapshot> sent = Run(kOptions.join_ms);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent.front().last_included_index, Index(200));
  EXPECT_EQ(sender_.oldest_index(), Index(200));
}

// Its disk is full. Half a state may fit in, again and again.
TEST_F(SnapshotSenderTest, WaitsBeforeItSendsAnotherToAFollowerThatCouldNotTakeIt) {
  for (const int64_t took_ms : {int64_t{0}, 7 * kOptions.retry_ms_min}) {
    ASSERT_TRUE(sender_.Start(kFollower, 0).ok());
    InstallSnapshotReply reply;
    reply.transfer = Run(0).at(0).transfer;
    reply.failed = true;
    ASSERT_FALSE(sender_.Receive(kFollower, reply, took_ms));
    EXPECT_TRUE(sender_.idle());
    const int64_t again_ms = took_ms + std::max(took_ms, kOptions.retry_ms_min);
    ASSERT_TRUE(sender_.Start(kFollower, again_ms - 1).ok());
    EXPECT_TRUE(Run(again_ms - 1).empty());
    ASSERT_TRUE(sender_.Start(kFollower, again_ms).ok());
    EXPECT_EQ(Run(again_ms).size(), 2U);
    sender_.StopAll();
  }
}

}  // namespace
}  // namespace quorate
