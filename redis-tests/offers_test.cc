// Clients are offered only members that can answer, and a node that cannot answer for its cluster
// answers no data.

#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

class Offers : public ::testing::Test {
 protected:
  void StartWith(int size, std::vector<std::string> flags = {}) {
    Cluster::Options options;
    options.size = size;
    options.flags = std::move(flags);
    cluster_ = std::make_unique<Cluster>(options);
    ASSERT_TRUE(cluster_->Start());
  }
  ~Offers() override {
    if (HasFailure() && cluster_) cluster_->PrintLogs(std::cerr);
  }

  Cluster& cluster() { return *cluster_; }
  Reply Ask(int id, const Arguments& command) {
    return Client(cluster().port(id)).Command(command);
  }
  std::string Field(int id, const std::string& name) {
    return redis_tests::Field(Ask(id, {"INFO"}).text, name);
  }
  // Whether that node's CLUSTER SLOTS names this one.
  bool IsOffered(int asked, int id) {
    const Reply slots = Ask(asked, {"CLUSTER", "SLOTS"});
    if (slots.kind != Reply::Kind::kArray || slots.elements.empty()) return false;
    const std::vector<Reply>& range = slots.elements[0].elements;
    for (size_t i = 2; i < range.size(); ++i) {
      if (range[i].elements.at(1) == Integer(cluster().port(id))) return true;
    }
    return false;
  }
  // The line of CLUSTER NODES.
  std::string Line(int asked, int id) {
    const std::string nodes = Ask(asked, {"CLUSTER", "NODES"}).text;
    const size_t at = nodes.find(":" + std::to_string(cluster().port(id)) + "@");
    if (at == std::string::npos) return "";
    const size_t start = nodes.rfind('\n', at) + 1;
    return nodes.substr(start, nodes.find('\n', at) - start);
  }
  // Neither the keys nor their number, in any way.
  void ExpectNoData(int id) {
    Client client(cluster().port(id));
    const auto is_refused = [](const Reply& reply) {
      return reply.IsError("CLUSTERDOWN") || reply.IsError("MOVED");
    };
    for (const bool readonly : {false, true}) {
      if (readonly) {
        EXPECT_EQ(client.Command({"READONLY"}), Status("OK"));
      }
      EXPECT_PRED1(is_refused, client.Command({"GET", "key"}));
      EXPECT_PRED1(is_refused, client.Command({"EXISTS", "key"}));
      EXPECT_PRED1(is_refused, client.Command({"SET", "key", "other"}));
      EXPECT_PRED1(is_refused, client.Command({"DBSIZE"}));
      EXPECT_PRED1(is_refused, client.Command({"CLUSTER", "COUNTKEYSINSLOT", "12539"}));
    }
    EXPECT_TRUE(client.Command({"CLUSTER", "SLOTS"}).IsError("CLUSTERDOWN"));
    EXPECT_TRUE(client.Command({"CLUSTER", "SHARDS"}).IsError("CLUSTERDOWN"));
  }
  void Write() { ASSERT_EQ(Ask(cluster().WaitForLeader(), {"SET", "key", "value"}), Status("OK")); }

 private:
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(Offers, AFollowerStopsToOfferOneThatHasDied) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  const int leader = cluster().WaitForLeader();
  const int dead = leader % 3 + 1;
  const int other = 6 - leader - dead;
  for (int asked = 1; asked <= 3; ++asked) {
    for (int id = 1; id <= 3; ++id) {
      EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return IsOffered(asked, id); }))
          << asked << " offers " << id;
    }
  }
  cluster().Kill9(dead);
  for (int asked : {leader, other}) {
    EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return !IsOffered(asked, dead); })) << asked;
    EXPECT_TRUE(IsOffered(asked, leader));
    EXPECT_TRUE(IsOffered(asked, other));
    EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
      const std::string line = Line(asked, dead);
      return line.find(" slave,fail ") != std::string::npos && line.ends_with(" disconnected");
    })) << Line(asked, dead);
  }
  cluster().Restart(dead);
  for (int asked = 1; asked <= 3; ++asked) {
    EXPECT_TRUE(Eventually(kDeadlineMs, [&] { return IsOffered(asked, dead); })) << asked;
  }
}

// While the new node gets a snapshot and catches up, whoever is told of it would find old data
// there, or wait.
TEST_F(Offers, ANewNodeIsOfferedOnceItHasCaughtUp) {
  ASSERT_NO_FATAL_FAILURE(StartWith(1, {"--repl-backlog-size", "64kb", "--repl-backlog-entries",
                                        "50", "--checkpoint-interval", "20"}));
  ASSERT_EQ(cluster().Add(), 2);
  const std::string value(100'000, 'v');
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(Ask(1, {"SET", "filler" + std::to_string(i), value}), Status("OK"));
  }
  ASSERT_NO_FATAL_FAILURE(Write());
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(1, "raft_first_log_index") != "1"; }));
  cluster().Restart(2);
  ASSERT_EQ(Ask(1, {"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster().port(2))}),
            Status("OK"));
  EXPECT_EQ(Line(1, 2).find("handshake"), std::string::npos) << "it was heard: " << Line(1, 2);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return IsOffered(1, 2); }));
  Client reader(cluster().port(2));
  ASSERT_EQ(reader.Command({"READONLY"}), Status("OK"));
  EXPECT_EQ(reader.Command({"GET", "key"}), Text("value"));
}

TEST_F(Offers, ANodeThatWasRemovedAnswersNoData) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  ASSERT_NO_FATAL_FAILURE(Write());
  const int leader = cluster().WaitForLeader();
  const int removed = leader % 3 + 1;
  const std::string id = Ask(removed, {"CLUSTER", "MYID"}).text;
  ASSERT_EQ(Ask(leader, {"CLUSTER", "FORGET", id}), Status("OK"));
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Ask(removed, {"GET", "key"}) ==
           Error("CLUSTERDOWN This node was removed from the cluster");
  }));
  ExpectNoData(removed);
  EXPECT_FALSE(IsOffered(leader, removed));
  // It is not taken back with what it has.
  const Reply meet =
      Ask(leader, {"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster().port(removed))});
  EXPECT_NE(meet.text.find("was removed from this cluster"), std::string::npos) << meet.text;
  ExpectNoData(removed);
}

TEST_F(Offers, ANodeThatHasLostItsFolderAnswersNoData) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  ASSERT_NO_FATAL_FAILURE(Write());
  const int leader = cluster().WaitForLeader();
  const int lost = leader % 3 + 1;
  cluster().Kill9(lost);
  cluster().LoseData(lost);
  cluster().Restart(lost);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Field(lost, "raft_lost_data") == "1"; }));
  ExpectNoData(lost);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return !IsOffered(leader, lost); }));
  EXPECT_NE(Line(lost, lost).find("myself,slave,fail"), std::string::npos) << Line(lost, lost);
}

TEST_F(Offers, ANodeWithoutALeaderAnswersNoData) {
  ASSERT_NO_FATAL_FAILURE(StartWith(3));
  ASSERT_NO_FATAL_FAILURE(Write());
  for (int id : {2, 3}) cluster().Kill9(id);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Ask(1, {"GET", "key"}).IsError("CLUSTERDOWN");
  }));
  ExpectNoData(1);
}

TEST_F(Offers, ANodeThatWaitsToJoinAnswersNoData) {
  ASSERT_NO_FATAL_FAILURE(StartWith(1));
  ASSERT_NO_FATAL_FAILURE(Write());
  cluster().Kill9(1);
  ASSERT_EQ(cluster().Add(), 2);
  cluster().AddFlags(2, {"--join", "127.0.0.1:" + std::to_string(cluster().port(1))});
  cluster().Restart(2);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return Ask(2, {"PING"}) == Status("PONG"); }));
  ExpectNoData(2);
}

}  // namespace

}  // namespace quorate::redis_tests
