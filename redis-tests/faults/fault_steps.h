// What faults are put together from.
#pragma once

#include <cstdint>
#include <vector>

#include "redis-tests/faults/fault_kinds.h"

namespace quorate::redis_tests {

void SleepMs(int64_t time_ms);
// Long enough for an election with the default settings, and for what comes after it.
void Hold(Scene* scene);
// Until clients have got some more writes acknowledged.
void WaitForWrites(Scene* scene);
// kNoNode, and the scene has failed: there is none.
int Leader(Scene* scene);
int AnyFollower(Scene* scene, int leader);
// The nodes in an order drawn at random, but this one first.
std::vector<int> OthersAfter(Scene* scene, int first);
// The fault begins now. `replaced`: see Scene.
void Begin(Scene* scene, int replaced = Cluster::kNoNode);

}  // namespace quorate::redis_tests
