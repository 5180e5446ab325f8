#include "redis-tests/faults/data_faults.h"

#include <string>

#include "redis-tests/faults/fault_steps.h"
#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

constexpr int64_t kRefillMs = 200;
// Full disks are full for good when so long no write was acknowledged.
constexpr int64_t kStillMs = 1'000;
constexpr int64_t kFillMsMax = 30'000;
// So short a log that a few hundred writes are too many for it.
constexpr const char* kBacklogEntries = "repl-backlog-entries";
constexpr const char* kShortBacklog = "100";

Client Connect(const Scene& scene, int id) {
  return Client(scene.cluster->host(id), scene.cluster->port(id));
}

std::string InfoField(const Scene& scene, int id, const std::string& name) {
  return Field(Connect(scene, id).Command({"INFO"}).text, name);
}

uint64_t InfoNumber(const Scene& scene, int id, const std::string& name) {
  const std::string text = InfoField(scene, id, name);
  return text.empty() ? 0 : std::stoull(text);
}

template <typename Condition>
void WaitFor(Scene* scene, const std::string& what, Condition condition) {
  if (!Eventually(kDeadlineMs, condition)) {
    scene->Fail("waited in vain until " + what);
  }
}

// --- Members ---

void SetBacklogOfOthers(Scene* scene, int away, const std::string& entries) {
  for (int id = 1; id <= scene->cluster->size(); ++id) {
    if (id != away &&
        Connect(*scene, id).Command({"CONFIG", "SET", kBacklogEntries, entries}) != Status("OK")) {
      scene->Fail("node " + std::to_string(id) + " does not change its backlog");
    }
  }
}

// It finds out that it is nobody any more, and answers no client.
void ComeBackEmpty(Scene* scene, int id) {
  scene->cluster->LoseData(id);
  scene->cluster->Restart(id);
  WaitFor(scene, "a node without its data refuses to serve", [&] {
    return Connect(*scene, id).Command({"GET", "key"}).IsError("CLUSTERDOWN");
  });
}

// In the place of the member that it was, if it still counts as one.
void Meet(Scene* scene, int id) {
  Cluster* const cluster = scene->cluster;
  // Refused until its leader has noticed that the old one is gone.
  WaitFor(scene, "CLUSTER MEET is answered with OK", [&] {
    return Connect(*scene, Leader(scene))
               .Command({"CLUSTER", "MEET", cluster->host(id),
                         std::to_string(cluster->port(id))}) == Status("OK");
  });
}

void WaitUntilTakenIn(Scene* scene, int id) {
  WaitFor(scene, "an empty node has become a voter", [&] {
    return InfoField(*scene, id, "raft_voters") == std::to_string(scene->cluster->size());
  });
}

void Remove(Scene* scene, int id) {
  const std::string name = Connect(*scene, id).Command({"CLUSTER", "MYID"}).text;
  const int asked = AnyFollower(scene, id);
  WaitFor(scene, "CLUSTER FORGET is answered with OK", [&] {
    return Connect(*scene, asked).Command({"CLUSTER", "FORGET", name}) == Status("OK");
  });
  WaitFor(scene, "a member is removed", [&] {
    return InfoField(*scene, asked, "raft_voters") == std::to_string(scene->cluster->size() - 1);
  });
}

// --- Disks ---

void FillDisks(Scene* scene) {
  for (int id = 1; id <= scene->cluster->size(); ++id) {
    scene->disks->Fill(id);
  }
}

// What a trimmed log or a checkpoint gives back is taken as well, until no write finds any room. Or
// until it has become clear that writes can go on for ever, in the pages that trims leave free.
void FillDisksForGood(Scene* scene) {
  int64_t acknowledged = -1;
  auto since = Clock::now();
  const auto enough = since + std::chrono::milliseconds(kFillMsMax);
  WaitFor(scene, "writes are refused because all disks are full", [&] {
    FillDisks(scene);
    SleepMs(kRefillMs);
    if (const int64_t now = scene->load->acknowledged(); now != acknowledged) {
      acknowledged = now;
      since = Clock::now();
    }
    return Clock::now() - since >= std::chrono::milliseconds(kStillMs) || Clock::now() >= enough;
  });
}

void MakeSpaceOnDisks(Scene* scene) {
  scene->space_at = Clock::now();
  for (int id = 1; id <= scene->cluster->size(); ++id) {
    scene->disks->MakeSpace(id);
  }
}

}  // namespace

void AwayForLong(Scene* scene) {
  Cluster* const cluster = scene->cluster;
  const int leader = Leader(scene);
  if (leader == Cluster::kNoNode) {
    return;
  }
  const int away = AnyFollower(scene, leader);
  const Reply before = Connect(*scene, leader).Command({"CONFIG", "GET", kBacklogEntries});
  if (before.elements.size() != 2) {
    scene->Fail("a leader does not tell its backlog");
    return;
  }
  const uint64_t had = InfoNumber(*scene, away, "raft_last_log_index");
  Begin(scene);
  cluster->Kill9(away);
  SetBacklogOfOthers(scene, away, kShortBacklog);
  WaitFor(scene, "the log begins behind what a follower has",
          [&] { return InfoNumber(*scene, Leader(scene), "raft_first_log_index") > had + 1; });
  cluster->Restart(away);
  WaitFor(scene, "a follower has got a snapshot",
          [&] { return InfoNumber(*scene, away, "raft_first_log_index") > had + 1; });
  SetBacklogOfOthers(scene, away, before.elements[1].text);
}

void LoseData(Scene* scene) {
  const int follower = AnyFollower(scene, Leader(scene));
  Begin(scene);
  scene->cluster->Kill9(follower);
  ComeBackEmpty(scene, follower);
  Meet(scene, follower);
  WaitUntilTakenIn(scene, follower);
}

void ChangeMembers(Scene* scene) {
  const int removed = static_cast<int>(scene->random->Between(1, scene->cluster->size()));
  Begin(scene);
  Remove(scene, removed);
  WaitForWrites(scene);
  scene->cluster->Kill9(removed);
  ComeBackEmpty(scene, removed);
  Meet(scene, removed);
  WaitUntilTakenIn(scene, removed);
}

void ChangeMembersAndKillLeader(Scene* scene) {
  Cluster* const cluster = scene->cluster;
  const int removed = static_cast<int>(scene->random->Between(1, cluster->size()));
  Begin(scene);
  Remove(scene, removed);
  cluster->Kill9(removed);
  ComeBackEmpty(scene, removed);
  Meet(scene, removed);
  const int leader = Leader(scene);
  if (leader == Cluster::kNoNode) {
    return;
  }
  cluster->Kill9(leader);
  SleepMs(scene->random->Between(0, 1'000));
  cluster->Restart(leader);
  WaitUntilTakenIn(scene, removed);
}

void FillLeader(Scene* scene) {
  const int leader = Leader(scene);
  if (leader == Cluster::kNoNode) {
    return;
  }
  Begin(scene, leader);
  scene->disks->Fill(leader);
  WaitFor(scene, "a leader with a full disk hands over", [&] { return Leader(scene) != leader; });
  Hold(scene);
  scene->disks->MakeSpace(leader);
}

void FillFollower(Scene* scene) {
  const int follower = AnyFollower(scene, Leader(scene));
  Begin(scene);
  scene->disks->Fill(follower);
  Hold(scene);
  scene->disks->MakeSpace(follower);
}

// Reads go on all the while: Leader() is who answers them.
void FillAll(Scene* scene) {
  Begin(scene);
  FillDisksForGood(scene);
  Leader(scene);
  MakeSpaceOnDisks(scene);
  WaitForWrites(scene);
}

void FillAndKillAll(Scene* scene) {
  Cluster* const cluster = scene->cluster;
  Begin(scene);
  FillDisksForGood(scene);
  for (int id = 1; id <= cluster->size(); ++id) {
    cluster->Kill9(id);
  }
  for (int id = 1; id <= cluster->size(); ++id) {
    cluster->Restart(id);
  }
  Hold(scene);
  MakeSpaceOnDisks(scene);
  WaitForWrites(scene);
}

void FailLeadersDisk(Scene* scene) {
  const int leader = Leader(scene);
  if (leader == Cluster::kNoNode) {
    return;
  }
  Begin(scene, leader);
  scene->disks->Fail(leader);
  if (scene->cluster->WaitForEnd(leader) != ProcessEnd{1, 0}) {
    scene->Fail("a node whose disk fails does not exit with 1");
  }
  scene->disks->Repair(leader);
  WaitForWrites(scene);
}

}  // namespace quorate::redis_tests
