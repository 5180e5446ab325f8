// Snapshots that come in quick succession, from leaders that change, out of order, or while one of
// them is being installed: one is taken as a whole, or none.
#include "src/node/snapshot_receiver.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <cassert>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/sealed_record.h"
#include "storage/keyspace/state_meta.h"

namespace quorate {
namespace {

using consensus::Index;
using consensus::InstallSnapshot;
using consensus::InstallSnapshotReply;
using consensus::NodeId;
using consensus::Payload;
using consensus::Term;

// Keeps what it is given, and finishes when it is told to.
class FakeStore : public storage::SnapshotStore {
 public:
  storage::Result<std::unique_ptr<storage::SnapshotView>> OpenView() override {
    return storage::Error{"there is none"};
  }
  std::unique_ptr<storage::SnapshotTarget> BeginTarget(const storage::StateMeta& meta) override {
    assert(!target_exists);
    index = meta.last_applied;
    rows.clear();
    finishing = false;
    outcome.reset();
    return std::make_unique<Target>(*this);
  }

  Index index;  // of the snapshot that is arriving
  std::vector<std::string> rows;
  bool finishing = false;
  bool target_exists = false;
  std::optional<storage::Status> outcome;

 private:
  class Target : public storage::SnapshotTarget {
   public:
    explicit Target(FakeStore& store) : store_(store) { store_.target_exists = true; }
    ~Target() override { store_.target_exists = false; }
    void Add(std::string rows) override { store_.rows.push_back(std::move(rows)); }
    uint64_t written() const override { return store_.rows.size(); }
    std::string last_key() const override { return {}; }
    void Finish() override { store_.finishing = true; }
    std::optional<storage::Status> TakeFinished() override {
      return std::exchange(store_.outcome, std::nullopt);
    }

   private:
    FakeStore& store_;
  };
};

class SnapshotReceiverTest : public testing::Test {
 protected:
  SnapshotReceiverTest() { spdlog::set_level(spdlog::level::off); }

  // The first chunk of a snapshot of that entry.
  void Offer(uint64_t from, uint64_t transfer, uint64_t index) {
    storage::StateMeta meta;
    meta.last_applied = Index(index);
    meta.last_applied_term = Term(2);
    InstallSnapshot message =
        Part(transfer, 0, storage::EncodeStateMeta(meta, storage::kAnyTransaction));
    message.last_included_index = Index(index);
    message.last_included_term = Term(2);
    receiver_.Receive(NodeId(from), std::move(message), last_applied_, 0);
  }
  void Chunk(uint64_t from, uint64_t transfer, uint64_t chunk, const std::string& rows,
             bool done = false) {
    InstallSnapshot message = Part(transfer, chunk, rows);
    message.done = done;
    receiver_.Receive(NodeId(from), std::move(message), last_applied_, 0);
  }
  // What is said in one round, by node and transfer: one thing to each.
  std::map<std::pair<uint64_t, uint64_t>, InstallSnapshotReply> Run() {
    std::map<std::pair<uint64_t, uint64_t>, InstallSnapshotReply> replies;
    receiver_.Run(last_applied_, [&](NodeId to, const InstallSnapshotReply& reply) {
      EXPECT_TRUE(replies.emplace(std::pair(to.value(), reply.transfer), reply).second);
    });
    return replies;
  }

  static InstallSnapshot Part(uint64_t transfer, uint64_t chunk, const std::string& data) {
    InstallSnapshot message;
    message.term = Term(3);
    message.transfer = transfer;
    message.chunk = chunk;
    message.data = Payload(data);
    return message;
  }

  FakeStore store_;
  SnapshotReceiver receiver_{store_};
  Index last_applied_ = Index(10);
};

using Rows = std::vector<std::string>;

TEST_F(SnapshotReceiverTest, TakesTheChunksInTheirOrderAndEachOnce) {
  Offer(1, 7, 50);
  EXPECT_EQ(Run().at({1, 7}).next_chunk, 1U);
  Chunk(1, 7, 2, "b");  // before its time
  EXPECT_EQ(Run().at({1, 7}).next_chunk, 1U);
  Chunk(1, 7, 1, "a");
  Chunk(1, 7, 1, "a");  // duplicated
  EXPECT_EQ(Run().at({1, 7}).next_chunk, 2U);
  Chunk(1, 7, 2, "b", true);
  EXPECT_EQ(store_.rows, (Rows{"a", "b"}));
  EXPECT_TRUE(store_.finishing);
  EXPECT_FALSE(Run().at({1, 7}).installed);
  EXPECT_FALSE(receiver_.ready());
  store_.outcome = storage::Ok();
  EXPECT_TRUE(Run().at({1, 7}).installed);
  EXPECT_TRUE(receiver_.ready());
}

// The leader begins anew with a newer checkpoint.
TEST_F(SnapshotReceiverTest, ASecondSnapshotTakesTheFirstOnesPlace) {
  Offer(1, 7, 50);
  Chunk(1, 7, 1, "old");
  Offer(1, 8, 60);
  Chunk(1, 7, 2, "old", true);  // comes late
  EXPECT_EQ(store_.index, Index(60));
  EXPECT_EQ(store_.rows, Rows{});
  EXPECT_FALSE(store_.finishing);
  const auto replies = Run();
  EXPECT_EQ(replies.at({1, 7}).next_chunk, 0U);  // it is gone
  EXPECT_EQ(replies.at({1, 8}).next_chunk, 1U);
  Chunk(1, 8, 1, "new", true);
  EXPECT_EQ(store_.rows, Rows{"new"});
  EXPECT_TRUE(store_.finishing);
}

// One leader's transfer breaks off when another is elected. Both may have given it the same number.
TEST_F(SnapshotReceiverTest, ANewLeadersSnapshotIsNotMixedWithTheOldOnes) {
  Offer(1, 7, 50);
  Chunk(1, 7, 1, "of 1");
  Chunk(2, 7, 2, "of 2", true);
  const auto replies = Run();
  EXPECT_EQ(replies.at({2, 7}).next_chunk, 0U);  // from the beginning
  EXPECT_FALSE(replies.at({2, 7}).failed);
  EXPECT_EQ(store_.rows, Rows{"of 1"});
  Offer(2, 7, 50);
  Chunk(2, 7, 1, "of 2", true);
  EXPECT_EQ(store_.rows, Rows{"of 2"});
}

TEST_F(SnapshotReceiverTest, NothingChangesOneThatIsComplete) {
  Offer(1, 7, 50);
  Chunk(1, 7, 1, "a", true);
  store_.outcome = storage::Ok();
  Run();
  ASSERT_TRUE(receiver_.ready());
  Offer(1, 8, 60);
  Offer(2, 9, 60);
  Chunk(1, 7, 1, "a", true);
  EXPECT_TRUE(Run().empty());
  EXPECT_TRUE(receiver_.ready());
  EXPECT_EQ(store_.index, Index(50));
  EXPECT_EQ(store_.rows, Rows{"a"});
}

// The entries came after all. What this node has acknowledged of them would be forgotten.
TEST_F(SnapshotReceiverTest, WhatTheLogHasOvertakenIsNotInstalled) {
  Offer(1, 7, 50);
  Chunk(1, 7, 1, "a", true);
  last_applied_ = Index(50);
  store_.outcome = storage::Ok();
  EXPECT_TRUE(Run().at({1, 7}).installed);  // as far as the leader is concerned
  EXPECT_FALSE(receiver_.ready());
  EXPECT_FALSE(store_.target_exists);
  Offer(1, 8, 50);
  EXPECT_FALSE(store_.target_exists);
}

TEST_F(SnapshotReceiverTest, OneThatDoesNotHoldWhatItSaysIsBegunAnew) {
  Offer(1, 7, 50);
  Chunk(1, 7, 1, "a", true);
  store_.outcome = storage::Error{"other rows"};
  EXPECT_TRUE(Run().at({1, 7}).failed);
  EXPECT_FALSE(receiver_.ready());
  EXPECT_FALSE(store_.target_exists);

  InstallSnapshot damaged = Part(8, 0, "no record");
  damaged.last_included_index = Index(50);
  receiver_.Receive(NodeId(1), std::move(damaged), last_applied_, 0);
  EXPECT_TRUE(Run().at({1, 8}).failed);
  EXPECT_FALSE(store_.target_exists);
}

}  // namespace
}  // namespace quorate
