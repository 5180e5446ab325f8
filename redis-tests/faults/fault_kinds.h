// The kinds of faults that befall a cluster of real processes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "redis-tests/faults/disks.h"
#include "redis-tests/faults/private_network.h"
#include "redis-tests/faults/recording_load.h"
#include "redis-tests/support/cluster.h"

namespace quorate::redis_tests {

// A cluster that serves, under load, and what a fault leaves behind in it.
struct Scene {
  Cluster* cluster;
  PrivateNetwork* network;  // Null where there is none.
  Disks* disks;             // As well.
  const RecordingLoad* load;
  Random* random;

  Clock::time_point begin{};  // When the fault began.
  // The leader that the fault takes the leadership from; kNoNode where it does not say which.
  int replaced = Cluster::kNoNode;
  // When disks that were full had space again; nothing where none was.
  std::optional<Clock::time_point> space_at = {};
  std::string failure = {};  // What went wrong beside the histories; empty: nothing.

  void Fail(const std::string& what) { failure = failure.empty() ? what : failure; }
};

// What a kind cannot do without: a PrivateNetwork, Disks, Disks that can fail.
enum class Needs : uint8_t { kNothing, kNetwork, kDisks, kFailingDisks };

struct FaultKind {
  std::string_view name;
  std::string_view what;
  int nodes_min;
  Needs needs;
  // Lets it happen, for a while where it lasts, and ends it: all that was cut or paused is not any
  // more. Nodes that do not run are restarted by the caller. Precondition: all nodes serve.
  void (*happen)(Scene* scene);
};

std::span<const FaultKind> FaultKinds();

}  // namespace quorate::redis_tests
