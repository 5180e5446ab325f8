#include "tests/simulation/settings.h"

#include <algorithm>

namespace quorate::simulation {
namespace {

constexpr uint16_t kFirstPort = 7001;
constexpr size_t kPlacesMax = 100;

// One of `values`.
int64_t OneOf(Random& random, std::initializer_list<int64_t> values) {
  return *(values.begin() + random.Below(values.size()));
}

// 0 half of the time: a fault that is always there would hide what happens without it.
uint32_t Sometimes(Random& random, int64_t permille_max) {
  return random.Chance(500) ? 0 : static_cast<uint32_t>(random.Between(1, permille_max));
}

std::vector<Member> Members(size_t count) {
  std::vector<Member> members;
  for (size_t i = 0; i < count; ++i) {
    members.push_back(MemberAt(consensus::NodeId(i + 1), PortOf(i, 0)));
  }
  return members;
}

NodeOptions DrawNode(Random& random) {
  NodeOptions node;
  node.cluster_id = 0x51;
  consensus::Config& raft = node.raft;
  raft.heartbeat_ticks = static_cast<uint32_t>(random.Between(1, 6));
  raft.election_timeout_ticks = raft.heartbeat_ticks * static_cast<uint32_t>(random.Between(4, 10));
  raft.disk_stall_ticks = raft.election_timeout_ticks * static_cast<uint32_t>(random.Between(2, 4));
  // Half of the runs with the limits of production, half with ones that are met all the time.
  if (random.Chance(500)) {
    raft.append_bytes_max = static_cast<size_t>(OneOf(random, {1, 100, 1000, 1 << 20}));
    raft.inflight_bytes_max = static_cast<size_t>(OneOf(random, {1, 500, 5000, 16 << 20}));
    raft.inflight_messages_max = static_cast<size_t>(OneOf(random, {1, 2, 8, 256}));
    raft.cached_bytes_max = static_cast<size_t>(OneOf(random, {1, 1000, 10000, 64 << 20}));
  }
  if (random.Chance(500)) {
    node.batch_bytes_max = static_cast<size_t>(OneOf(random, {1, 200, 2000, 1 << 20}));
    node.batch_commands_max = static_cast<size_t>(OneOf(random, {1, 2, 5, 4096}));
    node.inflight_bytes_max = static_cast<size_t>(OneOf(random, {200, 2000, 20000, 32 << 20}));
    node.apply_bytes_per_round = static_cast<size_t>(OneOf(random, {1, 300, 4 << 20}));
  }
  // Half of the runs have many small entries on their way. Not drawn: the seeds go on meaning what
  // they have meant.
  if (raft.heartbeat_ticks % 2 == 1) node.batch_bytes_wait_max = 0;
  node.request_timeout_ms = OneOf(random, {200, 700, 2000, 5000});
  node.leader_wait_ms = OneOf(random, {0, 100, 1000});
  node.checkpoint_interval_ms = OneOf(random, {20, 100, 1000, 5000});
  node.key_space.memtable_keys_max = static_cast<size_t>(OneOf(random, {2, 5, 256}));
  node.key_space.memtable_bytes_max = static_cast<size_t>(OneOf(random, {500, 5000, 64 << 20}));
  return node;
}

NetworkSettings DrawNetwork(Random& random) {
  NetworkSettings network;
  network.latency_min = random.Between(20, 300);
  network.latency_max = network.latency_min + OneOf(random, {10, 200, 2000, 20000});
  network.loss_permille = Sometimes(random, 50);
  network.duplicate_permille = Sometimes(random, 50);
  network.reorder_permille = Sometimes(random, 200);
  network.late_permille = Sometimes(random, 20);
  network.late_max = OneOf(random, {20, 200, 3000}) * kMillisecond;
  return network;
}

DiskSettings DrawDisk(Random& random) {
  DiskSettings disk;
  disk.commit_min = random.Between(50, 500);
  disk.commit_max = disk.commit_min + OneOf(random, {10, 300, 3000, 20000});
  disk.spike_permille = Sometimes(random, 50);
  disk.spike_max = OneOf(random, {10, 100, 400}) * kMillisecond;
  disk.checkpoint_max = OneOf(random, {1, 20, 500}) * kMillisecond;
  disk.trim_entries_max = static_cast<uint64_t>(OneOf(random, {1, 10, 1024}));
  return disk;
}

ClientSettings DrawClients(Random& random) {
  ClientSettings clients;
  clients.count = static_cast<size_t>(OneOf(random, {1, 3, 5, 8, 12}));
  clients.readonly_count = random.Below(clients.count / 2 + 1);
  clients.key_count = static_cast<uint32_t>(OneOf(random, {1, 3, 6, 12}));
  clients.pipeline_max = static_cast<size_t>(OneOf(random, {1, 4, 10, 30}));
  clients.think_max = OneOf(random, {1, 20, 100, 500}) * kMillisecond;
  clients.write_permille = static_cast<uint32_t>(random.Between(100, 900));
  clients.value_bytes_max = static_cast<uint32_t>(OneOf(random, {0, 50, 3000}));
  clients.cut_permille = Sometimes(random, 100);
  clients.leave_permille = Sometimes(random, 30);
  clients.operations_max = 6000;
  return clients;
}

// Timing must be as Raft needs it (section 5.6: broadcast time far below election timeout), or no
// cluster could be expected to recover.
void FitTimeouts(Random& random, Settings* settings) {
  consensus::Config& raft = settings->node.raft;
  const Time round_trip = 2 * (settings->network.latency_max + settings->round_max);
  const auto ticks = static_cast<uint32_t>(5 * round_trip / settings->tick + 1);
  raft.election_timeout_ticks = std::max(raft.election_timeout_ticks, ticks);
  raft.disk_stall_ticks = raft.election_timeout_ticks * static_cast<uint32_t>(random.Between(2, 4));
  // A disk that is well writes its checkpoints before a leader that waits for one hands over.
  settings->disk.checkpoint_max =
      std::min(settings->disk.checkpoint_max, raft.disk_stall_ticks * settings->tick / 2);
}

FaultSettings DrawFaults(Random& random) {
  FaultSettings faults;
  // From calm to wild.
  faults.interval = OneOf(random, {0, 5000, 2000, 1000, 500, 200, 60}) * kMillisecond;
  faults.duration_max = OneOf(random, {100, 700, 3000}) * kMillisecond;
  constexpr auto kFirstOfSpace = static_cast<size_t>(Fault::kFullDisk);
  for (size_t kind = 0; kind < kFirstOfSpace; ++kind) {
    if (random.Chance(400)) faults.kinds.push_back(static_cast<Fault>(kind));
  }
  if (faults.kinds.empty()) faults.kinds.push_back(static_cast<Fault>(random.Below(kFirstOfSpace)));
  return faults;
}

// Full disks stay so for long, and would hide much if they were in most of the runs. What they
// hold up for long shows best with little beside them.
void DrawFullDisks(Random& random, FaultSettings* faults) {
  if (random.Chance(600)) return;
  if (random.Chance(300)) *faults = {OneOf(random, {2, 5}) * kSecond, 3 * kSecond, {}};
  for (auto kind = static_cast<size_t>(Fault::kFullDisk); kind < kFaultCount; ++kind) {
    if (faults->kinds.empty() || random.Chance(500)) {
      faults->kinds.push_back(static_cast<Fault>(kind));
    }
  }
}

// In half of the runs the members stay the same.
MembershipSettings DrawMembership(Random& random) {
  MembershipSettings membership;
  if (random.Chance(500)) return membership;
  membership.interval = OneOf(random, {4000, 1500, 600, 200}) * kMillisecond;
  membership.spare_count = static_cast<size_t>(random.Between(1, 4));
  membership.loss_permille = Sometimes(random, 400);
  return membership;
}

// With numbers of their own: the seeds go on meaning what they have meant.
MixupSettings DrawMixups(uint64_t seed) {
  Random random(seed ^ 0x313b);
  MixupSettings mixups;
  mixups.torn_copies = random.Chance(500);
  return mixups;
}

}  // namespace

uint16_t PortOf(size_t place, size_t which) {
  return static_cast<uint16_t>(kFirstPort + which * kPlacesMax + place);
}

size_t PlaceOf(uint16_t port) { return static_cast<size_t>(port - kFirstPort) % kPlacesMax; }

Member MemberAt(consensus::NodeId id, uint16_t port) {
  return {id.value(), "sim", port, static_cast<uint16_t>(port + 10000)};
}

Settings Draw(uint64_t seed, std::optional<size_t> node_count) {
  Random random(seed);
  Settings settings;
  settings.seed = seed;
  const size_t drawn = random.Chance(700) ? 3 : 5;
  settings.node_count = node_count.value_or(drawn);
  settings.members = Members(settings.node_count);
  settings.node = DrawNode(random);
  settings.node.raft.founds_unasked = seed % 2 == 0;
  settings.round_max = OneOf(random, {0, 20, 300, 3000});
  settings.tick = Node::kTickMs * kMillisecond;
  settings.tick_drift_permille = Sometimes(random, 300);
  settings.storm = random.Between(5, 25) * kSecond;
  settings.network = DrawNetwork(random);
  settings.disk = DrawDisk(random);
  settings.clients = DrawClients(random);
  settings.faults = DrawFaults(random);
  FitTimeouts(random, &settings);
  settings.clock_drift_permille = Sometimes(random, 50);
  settings.node.backlog_entries = static_cast<uint64_t>(OneOf(random, {0, 5, 50, 100'000}));
  // Election timeouts decide how long a recovery takes.
  settings.calm = 5 * kSecond + 40 * settings.node.raft.election_timeout_ticks * settings.tick;
  settings.membership = DrawMembership(random);
  DrawFullDisks(random, &settings.faults);
  settings.mixups = DrawMixups(seed);
  return settings;
}

}  // namespace quorate::simulation
