// What a seed decides before anything happens: the cluster, the machine's speed, the clients and
// the weather. Drawn wide on purpose (swarm testing): a run with only some of the faults, or with a
// queue of length one, finds what a run with everything at once hides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "src/node/node.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/random.h"

namespace quorate::simulation {

struct NetworkSettings {
  Time latency_min = 0;
  Time latency_max = 0;
  uint32_t loss_permille = 0;
  uint32_t duplicate_permille = 0;
  uint32_t reorder_permille = 0;
  uint32_t late_permille = 0;  // arrives up to late_max later
  Time late_max = 0;

  bool operator==(const NetworkSettings&) const = default;
};

struct DiskSettings {
  Time commit_min = 0;
  Time commit_max = 0;
  uint32_t spike_permille = 0;
  Time spike_max = 0;
  Time checkpoint_max = 0;
  uint64_t trim_entries_max = 0;  // by one commit
};

struct ClientSettings {
  size_t count = 0;
  size_t readonly_count = 0;  // of these, how many ask any node with READONLY
  uint32_t key_count = 0;
  size_t pipeline_max = 0;
  Time think_max = 0;
  uint32_t write_permille = 0;
  uint32_t value_bytes_max = 0;  // beyond the number that each value is
  uint32_t cut_permille = 0;     // a request's bytes arrive in pieces
  uint32_t leave_permille = 0;   // a client closes its connection with requests in flight
  size_t operations_max = 0;     // all clients together
};

struct FaultSettings {
  Time interval = 0;  // on the average between two faults; 0: none
  Time duration_max = 0;
  std::vector<Fault> kinds;
};

struct MembershipSettings {
  Time interval = 0;       // on the average between two changes; 0: none
  size_t spare_count = 0;  // machines beside those that the cluster begins with
  uint32_t loss_permille = 0;
};

// Folders and addresses that are mixed up.
struct MixupSettings {
  bool torn_copies = false;  // one part of a copied folder is older than the other
};

struct Settings {
  uint64_t seed = 0;
  size_t node_count = 3;        // that the cluster begins with
  std::vector<Member> members;  // these
  NodeOptions node;             // of every node; id and seed are filled in at its starts
  Time round_max = 0;
  Time tick = 0;
  uint32_t tick_drift_permille = 0;
  uint32_t clock_drift_permille = 0;  // of what clocks show; ticks drift by themselves
  Time storm = 0;                     // faults happen
  Time calm = 0;                      // then none, and the cluster has to recover
  NetworkSettings network;
  DiskSettings disk;
  ClientSettings clients;
  FaultSettings faults;
  MembershipSettings membership;
  MixupSettings mixups;

  size_t machine_count() const { return node_count + membership.spare_count; }
};

// A machine's address for clients and, 10000 above, for peers. Each has several, one at a time.
uint16_t PortOf(size_t place, size_t which);
size_t PlaceOf(uint16_t port);
// A member with one of these addresses.
Member MemberAt(consensus::NodeId id, uint16_t port);

// The same for the same seed. `node_count`: 1, 3 or 5; nothing: drawn, too.
Settings Draw(uint64_t seed, std::optional<size_t> node_count);

}  // namespace quorate::simulation
