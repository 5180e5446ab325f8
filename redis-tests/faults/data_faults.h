// Faults of members' data: of the disks that it lies on, and of members that come and go without
// any. See fault_kinds.h.
#pragma once

#include "redis-tests/faults/fault_kinds.h"

namespace quorate::redis_tests {

void AwayForLong(Scene* scene);
void LoseData(Scene* scene);
void ChangeMembers(Scene* scene);
void ChangeMembersAndKillLeader(Scene* scene);

// These need disks.
void FillLeader(Scene* scene);
void FillFollower(Scene* scene);
void FillAll(Scene* scene);
void FillAndKillAll(Scene* scene);
void FailLeadersDisk(Scene* scene);

}  // namespace quorate::redis_tests
