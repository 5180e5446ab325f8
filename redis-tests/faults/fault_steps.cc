#include "redis-tests/faults/fault_steps.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

constexpr int64_t kHoldMinMs = 1'500;
constexpr int64_t kHoldMaxMs = 3'000;
constexpr int kWritesToGoOn = 50;

}  // namespace

void SleepMs(int64_t time_ms) { std::this_thread::sleep_for(std::chrono::milliseconds(time_ms)); }

void Hold(Scene* scene) { SleepMs(scene->random->Between(kHoldMinMs, kHoldMaxMs)); }

void WaitForWrites(Scene* scene) {
  const int64_t goal = scene->load->acknowledged() + kWritesToGoOn;
  if (!Eventually(kDeadlineMs, [&] { return scene->load->acknowledged() >= goal; })) {
    scene->Fail("no writes go on");
  }
}

int Leader(Scene* scene) {
  const int leader = scene->cluster->WaitForLeader();
  if (leader == Cluster::kNoNode) {
    scene->Fail("there is no leader");
  }
  return leader;
}

int AnyFollower(Scene* scene, int leader) {
  const int size = scene->cluster->size();
  const int step = static_cast<int>(scene->random->Between(1, size - 1));
  return (leader - 1 + step) % size + 1;
}

std::vector<int> OthersAfter(Scene* scene, int first) {
  std::vector<int> order = {first};
  for (int id = 1; id <= scene->cluster->size(); ++id) {
    if (id != first) {
      order.push_back(id);
    }
  }
  for (size_t i = order.size() - 1; i > 1; --i) {
    std::swap(order[i], order[1 + scene->random->Below(i)]);
  }
  return order;
}

void Begin(Scene* scene, int replaced) {
  scene->replaced = replaced;
  scene->begin = Clock::now();
}

}  // namespace quorate::redis_tests
