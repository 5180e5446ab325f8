#include <cstddef>
#include <iterator>

#include "tests/simulation/faults.h"

namespace quorate::simulation {
namespace {

constexpr const char* kNames[] = {"crash one node",
                                  "crash the leader",
                                  "crash a minority",
                                  "crash a majority",
                                  "crash all",
                                  "leader storm",
                                  "restart storm",
                                  "crash in a commit",
                                  "pause one node",
                                  "pause the leader",
                                  "pause a majority",
                                  "slow loop",
                                  "log disk stalls",
                                  "leader's log disk stalls",
                                  "slow log disk",
                                  "log disk returns errors",
                                  "checkpoint stalls",
                                  "unix clock jumps",
                                  "cut into halves",
                                  "isolate the leader",
                                  "cut one way",
                                  "mute the leader",
                                  "deafen the leader",
                                  "bridge",
                                  "ring",
                                  "random cuts",
                                  "flapping link",
                                  "loss",
                                  "duplication",
                                  "reordering",
                                  "late messages",
                                  "slow network",
                                  "transfer leadership",
                                  "request leadership",
                                  "peer seems gone",
                                  "checkpoint now",
                                  "disk is full",
                                  "leader's disk is full",
                                  "all disks are full",
                                  "checkpoint finds no space"};
static_assert(std::size(kNames) == kFaultCount);

}  // namespace

const char* NameOf(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

}  // namespace quorate::simulation
