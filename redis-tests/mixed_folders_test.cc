// Data folders that are mixed up: of two lives of a cluster, put back to an earlier state, or
// copied and started beside the original.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "redis-tests/support/child_process.h"
#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/temporary_folder.h"

namespace quorate::redis_tests {

namespace {

namespace fs = std::filesystem;

constexpr int kWrites = 50;

class MixedFolders : public ::testing::Test {
 protected:
  MixedFolders() : cluster_(Cluster::Options{.size = 3}) {}
  ~MixedFolders() override {
    if (HasFailure()) cluster_.PrintLogs(std::cerr);
  }

  std::string InfoField(int id, const std::string& name) {
    return Field(Client(cluster_.port(id)).Command({"INFO"}).text, name);
  }
  void WriteAll(const std::string& value) {
    Client client(cluster_.port(cluster_.WaitForLeader()));
    for (int i = 0; i < kWrites; ++i) {
      ASSERT_EQ(client.Command({"SET", "key:" + std::to_string(i), value}), Status("OK"));
    }
  }
  void ExpectAll(int id, const std::string& value) {
    Client client(cluster_.port(id));
    client.Command({"READONLY"});
    for (int i = 0; i < kWrites; ++i) {
      ASSERT_EQ(client.Command({"GET", "key:" + std::to_string(i)}), Text(value)) << i;
    }
  }
  void KillAll() {
    for (int id = 1; id <= 3; ++id) cluster_.Kill9(id);
  }
  // Precondition: it does not run.
  std::string CopyFolder(int id, const std::string& name) {
    const std::string copy = folder_.path() + "/" + name;
    fs::copy(cluster_.data_folder(id), copy, fs::copy_options::recursive);
    return copy;
  }
  void PutBack(int id, const std::string& copy) {
    cluster_.LoseData(id);
    fs::copy(copy, cluster_.data_folder(id), fs::copy_options::recursive);
  }
  std::string Meet(int at, int id) {
    return Client(cluster_.port(at))
        .Command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster_.port(id))})
        .text;
  }
  // Another process with that member's command line and this folder, as on another machine.
  std::unique_ptr<ChildProcess> StartTwin(int id, const std::string& data) {
    std::vector<std::string> line = cluster_.CommandLine(id);
    *(std::ranges::find(line, "--dir") + 1) = data;
    line.insert(line.end(), {"--bind", "127.0.0.2"});
    const int log = open(TwinLog().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    auto twin = ChildProcess::Start({line, folder_.path(), -1, log, log});
    close(log);
    return twin;
  }
  std::string TwinLog() const { return folder_.path() + "/twin.log"; }
  std::string TwinHasLogged() const {
    std::ostringstream text;
    text << std::ifstream(TwinLog()).rdbuf();
    return text.str();
  }
  // The twin ends by itself, and no client notices. Returns what it has logged.
  std::string RunTwin(int id, const std::string& data) {
    const auto twin = StartTwin(id, data);
    bool has_ended = false;
    EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
      has_ended = !twin->running();
      WriteAll("beside the twin");
      return has_ended || HasFatalFailure();
    }));
    EXPECT_EQ(twin->WaitForEnd(0), (ProcessEnd{.exit_code = 1}));
    return TwinHasLogged();
  }

  const TemporaryFolder folder_;
  Cluster cluster_;
};

}  // namespace

// All folders are emptied, the same command lines begin a second cluster, and one old folder comes
// back. Index and term say nothing of which is which; the old log may even look the newer one.
TEST_F(MixedFolders, AnOldFolderDoesNotBringBackAnEarlierLifeOfTheCluster) {
  ASSERT_TRUE(cluster_.Start());
  ASSERT_NO_FATAL_FAILURE(WriteAll("first"));
  // Terms of its own, so that the old log wins by Raft's rule.
  for (int i = 0; i < 3; ++i) {
    cluster_.Kill9(cluster_.WaitForLeader());
    ASSERT_TRUE(cluster_.Heal());
  }
  const std::string founding = InfoField(1, "raft_founding_id");
  KillAll();
  const std::string old = CopyFolder(3, "old");
  for (int id = 1; id <= 3; ++id) cluster_.LoseData(id);

  for (int id = 1; id <= 3; ++id) cluster_.Restart(id);
  ASSERT_TRUE(cluster_.Create());
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  ASSERT_NO_FATAL_FAILURE(WriteAll("second"));
  EXPECT_NE(InfoField(1, "raft_founding_id"), founding);
  KillAll();
  PutBack(3, old);
  for (int id = 1; id <= 3; ++id) cluster_.Restart(id);

  const auto serves_second = [&](int id) {
    return Client(cluster_.port(id)).Command({"GET", "key:0"}) == Text("second");
  };
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return serves_second(1) || serves_second(2); }));
  EXPECT_EQ(InfoField(3, "raft_founding_id"), founding);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return cluster_.HasLogged(3, "has the data folder of another life of the cluster");
  }));
  Client stranger(cluster_.port(3));
  stranger.Command({"READONLY"});
  EXPECT_TRUE(stranger.Command({"GET", "key:0"}).is_error());
  for (int id = 1; id <= 2; ++id) ASSERT_NO_FATAL_FAILURE(ExpectAll(id, "second"));
}

// All folders are emptied and the same command lines are started again: nobody has said that this
// is to be a new cluster. When one old disk comes back, nothing has taken its place.
TEST_F(MixedFolders, EmptyFoldersDoNotFoundAnotherClusterByThemselves) {
  ASSERT_TRUE(cluster_.Start());
  ASSERT_NO_FATAL_FAILURE(WriteAll("first"));
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  KillAll();
  const std::string old = folder_.path() + "/old";
  fs::copy(cluster_.data_folder(3), old, fs::copy_options::recursive);
  for (int id = 1; id <= 3; ++id) cluster_.LoseData(id);

  for (int id = 1; id <= 3; ++id) cluster_.Restart(id);
  for (int id = 1; id <= 3; ++id) {
    ASSERT_TRUE(
        Eventually(kDeadlineMs, [&] { return InfoField(id, "raft_waits_for_create") == "1"; }));
    EXPECT_TRUE(Client(cluster_.port(id)).Command({"SET", "key:0", "second"}).is_error());
  }

  // The old disk knows the others as members, which have lost their data now.
  cluster_.Kill9(3);
  cluster_.LoseData(3);
  fs::copy(old, cluster_.data_folder(3), fs::copy_options::recursive);
  cluster_.Restart(3);
  for (int id = 1; id <= 2; ++id) {
    ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return InfoField(id, "raft_lost_data") == "1"; }));
    const Reply refused = Client(cluster_.port(id)).Command({"CLUSTER", "CREATE"});
    EXPECT_TRUE(refused.IsError("ERR")) << refused;
    EXPECT_TRUE(Client(cluster_.port(id)).Command({"GET", "key:0"}).is_error());
  }

  // What the disk has is there, and is served by whoever says so.
  const std::string given_up = InfoField(3, "raft_cluster_id");
  cluster_.Kill9(3);
  cluster_.AddFlags(3, {"--force-new-cluster", given_up});
  cluster_.Restart(3);
  ASSERT_EQ(cluster_.WaitForLeader(), 3);
  ASSERT_NO_FATAL_FAILURE(ExpectAll(3, "first"));
}

// The disk of a member is not mounted, and the member is started without initial-cluster.
class UnmountedDisk : public MixedFolders {
 protected:
  // Of node 3, with nothing in its folder and nothing said of the cluster.
  void StartWithoutItsDisk() {
    stray_ = ChildProcess::Start({{QUORATE_SERVER, "--port", std::to_string(cluster_.port(3)),
                                   "--dir", folder_.path() + "/mount-point"},
                                  folder_.path(),
                                  -1,
                                  -1,
                                  -1});
  }
  bool IsStopped() {
    return InfoField(3, "raft_lost_data") == "1" &&
           Client(cluster_.port(3)).Command({"GET", "key:0"}).IsError("CLUSTERDOWN") &&
           Client(cluster_.port(3)).Command({"SET", "key:0", "stray"}).IsError("CLUSTERDOWN");
  }

  std::unique_ptr<ChildProcess> stray_;
};

TEST_F(UnmountedDisk, StopsTheServerAsSoonAsAMemberDialsIt) {
  ASSERT_TRUE(cluster_.Start());
  ASSERT_NO_FATAL_FAILURE(WriteAll("kept"));
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  cluster_.Kill9(3);
  StartWithoutItsDisk();
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return IsStopped(); }));
  EXPECT_TRUE(Client(cluster_.port(3)).Command({"CLUSTER", "SLOTS"}).IsError("CLUSTERDOWN"));
  // With its disk it is what it was.
  stray_.reset();
  cluster_.Restart(3);
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  ASSERT_NO_FATAL_FAILURE(ExpectAll(3, "kept"));
}

// Nobody can know before a member has dialled it. What it takes until then stays its own.
TEST_F(UnmountedDisk, WritesThatTheServerHasTakenAloneAreNeverMixedIn) {
  ASSERT_TRUE(cluster_.Start());
  ASSERT_NO_FATAL_FAILURE(WriteAll("kept"));
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  KillAll();
  StartWithoutItsDisk();
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster_.port(3)).Command({"SET", "key:0", "stray"}) == Status("OK");
  }));
  cluster_.Restart(1);
  cluster_.Restart(2);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return IsStopped(); }));
  const int leader = cluster_.WaitForLeader();
  ASSERT_NO_FATAL_FAILURE(ExpectAll(leader, "kept"));
  // It is not taken in with them, either.
  const Reply refused =
      Client(cluster_.port(leader))
          .Command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(cluster_.port(3))});
  EXPECT_TRUE(refused.IsError("ERR")) << refused;
  // Nor does it begin anew when it is started again, where no member could tell it.
  for (int id = 1; id <= 2; ++id) cluster_.Kill9(id);
  stray_.reset();
  StartWithoutItsDisk();
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return IsStopped(); }));
  EXPECT_NE(InfoField(3, "raft_lost_data_reason").find("knows it as node 3"), std::string::npos);
  stray_.reset();
  cluster_.Restart(1);
  cluster_.Restart(2);
  cluster_.Restart(3);
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  for (int id = 1; id <= 3; ++id) ASSERT_NO_FATAL_FAILURE(ExpectAll(id, "kept"));
}

// A follower's folder is put back to an earlier state while the leader runs: a restored image, or
// last night's copy. It has forgotten writes that it has acknowledged. With its vote the third
// member, which was away meanwhile, could lead without them.
TEST_F(MixedFolders, AFollowerThatWasPutBackTakesPartInNothing) {
  ASSERT_TRUE(cluster_.Start());
  ASSERT_NO_FATAL_FAILURE(WriteAll("first"));
  const int leader = cluster_.WaitForLeader();
  const int victim = leader == 1 ? 2 : 1;
  const int third = 6 - leader - victim;
  cluster_.Kill9(victim);
  const std::string old = CopyFolder(victim, "old");
  cluster_.Restart(victim);
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  cluster_.Kill9(third);
  ASSERT_EQ(cluster_.WaitForLeader(), leader);
  ASSERT_NO_FATAL_FAILURE(WriteAll("second"));

  cluster_.Kill9(victim);
  PutBack(victim, old);
  cluster_.Restart(victim);
  const auto is_lost = [&] { return InfoField(victim, "raft_lost_data") == "1"; };
  ASSERT_TRUE(Eventually(kDeadlineMs, is_lost));
  EXPECT_NE(InfoField(victim, "raft_lost_data_reason").find("was put back to an earlier state"),
            std::string::npos);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return InfoField(leader, "raft_lost_data_peer0")
        .starts_with("id=" + std::to_string(victim) + ",reason=");
  }));
  EXPECT_TRUE(cluster_.HasLogged(victim, "this node has lost data"));
  EXPECT_TRUE(cluster_.HasLogged(leader, "node " + std::to_string(victim) + " has lost data"));
  const std::string nodes = Client(cluster_.port(leader)).Command({"CLUSTER", "NODES"}).text;
  EXPECT_NE(nodes.find("slave,fail "), std::string::npos) << nodes;
  EXPECT_EQ(InfoField(leader, "raft_lost_data"), "0");

  // Nobody is left who has seen it in its newer state.
  cluster_.Kill9(leader);
  cluster_.Kill9(victim);
  cluster_.Restart(third);
  cluster_.Restart(victim);
  ASSERT_TRUE(Eventually(kDeadlineMs, is_lost));
  // The third stands, and has gone on asking in vain.
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return InfoField(third, "raft_role") == "pre-candidate" &&
           InfoField(third, "raft_lost_data_peer0").starts_with("id=" + std::to_string(victim));
  }));
  EXPECT_TRUE(Client(cluster_.port(third)).Command({"GET", "key:0"}).is_error());

  cluster_.Restart(leader);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return Client(cluster_.port(leader)).Command({"GET", "key:0"}) == Text("second");
  }));
  ASSERT_NO_FATAL_FAILURE(ExpectAll(leader, "second"));
  ASSERT_EQ(Meet(leader, victim), "OK");
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return !is_lost(); }));
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  for (int id = 1; id <= 3; ++id) ASSERT_NO_FATAL_FAILURE(ExpectAll(id, "second"));
  EXPECT_EQ(InfoField(victim, "raft_lost_data_reason"), "");
}

// A copy of a member's folder is started on another machine, or its command line with an empty
// folder, while one more member is down: then writes need the original.
TEST_F(MixedFolders, ATwinOfAMemberIsTurnedAway) {
  ASSERT_TRUE(cluster_.Start());
  const int leader = cluster_.WaitForLeader();
  const int original = leader == 1 ? 2 : 1;
  cluster_.Kill9(original);
  const std::string copy = CopyFolder(original, "copy");
  cluster_.Restart(original);
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  cluster_.Kill9(6 - leader - original);
  ASSERT_EQ(cluster_.WaitForLeader(), leader);
  const std::string term = InfoField(leader, "raft_term");
  const std::string empty = folder_.path() + "/empty";
  fs::create_directory(empty);
  // Whatever starts it may start it again and again.
  for (const std::string& data : {copy, copy, empty, empty, copy}) {
    fs::remove(TwinLog());
    const std::string log = RunTwin(original, data);
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_NE(log.find("another process runs as node " + std::to_string(original)),
              std::string::npos)
        << log;
  }
  EXPECT_EQ(InfoField(leader, "raft_term"), term);
  for (const int id : {leader, original}) {
    EXPECT_EQ(InfoField(id, "raft_lost_data"), "0");
    ASSERT_NO_FATAL_FAILURE(ExpectAll(id, "beside the twin"));
  }
  ASSERT_TRUE(cluster_.Heal());
}

// An older copy is started while the original hangs and cannot answer. What the copy lacks must not
// be held against the original.
TEST_F(MixedFolders, ATwinOfAMemberThatHangsDoesNotHaveItConvicted) {
  ASSERT_TRUE(cluster_.Start());
  const int leader = cluster_.WaitForLeader();
  const int original = leader == 1 ? 2 : 1;
  cluster_.Kill9(original);
  const std::string copy = CopyFolder(original, "copy");
  cluster_.Restart(original);
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  cluster_.Pause(original);
  const auto twin = StartTwin(original, copy);
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] {
    return cluster_.HasLogged(leader, "is still connected but does not answer");
  }));
  ASSERT_NO_FATAL_FAILURE(WriteAll("beside the twin"));
  cluster_.Resume(original);
  EXPECT_EQ(twin->WaitForEnd(kDeadlineMs), (ProcessEnd{.exit_code = 1})) << TwinHasLogged();
  ASSERT_TRUE(cluster_.WaitUntilAllServe());
  for (int id = 1; id <= 3; ++id) {
    EXPECT_EQ(InfoField(id, "raft_lost_data"), "0");
    EXPECT_EQ(InfoField(id, "raft_lost_data_peer0"), "");
    ASSERT_NO_FATAL_FAILURE(ExpectAll(id, "beside the twin"));
  }
}

}  // namespace quorate::redis_tests
