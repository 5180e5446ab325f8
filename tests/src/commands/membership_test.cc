// CLUSTER MEET and CLUSTER FORGET on three real nodes: whichever is asked, and whatever is going on
// just then, an OK means that it is so, and waiting is the node's work.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/src/commands/commands_support.h"

namespace quorate {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr uint64_t kLeader = 2;

// As TestCluster makes it: cluster 7, ports 7001 and up.
std::string IdOf(uint64_t member) {
  return "0000000000000007" + std::string(23, '0') + std::to_string(member);
}

class MembershipCommand : public testing::Test {
 protected:
  MembershipCommand() { cluster_.MakeLeader(kLeader); }

  static std::vector<std::string_view> Meet(std::string_view port) {
    return {"CLUSTER", "MEET", "127.0.0.1", port};
  }
  void Pass(int64_t time_ms) {
    for (int64_t passed = 0; passed < time_ms; passed += Node::kTickMs) cluster_.Tick();
  }
  // As `member` has it applied.
  std::vector<uint64_t> Ids(uint64_t member) {
    std::vector<uint64_t> ids;
    for (const Member& each : cluster_.node(member).members()) ids.push_back(each.id);
    return ids;
  }
  using Some = std::vector<uint64_t>;

  TestCluster cluster_{3};
};

// An entry that is in force but not applied: clients are shown whom it removes until it is applied.
// And nobody that was never heard.
TEST_F(MembershipCommand, RoleCountsTheFollowersThatItShows) {
  TestClient client(cluster_, kLeader);
  const auto followers = [&] {
    const std::string role = client.Call({"ROLE"});
    const size_t after_index = role.find("\r\n", role.find(':')) + 2;
    EXPECT_EQ(role[after_index], '*') << role;
    const auto announced = std::stoul(role.substr(after_index + 1));
    const auto shown = std::ranges::count(role.substr(after_index + 1), '*');
    EXPECT_EQ(announced, static_cast<size_t>(shown)) << role;
    return announced;
  };
  EXPECT_EQ(followers(), 2U);
  cluster_.newcomers_follow = false;
  for (uint64_t id : {1, 3}) cluster_.member(id).disk_works = false;
  TestClient changer(cluster_, kLeader);
  EXPECT_EQ(changer.Call(Meet("7009")), "");
  ASSERT_EQ(cluster_.node(kLeader).raft().configuration().members.size(), 4U);
  EXPECT_EQ(followers(), 2U);
  for (uint64_t id : {1, 3}) cluster_.member(id).disk_works = true;
  Pass(100);
  EXPECT_EQ(cluster_.node(kLeader).members().size(), 4U);
  EXPECT_EQ(followers(), 2U);
}

class AnyMember : public MembershipCommand, public testing::WithParamInterface<uint64_t> {
 protected:
  // With the time that a follower takes to hear of a commit.
  std::string Answer(const std::vector<std::string_view>& request) {
    const std::string reply = client_.Call(request);
    Pass(200);
    return reply + client_.Replies();
  }

  TestClient client_{cluster_, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Asked, AnyMember, testing::Values(1, kLeader));

TEST_P(AnyMember, AddsWhoIsNoMember) {
  EXPECT_EQ(Answer(Meet("7009")), kOk);
  EXPECT_EQ(Ids(GetParam()), (Some{1, 2, 3, 4}));
}

// Whoever is asked looks at the address before anybody else hears of it.
TEST_P(AnyMember, KnowsWhatIsNoAddress) {
  for (const std::string& host :
       {std::string(254, 'a'), std::string(100'000, 'a'), std::string()}) {
    EXPECT_EQ(client_.Call({"CLUSTER", "MEET", host, "7009"}),
              "-ERR Invalid node address specified: " + host + ":7009\r\n");
  }
}

TEST_P(AnyMember, LeavesAloneWhoIsThere) {
  const consensus::Index end = cluster_.node(kLeader).raft().last_log_index();
  for (const char* port : {"7001", "7002", "7003"}) {
    EXPECT_EQ(Answer(Meet(port)), kOk);
  }
  EXPECT_EQ(cluster_.node(kLeader).raft().last_log_index(), end);
}

// A moment ago it was heard. OK without having done anything would be wrong: its folder may be
// lost.
TEST_P(AnyMember, ReplacesWhoHasJustGone) {
  cluster_.member(3).connected = false;
  cluster_.others[7003] = {ProbeAnswer::Kind::kEmpty};
  EXPECT_EQ(client_.Call(Meet("7003")), "");
  Pass(1000);
  EXPECT_EQ(client_.Replies(), kOk);
  EXPECT_EQ(Ids(GetParam()), (Some{1, 2, 4}));
  const Member* added = cluster_.node(GetParam()).members().back().id == 4
                            ? &cluster_.node(GetParam()).members().back()
                            : nullptr;
  ASSERT_TRUE(added);
  EXPECT_EQ(added->port, 7003);
  EXPECT_FALSE(added->voter);
}

TEST_P(AnyMember, WaitsForTheChangeBefore) {
  cluster_.member(1).disk_works = false;
  cluster_.member(3).disk_works = false;
  TestClient first(cluster_, kLeader);
  EXPECT_EQ(first.Call(Meet("7009")), "");
  EXPECT_EQ(client_.Call(Meet("7008")), "");
  cluster_.member(1).disk_works = true;
  cluster_.member(3).disk_works = true;
  Pass(200);
  EXPECT_EQ(first.Replies(), kOk);
  EXPECT_EQ(client_.Replies(), kOk);
  EXPECT_EQ(Ids(GetParam()), (Some{1, 2, 3, 4, 5}));
}

TEST_P(AnyMember, MakesThoseOfOneNodeOneAfterTheOther) {
  TestClient second(cluster_, GetParam());
  cluster_.Send(GetParam(), client_.session(), Request(Meet("7009")));
  const std::string forgotten = second.Call({"CLUSTER", "FORGET", IdOf(3)});
  Pass(200);
  EXPECT_EQ(client_.Replies(), kOk);
  EXPECT_EQ(forgotten + second.Replies(), kOk);
  EXPECT_EQ(Ids(GetParam()), (Some{1, 2, 4}));
}

TEST_P(AnyMember, KnowsWhoIsNoMember) {
  for (const std::string& id : {IdOf(4), std::string("nope"), std::string(), IdOf(3) + "0",
                                "1" + IdOf(3).substr(1), std::string(40, 'g')}) {
    EXPECT_EQ(Answer({"CLUSTER", "FORGET", id}), "-ERR Unknown node " + id + "\r\n");
  }
  EXPECT_EQ(Answer({"CLUSTER", "FORGET", IdOf(3)}), kOk);
  EXPECT_EQ(Ids(GetParam()), (Some{1, 2}));
}

// redis-cli --cluster del-node tells every node to forget the same one.
TEST_P(AnyMember, HasForgottenWhoWasForgotten) {
  EXPECT_EQ(Answer({"CLUSTER", "FORGET", IdOf(3)}), kOk);
  const consensus::Index end = cluster_.node(kLeader).raft().last_log_index();
  EXPECT_EQ(Answer({"CLUSTER", "FORGET", IdOf(3)}), kOk);
  EXPECT_EQ(cluster_.node(kLeader).raft().last_log_index(), end);
  EXPECT_EQ(Answer({"CLUSTER", "FORGET", IdOf(0)}), "-ERR Unknown node " + IdOf(0) + "\r\n");
  EXPECT_EQ(Ids(GetParam()), (Some{1, 2}));
}

TEST_P(AnyMember, RefusesWhatWouldLeaveNoLiveMajority) {
  cluster_.member(3).connected = false;
  Pass(1000);
  const std::string other = IdOf(GetParam() == 1 ? kLeader : 1);
  EXPECT_EQ(client_.Call({"CLUSTER", "FORGET", other}),
            "-ERR too few of the nodes that would be left are reachable\r\n");
  EXPECT_EQ(Ids(GetParam()), (Some{1, 2, 3}));
}

// The question is on its way to a leader that nobody can reach, and so lost.
TEST_F(MembershipCommand, AsksTheNextLeaderWhenOneIsLost) {
  cluster_.member(kLeader).connected = false;
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.Call({"CLUSTER", "FORGET", IdOf(kLeader)}), "");
  Pass(3000);
  EXPECT_EQ(client.Replies(), kOk);
  EXPECT_EQ(Ids(1), (Some{1, 3}));
}

// The leader has it in its log, and is lost with it: the next one has not, and makes it.
TEST_F(MembershipCommand, IsMadeByTheNextLeaderWhereItWasLostWithOne) {
  cluster_.member(kLeader).connected = false;
  TestClient client(cluster_, kLeader);
  EXPECT_EQ(client.Call(Meet("7009")), "");
  EXPECT_EQ(cluster_.node(kLeader).raft().configuration().members.size(), 4U);
  Pass(3000);
  EXPECT_EQ(cluster_.node(1).raft().configuration().members.size(), 3U);
  EXPECT_EQ(client.Replies(), "");
  cluster_.member(kLeader).connected = true;
  Pass(1500);
  EXPECT_EQ(client.Replies(), kOk);
  EXPECT_EQ(Ids(1), (Some{1, 2, 3, 4}));
}

// Its clients are told where to go on, and none waits, or is left without knowing what has become
// of its write.
TEST_F(MembershipCommand, ALeaderThatIsRemovedLeavesNobodyWaiting) {
  std::vector<std::unique_ptr<TestClient>> clients;
  const auto ask = [&] {
    clients.push_back(std::make_unique<TestClient>(cluster_, kLeader));
    cluster_.Send(kLeader, clients.back()->session(),
                  Request({"SET", "a", "1"}) + Request({"GET", "a"}));
    cluster_.Step();
  };
  for (int i = 0; i < 5; ++i) ask();
  TestClient other(cluster_, 1);
  cluster_.Send(1, other.session(), Request({"CLUSTER", "FORGET", IdOf(kLeader)}));
  for (int i = 0; i < 50; ++i) ask();
  cluster_.Steps(20);

  size_t moved = 0;
  for (const auto& client : clients) {
    const std::string replies = client->Replies();
    if (replies == "+OK\r\n$1\r\n1\r\n") continue;
    ++moved;
    EXPECT_TRUE(replies.find("-MOVED 15495 127.0.0.1:7001\r\n") == 0 ||
                replies.find("-MOVED 15495 127.0.0.1:7003\r\n") == 0)
        << replies;
    EXPECT_EQ(std::count(replies.begin(), replies.end(), '\n'), 2) << replies;
  }
  EXPECT_GT(moved, 0U);
  EXPECT_LT(moved, clients.size());
  EXPECT_EQ(Ids(kLeader), (Some{1, 3}));
}

TEST_F(MembershipCommand, SaysSoWhenThereIsNoLeader) {
  cluster_.member(kLeader).connected = false;
  cluster_.member(3).connected = false;
  TestClient unknowing(cluster_, 1);
  EXPECT_EQ(unknowing.Call(Meet("7009")), "");
  Pass(2000);
  TestClient knowing(cluster_, 1);
  EXPECT_EQ(knowing.Call(Meet("7008")), "");
  Pass(6000);
  EXPECT_EQ(unknowing.Replies().find("-UNKNOWN "), 0U) << "the leader may have got it";
  EXPECT_EQ(knowing.Replies(), "-CLUSTERDOWN The cluster is down\r\n");
}

}  // namespace
}  // namespace quorate
