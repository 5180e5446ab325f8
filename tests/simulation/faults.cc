#include "tests/simulation/faults.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "tests/simulation/network.h"
#include "tests/simulation/server.h"
#include "tests/simulation/settings.h"

namespace quorate::simulation {
namespace {

// What a node keeps of its log's disk for elections.
constexpr size_t kLogReserveBytes = 512 << 10;

}  // namespace

struct Faults::Hand {
  Hand(const Surroundings& around, std::vector<std::unique_ptr<Server>>& all, Random chance)

      : surroundings(around), servers(all), random(chance) {}

  const FaultSettings& settings() const { return surroundings.settings.faults; }
  EventQueue& events() { return surroundings.events; }
  SimNetwork& network() { return surroundings.network; }
  // Those that belong to the cluster, have belonged to it, or run on their own.
  std::vector<size_t> Nodes() const {
    std::vector<size_t> nodes;
    for (const auto& server : servers) {
      if (server->in_cluster() || server->up()) nodes.push_back(server->place());
    }
    return nodes;
  }
  size_t count() const { return Nodes().size(); }
  size_t AnyNode() { return random.Pick(Nodes()); }
  Time Duration() { return random.Between(kMillisecond, settings().duration_max); }

  void Plan() {
    // Evenly between none and twice the average.
    events().After(random.Between(1, 2 * settings().interval), [this] {
      if (ended) return;
      Strike(random.Pick(settings().kinds));
      Plan();
    });
  }

  // Runs `action` later, unless the faults have ended by then.
  void Later(Time delay, std::function<void()> action) {
    events().After(delay, [this, action = std::move(action)] {
      if (!ended) action();
    });
  }

  void Note(Fault fault, uint64_t a = 0, uint64_t b = 0) {
    surroundings.trace.Add(Happening::kFault, static_cast<uint64_t>(fault), a, b);
  }

  std::optional<size_t> Leader() {
    for (const auto& server : servers) {
      if (server->up() && server->in_cluster() && server->node().raft().is_leader()) {
        return server->place();
      }
    }
    return std::nullopt;
  }
  size_t LeaderOrAny() { return Leader().value_or(AnyNode()); }

  // Nodes in an order of chance.
  std::vector<size_t> Shuffled() {
    std::vector<size_t> nodes = Nodes();
    for (size_t i = nodes.size() - 1; i > 0; --i) std::swap(nodes[i], nodes[random.Below(i + 1)]);
    return nodes;
  }

  // --- Processes ---

  void Crash(size_t node) {
    if (!servers[node]->up()) return;
    // What it had just sent may be lost with its buffers.
    if (random.Chance(500)) network().DropSentBy(node);
    servers[node]->Crash();
    TellPeers(node);
    Later(Duration(), [this, node] { Restart(node); });
  }

  void Restart(size_t node) {
    if (!servers[node]->up()) servers[node]->Start();
  }

  // The kernel closes the connections of a process that ends; of a machine that loses power, or its
  // network, nobody hears.
  void TellPeers(size_t node) {
    if (random.Chance(300)) return;
    if (!servers[node]->in_cluster()) return;
    for (const size_t peer : Nodes()) {
      if (peer == node || network().IsCut(node, peer)) continue;
      events().After(network().Latency(), [this, id = servers[node]->id(), peer] {
        if (servers[peer]->in_cluster()) servers[peer]->PeerGone(id);
      });
    }
  }

  void CrashMany(size_t nodes) {
    const std::vector<size_t> order = Shuffled();
    for (size_t i = 0; i < nodes; ++i) Crash(order[i]);
  }

  void RestartStorm(size_t node, size_t times) {
    if (times == 0) return;
    Crash(node);
    Later(random.Between(1, 300) * kMillisecond, [this, node, times] {
      Restart(node);
      Later(random.Between(1, 100) * kMillisecond,
            [this, node, times] { RestartStorm(node, times - 1); });
    });
  }

  void LeaderStorm(size_t times) {
    if (times == 0) return;
    if (const std::optional<size_t> leader = Leader()) Crash(*leader);
    // Long enough for an election, and for some of what follows it.
    const Time election =
        surroundings.settings.node.raft.election_timeout_ticks * surroundings.settings.tick;
    Later(random.Between(kMillisecond, 3 * election), [this, times] { LeaderStorm(times - 1); });
  }

  void Pause(size_t node) {
    if (servers[node]->up()) servers[node]->PauseUntil(events().now() + Duration());
  }

  void SlowLoop(size_t node) {
    servers[node]->set_round_delay_max(random.Between(1, 30) * kMillisecond);
    Later(Duration(),
          [this, node] { servers[node]->set_round_delay_max(surroundings.settings.round_max); });
  }

  // --- Disks ---

  void StallLog(size_t node) {
    if (servers[node]->up()) servers[node]->log().StallUntil(events().now() + Duration());
  }

  void SlowLog(size_t node) {
    servers[node]->log().set_slowness(static_cast<uint32_t>(random.Between(2, 30)));
    Later(Duration(), [this, node] { servers[node]->log().set_slowness(1); });
  }

  // Disks stay full for longer than other faults last. Now and then the node crashes meanwhile.
  void FillDisk(size_t node, bool log_too) {
    const Time end = events().now() + random.Between(1, 10) * Duration();
    if (!log_too || random.Chance(700)) servers[node]->FillStateUntil(end);
    if (log_too) {
      // Small writes may fit, large ones not. In the journal there is room for what was in flight,
      // and for much of what a leader that has space sends.
      const size_t room = random.Chance(300) ? kLogReserveBytes + random.Below(20'000) : 0;
      const size_t journal = random.Chance(500) ? random.Below(5'000) : size_t{16} << 20;
      servers[node]->FillLogUntil(end, room, journal);
    }
    if (random.Chance(200)) {
      Later(random.Between(0, end - events().now()), [this, node] { Crash(node); });
    }
  }

  // --- Links ---

  void CutFor(size_t from, size_t to, Time duration) {
    if (from == to) return;
    network().Cut(from, to);
    Later(duration, [this, from, to] { network().Mend(from, to); });
  }

  void CutBothFor(size_t left, size_t right, Time duration) {
    CutFor(left, right, duration);
    CutFor(right, left, duration);
  }

  void CutHalves(std::optional<size_t> bridge) {
    const std::vector<size_t> order = Shuffled();
    if (order.size() == 1) return;
    const size_t left = 1 + random.Below(order.size() - 1);
    const Time duration = Duration();
    for (size_t i = 0; i < left; ++i) {
      for (size_t j = left; j < order.size(); ++j) {
        if (order[i] != bridge && order[j] != bridge) CutBothFor(order[i], order[j], duration);
      }
    }
  }

  void Isolate(size_t node, bool incoming, bool outgoing) {
    const Time duration = Duration();
    // Where connections break at once, the others have a new leader while this one still believes
    // that it leads.
    if (outgoing) TellPeers(node);
    for (size_t other = 0; other < servers.size(); ++other) {
      if (incoming) CutFor(other, node, duration);
      if (outgoing) CutFor(node, other, duration);
    }
  }

  void Ring() {
    const std::vector<size_t> order = Shuffled();
    const Time duration = Duration();
    const size_t size = order.size();
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) {
        const size_t distance = (j + size - i) % size;
        // Of three, a ring would be whole: there one direction works.
        const bool neighbours = size > 3 ? distance == 1 || distance + 1 == size : distance == 1;
        if (!neighbours) CutFor(order[i], order[j], duration);
      }
    }
  }

  void RandomCuts() {
    const Time duration = Duration();
    for (const size_t from : Nodes()) {
      for (const size_t to : Nodes()) {
        if (random.Chance(400)) CutFor(from, to, duration);
      }
    }
  }

  void Flap(size_t left, size_t right, size_t times) {
    if (times == 0 || left == right) return;
    CutBothFor(left, right, random.Between(1, 100) * kMillisecond);
    Later(random.Between(100, 200) * kMillisecond,
          [this, left, right, times] { Flap(left, right, times - 1); });
  }

  // Changes the weather for a while; then it is again as it was at first.
  void Weather(const std::function<void(NetworkSettings&)>& change) {
    NetworkSettings weather = network().weather();
    change(weather);
    network().set_weather(weather);
    Later(Duration(), [this] { network().set_weather(surroundings.settings.network); });
  }

  // --- All of it ---

  void Strike(Fault fault);
  void StrikeProcess(Fault fault, size_t node);
  void StrikeLinks(Fault fault, size_t node);
  void StrikeMessages(Fault fault);
  void StrikeSpace(Fault fault, size_t node);

  const Surroundings surroundings;
  std::vector<std::unique_ptr<Server>>& servers;
  Random random;
  std::function<void()> on_disturbance = [] {};
  bool ended = false;
};

void Faults::Hand::Strike(Fault fault) {
  size_t node = AnyNode();
  switch (fault) {
    case Fault::kCrashLeader:
    case Fault::kPauseLeader:
    case Fault::kStallLeaderLog:
    case Fault::kIsolateLeader:
    case Fault::kMuteLeader:
    case Fault::kDeafenLeader:
    case Fault::kTransferLeadership:
    case Fault::kFullLeaderDisk:
      node = LeaderOrAny();
      break;
    default:
      break;
  }
  Note(fault, node + 1);
  if (fault < Fault::kCutHalves) {
    StrikeProcess(fault, node);
  } else if (fault < Fault::kLoss) {
    StrikeLinks(fault, node);
  } else if (fault < Fault::kTransferLeadership) {
    StrikeMessages(fault);
  } else if (fault >= Fault::kFullDisk) {
    StrikeSpace(fault, node);
  } else if (servers[node]->up()) {
    if (fault != Fault::kCheckpointNow) on_disturbance();
    const consensus::NodeId other = servers[AnyNode()]->id();
    if (fault == Fault::kTransferLeadership) {
      servers[node]->TransferLeadership(random.Chance(500) ? std::optional(other) : std::nullopt);
    } else if (fault == Fault::kRequestLeadership) {
      servers[node]->TransferLeadership(std::nullopt);
    } else if (fault == Fault::kPeerGone) {
      servers[node]->PeerGone(other);
    } else {
      servers[node]->BeginCheckpoint();
    }
  }
}

void Faults::Hand::StrikeProcess(Fault fault, size_t node) {
  switch (fault) {
    case Fault::kCrashOne:
    case Fault::kCrashLeader:
      Crash(node);
      break;
    case Fault::kCrashMinority:
      CrashMany(count() / 2);
      break;
    case Fault::kCrashMajority:
      CrashMany(count() / 2 + 1);
      break;
    case Fault::kCrashAll:
      CrashMany(count());
      break;
    case Fault::kLeaderStorm:
      LeaderStorm(static_cast<size_t>(random.Between(3, 20)));
      break;
    case Fault::kRestartStorm:
      RestartStorm(node, static_cast<size_t>(random.Between(2, 10)));
      break;
    case Fault::kCrashInCommit:
      if (servers[node]->up()) servers[node]->log().set_commit_trap([this, node] { Crash(node); });
      break;
    case Fault::kPauseOne:
    case Fault::kPauseLeader:
      Pause(node);
      break;
    case Fault::kPauseMajority: {
      const std::vector<size_t> order = Shuffled();
      for (size_t i = 0; i <= order.size() / 2; ++i) Pause(order[i]);
      break;
    }
    case Fault::kSlowLoop:
      SlowLoop(node);
      break;
    case Fault::kStallLog:
    case Fault::kStallLeaderLog:
      StallLog(node);
      break;
    case Fault::kSlowLog:
      SlowLog(node);
      break;
    case Fault::kFailLog:
      servers[node]->log().FailUntil(events().now() + Duration(), [this, node] { Crash(node); });
      break;
    case Fault::kStallCheckpoint:
      if (servers[node]->up()) servers[node]->state().StallUntil(events().now() + Duration());
      break;
    default:
      servers[node]->JumpUnixClock(random.Between(-3600, 3600) * kSecond);
  }
}

void Faults::Hand::StrikeLinks(Fault fault, size_t node) {
  switch (fault) {
    case Fault::kCutHalves:
      CutHalves(std::nullopt);
      break;
    case Fault::kIsolateLeader:
      Isolate(node, true, true);
      break;
    case Fault::kCutOneWay:
      CutFor(node, AnyNode(), Duration());
      break;
    case Fault::kMuteLeader:
      Isolate(node, false, true);
      break;
    case Fault::kDeafenLeader:
      Isolate(node, true, false);
      break;
    case Fault::kBridge:
      CutHalves(node);
      break;
    case Fault::kRing:
      Ring();
      break;
    case Fault::kRandomCuts:
      RandomCuts();
      break;
    default:
      Flap(node, AnyNode(), static_cast<size_t>(random.Between(2, 15)));
  }
}

void Faults::Hand::StrikeMessages(Fault fault) {
  const auto permille = static_cast<uint32_t>(random.Between(20, 500));
  Weather([&](NetworkSettings& weather) {
    switch (fault) {
      case Fault::kLoss:
        weather.loss_permille = permille;
        break;
      case Fault::kDuplication:
        weather.duplicate_permille = permille;
        break;
      case Fault::kReordering:
        weather.reorder_permille = permille;
        weather.latency_max = weather.latency_min + 20 * kMillisecond;
        break;
      case Fault::kLateMessages:
        weather.late_permille = permille / 4;
        weather.late_max = 5 * kSecond;
        break;
      default:
        weather.latency_min = random.Between(1, 100) * kMillisecond;
        weather.latency_max = weather.latency_min + random.Between(1, 100) * kMillisecond;
    }
  });
}

void Faults::Hand::StrikeSpace(Fault fault, size_t node) {
  if (fault == Fault::kFullDisks) {
    for (const size_t each : Nodes()) FillDisk(each, true);
  } else {
    FillDisk(node, fault != Fault::kFullCheckpoint);
  }
}

Faults::Faults(const Surroundings& surroundings, std::vector<std::unique_ptr<Server>>& servers,
               Random random)
    : hand_(std::make_unique<Hand>(surroundings, servers, random)) {}

Faults::~Faults() = default;

void Faults::set_on_disturbance(std::function<void()> on_disturbance) {
  hand_->on_disturbance = std::move(on_disturbance);
}

void Faults::Start() {
  if (hand_->settings().interval > 0) hand_->Plan();
}

void Faults::End() {
  hand_->ended = true;
  const Settings& settings = hand_->surroundings.settings;
  hand_->network().set_weather(settings.network);
  hand_->network().Calm();
  for (const auto& server : hand_->servers) {
    server->set_round_delay_max(settings.round_max);
    server->log().set_slowness(1);
    server->log().set_commit_trap(nullptr);
    server->log().FailUntil(0, nullptr);
    server->FillLogUntil(0, 0, 0);
    server->FillStateUntil(0);
    if (!server->up() && server->has_run()) server->Start();
  }
}

}  // namespace quorate::simulation
