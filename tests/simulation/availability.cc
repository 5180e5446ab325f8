#include "tests/simulation/availability.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "consensus/configuration.h"
#include "consensus/quorum.h"

namespace quorate::simulation {
namespace {

// An election timeout of the slowest clock.
Time ElectionTimeout(const Settings& settings) {
  const Time tick = settings.tick * (1000 + settings.tick_drift_permille) / 1000;
  return settings.node.raft.election_timeout_ticks * tick;
}

// Old leaders have to be given up, several elections may fail, and what is in the queues before the
// first new write has to be done.
Time DueAfter(const Settings& settings) { return 3 * kSecond + 25 * ElectionTimeout(settings); }

// What a majority has on its disks of a leader's log.
consensus::Index Replicated(const consensus::Raft& leader) {
  std::vector<consensus::Index> reached;
  if (consensus::IsVoter(leader.configuration(), leader.id())) {
    reached.push_back(leader.durable_index());
  }
  for (const consensus::PeerStatus& peer : leader.peers()) {
    if (peer.voter) reached.push_back(peer.match_index);
  }
  return consensus::ReachedByMajority(reached);
}

}  // namespace

Availability::Availability(const Surroundings& surroundings,
                           const std::vector<std::unique_ptr<Server>>& servers,
                           const RaftChecker& checker, Verdict& verdict)
    : surroundings_(surroundings),
      servers_(servers),
      checker_(checker),
      verdict_(verdict),
      applied_(servers.size()) {
  FollowVoters();
}

void Availability::Look() {
  for (const auto& server : servers_) {
    if (server->up() && server->in_cluster()) LookAtLeader(*server);
  }
  LookForProgress();
}

Availability::Places Availability::VotersOf(const consensus::Configuration& configuration) const {
  Places places = 0;
  for (const auto& server : servers_) {
    if (server->in_cluster() && consensus::IsVoter(configuration, server->id())) {
      places |= Places{1} << server->place();
    }
  }
  return places;
}

void Availability::FollowVoters() {
  const auto& [index, configuration] = *checker_.configurations().rbegin();
  configuration_index_ = index;
  const std::vector<Group> before = std::exchange(majorities_, {});
  const Places voters = VotersOf(configuration);
  const size_t majority = consensus::VoterCount(configuration) / 2 + 1;
  for (Places set = voters; set != 0; set = (set - 1) & voters) {
    if (static_cast<size_t>(std::popcount(set)) < majority) continue;
    const auto known = std::find_if(before.begin(), before.end(),
                                    [set](const Group& group) { return group.members == set; });
    const Time now = surroundings_.events.now();
    majorities_.push_back(known != before.end() ? *known : Group{set, now, now});
  }
}

Availability::State Availability::Observe(bool (Server::*healthy)() const) const {
  State state;
  state.in_touch.resize(servers_.size());
  state.voters.resize(servers_.size());
  for (const auto& server : servers_) {
    const size_t place = server->place();
    if (!server->in_cluster() || !(*server.*healthy)()) continue;
    state.voters[place] = VotersOf(server->node().raft().configuration());
    for (const auto& other : servers_) {
      if ((*other.*healthy)() && !surroundings_.network.IsCut(place, other->place()) &&
          !surroundings_.network.IsCut(other->place(), place)) {
        state.in_touch[place] |= Places{1} << other->place();
      }
    }
  }
  return state;
}

// Such a one takes part in elections, but no entry that would establish the leader.
void Availability::LeaveOutThoseWithoutSpaceForASnapshot(State& state) const {
  for (const auto& leader : servers_) {
    if (!leader->in_cluster() || !leader->up()) continue;
    for (const consensus::PeerStatus& peer : leader->node().raft().peers()) {
      if (!peer.needs_snapshot) continue;
      for (const auto& server : servers_) {
        if (server->in_cluster() && server->id() == peer.id && server->full()) {
          state.in_touch[server->place()] = 0;
        }
      }
    }
  }
}

bool Availability::IsGood(const Group& group, const State& state) {
  for (Places rest = group.members; rest != 0; rest &= rest - 1) {
    const auto member = static_cast<size_t>(std::countr_zero(rest));
    const Places voters = state.voters[member];
    if ((state.in_touch[member] & group.members) != group.members ||
        std::popcount(voters & group.members) <= std::popcount(voters) / 2) {
      return false;
    }
  }
  return true;
}

void Availability::LookForProgress() {
  const Time now = surroundings_.events.now();
  if (checker_.committed_batches() > committed_batches_) {
    committed_batches_ = checker_.committed_batches();
    progress_at_ = now;
  }
  // The first election of a cluster waits for all its members.
  if (checker_.committed() == 0) Disturbed();
  if (surroundings_.network.weather() != surroundings_.settings.network) Disturbed();
  for (const auto& server : servers_) {
    if (!server->in_cluster() || !server->up()) continue;
    const consensus::Raft& raft = server->node().raft();
    if (raft.leader_is_established()) {
      led_at_ = now;
      const consensus::Index applied = server->node().keys().last_applied();
      consensus::Index& before = applied_[server->place()];
      if (applied > before) progress_at_ = now;
      before = applied;
    } else if (raft.is_leader()) {
      const consensus::Index reached = Replicated(raft);
      if (reached <= replicated_) continue;
      replicated_ = reached;
      led_at_ = now;
      progress_at_ = now;
    }
  }
  if (checker_.configurations().rbegin()->first != configuration_index_) FollowVoters();
  const State writes = Observe(&Server::healthy);
  const bool any_full =
      std::ranges::any_of(servers_, [](const auto& server) { return server->full(); });
  State reads = any_full ? Observe(&Server::healthy_or_full) : writes;
  if (any_full) LeaveOutThoseWithoutSpaceForASnapshot(reads);
  for (Group& group : majorities_) {
    if (!IsGood(group, writes)) group.good_since = now;
    if (!IsGood(group, reads)) group.reads_since = now;
    if (DueSince(group, group.good_since) <= now) ++looks_due_;
    Look(group, group.good_since, progress_at_, "healthy and in touch, and no write was committed");
    Look(group, group.reads_since, led_at_, "there and in touch, and have had no leader");
  }
}

Time Availability::DueSince(const Group& group, Time good_since) const {
  Time since = std::max(good_since, disturbed_at_);
  for (const auto& server : servers_) {
    if ((group.members >> server->place() & 1) == 0) continue;
    since = std::max(since, server->undisturbed_since());
  }
  return since + DueAfter(surroundings_.settings);
}

void Availability::Look(const Group& group, Time good_since, Time done_at, const char* what) {
  const Time now = surroundings_.events.now();
  const Time due = DueAfter(surroundings_.settings);
  if (std::max(DueSince(group, good_since), done_at + due) > now) return;
  std::vector<size_t> nodes;
  for (const auto& server : servers_) {
    if ((group.members >> server->place() & 1) != 0) nodes.push_back(server->place() + 1);
  }
  verdict_.Fail(fmt::format("Availability: nodes {} are {} for {} ms", nodes, what,
                            (now - done_at) / kMillisecond));
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
                  server.place() + 1, server.node().raft().current_term().value(),
                  (now - heard) / kMillisecond));
}

}  // namespace quorate::simulation
