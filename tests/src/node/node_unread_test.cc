// Replies that clients do not take: docs/design.md, "Limits".
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "src/node/node.h"
#include "tests/src/node/client_requests.h"
#include "tests/src/node/node_support.h"

namespace quorate {
namespace {

// Clients that ask for large values and read nothing.
class Unread : public testing::Test {
 protected:
  static constexpr size_t kValueBytes = 1 << 20;

  Unread() {
    cluster_.MakeLeader(1);
    auto writer = cluster_.Connect(1);
    cluster_.Send(1, *writer, Set("large", std::string(kValueBytes, 'v')) + Set("small", "1"));
    cluster_.Steps(kSettle);
    EXPECT_EQ(TestCluster::Replies(*writer), std::string(kOk) + kOk);
    sessions().Count(*writer);
  }
  // Clients that each ask for it at the same time.
  void Ask(size_t count) {
    while (clients_.size() < count) {
      clients_.push_back(cluster_.Connect(1));
      cluster_.Send(1, *clients_.back(), Get("large"));
    }
  }
  Sessions& sessions() { return cluster_.member(1).sessions; }
  size_t Answered() const {
    return static_cast<size_t>(
        std::count_if(clients_.begin(), clients_.end(),
                      [](const auto& client) { return client->replies.bytes() > kValueBytes; }));
  }
  std::string Take(Session& session) {
    std::string replies = TestCluster::Replies(session);
    sessions().Count(session);
    return replies;
  }

  TestCluster cluster_{3};
  std::vector<std::shared_ptr<Session>> clients_;
};

TEST_F(Unread, LargeRepliesAreNotMadeWhileTooMuchIsLeft) {
  constexpr size_t kMade = Sessions::kReplyBytesMax / kValueBytes;
  Ask(kMade + 40);
  cluster_.Steps(kSettle);
  EXPECT_EQ(Answered(), kMade);
  EXPECT_LT(sessions().reply_bytes(), Sessions::kReplyBytesMax + 2 * kValueBytes);

  // Others are served.
  auto other = cluster_.Connect(1);
  cluster_.Send(1, *other, Get("small"));
  cluster_.Steps(kSettle);
  EXPECT_EQ(Take(*other), "$1\r\n1\r\n");
  cluster_.Send(1, *other, Set("small", "2"));
  cluster_.Steps(kSettle);
  EXPECT_EQ(Take(*other), kOk);

  // Each reply that is taken makes room for another, until everybody has one.
  for (auto& client : clients_) {
    cluster_.Steps(kSettle);
    EXPECT_GT(Take(*client).size(), kValueBytes);
  }
  EXPECT_LT(sessions().reply_bytes(), kValueBytes);
}

TEST_F(Unread, ReadsThatWaitKeepTheirPlaceAmongTheirClientsWrites) {
  Ask(Sessions::kReplyBytesMax / kValueBytes + 1);
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Get("large") + Set("large", "new") + Get("large"));
  cluster_.Steps(kSettle);
  const std::string replies = Take(*client);
  EXPECT_EQ(replies.size(), kValueBytes + 12 + 5 + 9);
  EXPECT_TRUE(replies.starts_with("$1048576\r\nvvv"));
  EXPECT_TRUE(replies.ends_with("vvv\r\n+OK\r\n$3\r\nnew\r\n"));
}

// A reply that was held back is made right before the client's next write runs, which must not run
// with the read's arguments.
TEST_F(Unread, AReadThatWaitsLeavesTheNextWriteAsItIs) {
  Ask(Sessions::kReplyBytesMax / kValueBytes + 1);
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, Get("large") + Set("other", "new") + Get("other"));
  cluster_.Steps(kSettle);
  EXPECT_TRUE(Take(*client).ends_with("vvv\r\n+OK\r\n$3\r\nnew\r\n"));
  EXPECT_EQ(cluster_.node(1).keys().Find(0, "large")->value.size(), kValueBytes);
}

TEST_F(Unread, ClientsThatGoTakeWhatWaitsWithThem) {
  Ask(Sessions::kReplyBytesMax / kValueBytes + 40);
  cluster_.Steps(kSettle);
  EXPECT_EQ(cluster_.node(1).requests_in_flight(), 40U);
  for (auto& client : clients_) sessions().Close(*client);
  EXPECT_LT(sessions().memory_bytes(), size_t{100'000});
  for (int ticks = 0; ticks < 20; ++ticks) cluster_.Tick();
  EXPECT_EQ(cluster_.node(1).requests_in_flight(), 0U);
}

TEST_F(Unread, RequestsThatWaitForRoomCountAsMemory) {
  Ask(Sessions::kReplyBytesMax / kValueBytes + 1);
  cluster_.Steps(kSettle);
  std::vector<std::string_view> mget(10'000, "large");
  mget[0] = "MGET";
  const std::string request = Request(mget);
  auto client = cluster_.Connect(1);
  cluster_.Send(1, *client, request);
  cluster_.Steps(kSettle);
  ASSERT_EQ(client->reads_held_back, 1U);
  EXPECT_GE(client->memory_bytes(), request.size());
  sessions().Close(*client);
  for (auto& other : clients_) Take(*other);
  cluster_.Steps(kSettle);
  EXPECT_EQ(client->held_back_bytes, 0U);
}

TEST_F(Unread, ManySmallArgumentsCountAsWhatTheyTake) {
  constexpr size_t kArguments = 10'000;
  auto client = cluster_.Connect(1);
  std::string half = "*1000000\r\n";
  for (size_t i = 0; i < kArguments; ++i) half += "$0\r\n\r\n";
  const size_t before = sessions().memory_bytes();
  cluster_.Send(1, *client, half);
  EXPECT_GE(sessions().memory_bytes() - before,
            half.size() + kArguments * sizeof(std::string_view));
}

// A request of few bytes may ask for more than there is memory. The client is given up while the
// replies are made, and not when they all have been.
TEST_F(Unread, WhoeverAsksForTooMuchIsGivenUpOnTheWay) {
  constexpr size_t kBound = 8 * kValueBytes;
  const auto repeat = [](const std::string& request) {
    std::string requests;
    for (int i = 0; i < 100; ++i) requests += request;
    return requests;
  };
  const std::vector<std::string_view> many_keys(100, "large");
  std::vector<std::string_view> mget = {"MGET"};
  mget.insert(mget.end(), many_keys.begin(), many_keys.end());
  const std::string one_write = Set("small", "2");
  for (const std::string& requests :
       {one_write + repeat(Get("large")),                    // each has its place in the batch
        repeat(Request({"SET", "large", "", "NX", "GET"})),  // writes, which must be executed
        Request(mget)}) {
    sessions().set_bounds({.reply_bytes = kBound});
    const uint64_t found_before = cluster_.member(1).statistics.keyspace_hits;
    auto client = cluster_.Connect(1);
    cluster_.Send(1, *client, requests);
    for (int step = 0; step < kSettle; ++step) {
      cluster_.Step();
      ASSERT_LT(client->replies.bytes(), 2 * kBound);
    }
    EXPECT_TRUE(client->close_now);
    EXPECT_LT(cluster_.member(1).statistics.keyspace_hits - found_before, 20U);
    EXPECT_EQ(client->reply_bytes(), 0U);
    EXPECT_LT(sessions().reply_bytes(), kValueBytes);
    sessions().Close(*client);
  }
  EXPECT_EQ(cluster_.node(1).requests_in_flight(), 0U);
  EXPECT_EQ(cluster_.node(1).keys().Find(0, "small")->value, "2");

  // And so it is with what all take together.
  sessions().set_bounds({.memory_bytes = kBound});
  std::vector<std::shared_ptr<Session>> others;
  for (int i = 0; i < 10; ++i) {
    others.push_back(cluster_.Connect(1));
    if (i == 0) others.back()->no_evict = true;
    cluster_.Send(1, *others.back(), one_write + Get("large") + Get("large"));
  }
  for (int step = 0; step < kSettle; ++step) {
    cluster_.Step();
    EXPECT_LE(sessions().memory_bytes(), kBound);
  }
  EXPECT_FALSE(others[0]->gone());
  EXPECT_EQ(std::ranges::count_if(others, &Session::evicted), 7);
}

}  // namespace
}  // namespace quorate
