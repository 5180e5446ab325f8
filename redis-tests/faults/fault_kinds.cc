#include "redis-tests/faults/fault_kinds.h"

#include <signal.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "redis-tests/faults/data_faults.h"
#include "redis-tests/faults/fault_steps.h"

namespace quorate::redis_tests {

namespace {

// Longer than the servers' request-timeout, after which they must answer.
constexpr int64_t kLongHoldMs = 6'000;
constexpr int64_t kStormMs = 4'000;

// --- Processes ---

void KillLeader(Scene* scene) {
  const int leader = Leader(scene);
  if (leader == Cluster::kNoNode) {
    return;
  }
  Begin(scene, leader);
  scene->cluster->Kill9(leader);
  WaitForWrites(scene);
}

void KillFollower(Scene* scene) {
  const int follower = AnyFollower(scene, Leader(scene));
  Begin(scene);
  scene->cluster->Kill9(follower);
  WaitForWrites(scene);
}

void KillFirst(Scene* scene, int count) {
  const std::vector<int> order = OthersAfter(scene, std::max(1, Leader(scene)));
  Begin(scene);
  for (int i = 0; i < count; ++i) {
    scene->cluster->Kill9(order[static_cast<size_t>(i)]);
  }
  SleepMs(scene->random->Between(0, 1'000));
}

void KillMajority(Scene* scene) { KillFirst(scene, scene->cluster->size() / 2 + 1); }

void KillAll(Scene* scene) { KillFirst(scene, scene->cluster->size()); }

void TerminateLeader(Scene* scene) {
  const int leader = Leader(scene);
  if (leader == Cluster::kNoNode) {
    return;
  }
  Begin(scene, leader);
  if (scene->cluster->Terminate(leader) != ProcessEnd{0, 0}) {
    scene->Fail("node " + std::to_string(leader) + " did not exit with 0 after SIGTERM");
  }
  WaitForWrites(scene);
}

void HandOver(Scene* scene) {
  const int leader = Leader(scene);
  const int chosen = AnyFollower(scene, leader);
  Client client(scene->cluster->host(chosen), scene->cluster->port(chosen));
  Begin(scene, leader);
  const Reply reply = client.Command({"CLUSTER", "FAILOVER"});
  if (reply != Status("OK")) {
    scene->Fail("CLUSTER FAILOVER was answered with '" + reply.text + "'");
  }
  WaitForWrites(scene);
}

void Pause(Scene* scene, int id) {
  scene->cluster->Pause(id);
  Hold(scene);
  scene->cluster->Resume(id);
}

void PauseLeader(Scene* scene) {
  const int leader = Leader(scene);
  if (leader == Cluster::kNoNode) {
    return;
  }
  Begin(scene, leader);
  Pause(scene, leader);
}

void PauseFollower(Scene* scene) {
  const int follower = AnyFollower(scene, Leader(scene));
  Begin(scene);
  Pause(scene, follower);
}

// Nodes come and go, most of the time so many that there is no majority.
void RestartStorm(Scene* scene) {
  Begin(scene);
  const auto end = Clock::now() + std::chrono::milliseconds(kStormMs);
  while (Clock::now() < end) {
    const int id = static_cast<int>(scene->random->Between(1, scene->cluster->size()));
    if (!scene->cluster->running(id)) {
      scene->cluster->Restart(id);
    } else if (scene->random->Chance(700)) {
      scene->cluster->Kill9(id);
    } else {
      // The signal ends a process by itself that has not come so far as to handle it.
      const std::optional<ProcessEnd> process_end = scene->cluster->Terminate(id);
      if (process_end != ProcessEnd{0, 0} && process_end != ProcessEnd{-1, SIGTERM}) {
        scene->Fail("node " + std::to_string(id) + " did not exit with 0 after SIGTERM");
      }
    }
    SleepMs(scene->random->Between(1, 200));
  }
}

// --- The network ---

using Connected = std::function<bool(int from, int to)>;

void SetLinks(Scene* scene, const Connected& connected) {
  std::string why_not;
  if (!scene->network->SetLinks(connected, &why_not)) {
    scene->Fail("the network could not be changed: " + why_not);
  }
}

void Cut(Scene* scene, int replaced, const Connected& connected, int64_t hold_ms = 0) {
  Begin(scene, replaced);
  SetLinks(scene, connected);
  if (hold_ms > 0) {
    SleepMs(hold_ms);
  } else {
    Hold(scene);
  }
  SetLinks(scene, [](int, int) { return true; });
}

void CutLeader(Scene* scene) {
  const int leader = Leader(scene);
  Cut(scene, leader, [=](int from, int to) { return from != leader && to != leader; });
}

void CutFollower(Scene* scene) {
  const int follower = AnyFollower(scene, Leader(scene));
  Cut(scene, Cluster::kNoNode,
      [=](int from, int to) { return from != follower && to != follower; });
}

// The leader with fewer than half of the nodes, and the others.
void CutMinority(Scene* scene) {
  const int leader = Leader(scene);
  const std::vector<int> order = OthersAfter(scene, leader);
  const auto minority_end = order.begin() + (scene->cluster->size() - 1) / 2;
  const auto in_minority = [=, &order](int id) {
    return std::find(order.begin(), minority_end, id) != minority_end;
  };
  Cut(scene, leader, [&](int from, int to) { return in_minority(from) == in_minority(to); });
}

void CutAll(Scene* scene) {
  Cut(scene, Cluster::kNoNode, [](int, int) { return false; });
}

// Its followers hear the leader, but it does not hear them: only by itself can it know that it must
// give up.
void DeafLeader(Scene* scene) {
  const int leader = Leader(scene);
  Cut(scene, leader, [=](int, int to) { return to != leader; });
}

// What it has sent is taken over by the next leader, but it cannot know that: its clients must be
// told that the outcome is unknown.
void DeafLeaderForLong(Scene* scene) {
  const int leader = Leader(scene);
  Cut(
      scene, leader, [=](int, int to) { return to != leader; }, kLongHoldMs);
}

void MuteLeader(Scene* scene) {
  const int leader = Leader(scene);
  Cut(scene, leader, [=](int from, int) { return from != leader; });
}

// It does not hear the leader, and asks the others for their votes, who do.
void DeafFollower(Scene* scene) {
  const int leader = Leader(scene);
  const int follower = AnyFollower(scene, leader);
  Cut(scene, Cluster::kNoNode,
      [=](int from, int to) { return !(from == leader && to == follower); });
}

void MuteFollower(Scene* scene) {
  const int follower = AnyFollower(scene, Leader(scene));
  Cut(scene, Cluster::kNoNode, [=](int from, int) { return from != follower; });
}

// Two sides that see each other no more, and one node between them that sees all; the leader is on
// a side.
void Bridge(Scene* scene) {
  const std::vector<int> order = OthersAfter(scene, Leader(scene));
  const int middle = order[1];
  const auto left_end = order.begin() + 2 + (scene->cluster->size() - 3) / 2;
  const auto on_left = [=, &order](int id) {
    return std::find(order.begin(), left_end, id) != left_end;
  };
  Cut(scene, Cluster::kNoNode, [&](int from, int to) {
    return from == middle || to == middle || on_left(from) == on_left(to);
  });
}

// Each node sees its two neighbours only: everybody sees a majority, and nobody the same.
void Ring(Scene* scene) {
  const int size = scene->cluster->size();
  Cut(scene, Cluster::kNoNode, [=](int from, int to) {
    const int distance = (from - to + size) % size;
    return distance == 1 || distance == size - 1;
  });
}

// Links come and go, each direction by itself.
void Flapping(Scene* scene) {
  Begin(scene);
  const auto end = Clock::now() + std::chrono::milliseconds(kStormMs);
  const int size = scene->cluster->size();
  while (Clock::now() < end && scene->failure.empty()) {
    std::vector<bool> cut(static_cast<size_t>(size * size));
    for (size_t i = 0; i < cut.size(); ++i) {
      cut[i] = scene->random->Chance(300);
    }
    SetLinks(scene, [&](int from, int to) {
      return !cut[static_cast<size_t>((from - 1) * size + to - 1)];
    });
    SleepMs(scene->random->Between(20, 800));
  }
  SetLinks(scene, [](int, int) { return true; });
}

constexpr FaultKind kKinds[] = {
    {"kill-leader", "kill -9 of the leader", 3, Needs::kNothing, KillLeader},
    {"kill-follower", "kill -9 of a follower", 3, Needs::kNothing, KillFollower},
    {"kill-majority", "kill -9 of the leader and as many more as make a majority", 3,
     Needs::kNothing, KillMajority},
    {"kill-all", "kill -9 of all nodes", 3, Needs::kNothing, KillAll},
    {"sigterm-leader", "SIGTERM of the leader, which hands over", 3, Needs::kNothing,
     TerminateLeader},
    {"failover", "CLUSTER FAILOVER on a follower", 3, Needs::kNothing, HandOver},
    {"pause-leader", "SIGSTOP of the leader for 1.5 to 3 seconds", 3, Needs::kNothing, PauseLeader},
    {"pause-follower", "SIGSTOP of a follower for 1.5 to 3 seconds", 3, Needs::kNothing,
     PauseFollower},
    {"restart-storm", "4 seconds of kill -9, SIGTERM and restarts of any node", 3, Needs::kNothing,
     RestartStorm},
    {"away-for-long", "a follower is away until it can only be sent a snapshot", 3, Needs::kNothing,
     AwayForLong},
    {"lost-data", "a follower loses its data folder and is replaced by CLUSTER MEET", 3,
     Needs::kNothing, LoseData},
    {"members", "a member is removed, and taken in anew, without its data", 3, Needs::kNothing,
     ChangeMembers},
    {"members-killed", "the same, with kill -9 of the leader meanwhile", 3, Needs::kNothing,
     ChangeMembersAndKillLeader},
    {"cut-leader", "the leader cut off from all others", 3, Needs::kNetwork, CutLeader},
    {"cut-follower", "a follower cut off from all others", 3, Needs::kNetwork, CutFollower},
    {"cut-minority", "the leader and one follower cut off from the three others", 5,
     Needs::kNetwork, CutMinority},
    {"cut-all", "every node cut off from every other", 3, Needs::kNetwork, CutAll},
    {"deaf-leader", "nothing arrives at the leader", 3, Needs::kNetwork, DeafLeader},
    {"deaf-for-long", "nothing arrives at the leader for longer than request-timeout", 3,
     Needs::kNetwork, DeafLeaderForLong},
    {"mute-leader", "nothing that the leader sends arrives", 3, Needs::kNetwork, MuteLeader},
    {"deaf-follower", "nothing from the leader arrives at one follower", 3, Needs::kNetwork,
     DeafFollower},
    {"mute-follower", "nothing that a follower sends arrives", 3, Needs::kNetwork, MuteFollower},
    {"bridge", "two sides cut off from each other, and one node that sees all", 3, Needs::kNetwork,
     Bridge},
    {"ring", "each node sees its two neighbours only", 5, Needs::kNetwork, Ring},
    {"flapping", "4 seconds of links that come and go, each direction by itself", 3,
     Needs::kNetwork, Flapping},
    {"full-leader", "the leader's disk is full for a while", 3, Needs::kDisks, FillLeader},
    {"full-follower", "a follower's disk is full for a while", 3, Needs::kDisks, FillFollower},
    {"full-all", "all disks are full until no write is taken any more", 3, Needs::kDisks, FillAll},
    {"full-killed", "kill -9 of all nodes while all disks are full", 3, Needs::kDisks,
     FillAndKillAll},
    {"failing-leader", "the leader's disk reports an input/output error", 3, Needs::kFailingDisks,
     FailLeadersDisk},
};

}  // namespace

std::span<const FaultKind> FaultKinds() { return kKinds; }

}  // namespace quorate::redis_tests
