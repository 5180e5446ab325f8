#include "tests/simulation/availability.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <bit>

namespace quorate::simulation {
namespace {

// An election timeout of the slowest clock.
Time ElectionTimeout(const Settings& settings) {
  const Time tick = settings.tick * (1000 + settings.tick_drift_permille) / 1000;
  return settings.node.raft.election_timeout_ticks * tick;
}

// Old leaders have to be given up, several elections may fail, and what is in the queues before the
// first new write has to be done.
Time WriteDueAfter(const Settings& settings) {
  return 3 * kSecond + 25 * ElectionTimeout(settings);
}

}  // namespace

Availability::Availability(const Surroundings& surroundings,
                           const std::vector<std::unique_ptr<Server>>& servers,
                           const RaftChecker& checker, Verdict& verdict)
    : surroundings_(surroundings), servers_(servers), checker_(checker), verdict_(verdict) {
  const size_t majority = servers.size() / 2 + 1;
  for (uint32_t set = 0; set < 1U << servers.size(); ++set) {
    if (static_cast<size_t>(std::popcount(set)) != majority) continue;
    Group group;
    for (size_t i = 0; i < servers.size(); ++i) {
      if ((set >> i & 1) != 0) group.members.push_back(i);
    }
    majorities_.push_back(std::move(group));
  }
}

void Availability::Look() {
  for (const auto& server : servers_) {
    if (server->up()) LookAtLeader(*server);
  }
  LookForWrites();
}

bool Availability::IsGood(const Group& group) const {
  for (const size_t member : group.members) {
    if (!servers_[member]->healthy()) return false;
    for (const size_t other : group.members) {
      if (surroundings_.network.IsCut(member, other)) return false;
    }
  }
  return true;
}

void Availability::LookForWrites() {
  const Time now = surroundings_.events.now();
  if (checker_.committed_batches() > committed_batches_) {
    committed_batches_ = checker_.committed_batches();
    progress_at_ = now;
  }
  // The first election of a cluster waits for all its members.
  if (checker_.committed() == 0) Disturbed();
  if (surroundings_.network.weather() != surroundings_.settings.network) Disturbed();
  for (const auto& server : servers_) {
    // A leader whose checkpoints stand still can't apply any more, and goes on leading.
    if (server->up() && server->node().raft().is_leader() && server->state().stalled()) Disturbed();
  }
  for (Group& group : majorities_) {
    if (!IsGood(group)) {
      group.good_since = now;
      continue;
    }
    Time since = std::max(group.good_since, disturbed_at_);
    for (const size_t member : group.members) {
      since = std::max(since, servers_[member]->undisturbed_since());
    }
    if (now - since < WriteDueAfter(surroundings_.settings)) continue;
    ++looks_due_;
    since = std::max(since, progress_at_);
    if (now - since < WriteDueAfter(surroundings_.settings)) continue;
    std::vector<size_t> ids;
    for (const size_t member : group.members) ids.push_back(member + 1);
    verdict_.Fail(
        fmt::format("Availability: nodes {} are healthy and in touch, and no write has "
                    "been committed for {} ms",
                    ids, (now - since) / kMillisecond));
    return;
  }
}

void Availability::LookAtLeader(const Server& server) const {
  if (server.paused() || !server.node().raft().is_leader()) return;
  const Time now = surroundings_.events.now();
  const Time heard = std::max(server.heard_majority_at(), server.undisturbed_since());
  const Time slack = 3 * surroundings_.settings.tick + 20 * kMillisecond;
  if (now - heard <= ElectionTimeout(surroundings_.settings) + slack) return;
  verdict_.Fail(
      fmt::format("Check-quorum: node {} leads in term {}, and has not heard a majority "
                  "for {} ms",
                  server.id().value(), server.node().raft().current_term().value(),
                  (now - heard) / kMillisecond));
}

}  // namespace quorate::simulation
