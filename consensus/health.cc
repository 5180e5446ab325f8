// Who is offered to clients: the leader's view of the members, and how followers hear of it.
#include <algorithm>
#include <optional>
#include <vector>

#include "consensus/raft_impl.h"

namespace quorate::consensus {

void Raft::Impl::ObserveHealth(Leader& leader) {
  const Index commit_index = std::max(leader.noop_index, commit_index_);
  for (Progress& peer : leader.peers) {
    const ConfigurationMember* member = FindMember(configurations_.current(), peer.id());
    peer.health_monitor().Observe(
        {.place_is_free = !member->voter && member->folder == 0 && !peer.was_heard(),
         .was_heard = peer.was_heard(),
         .heard_at = peer.heard_at(),
         .needs_snapshot = peer.state() == Progress::State::kNeedsSnapshot,
         .diverged = peer.state() == Progress::State::kDiverged,
         .match_index = peer.match_index()},
        commit_index, now_, config_.election_timeout_ticks);
  }
}

// With each periodic heartbeat, so a report that is lost is made good by the next one. A leader
// that is not established knows too little: until then the last leader's reports are better.
void Raft::Impl::SendHealthReports(const Leader& leader) {
  if (!leader_is_established()) {
    return;
  }
  HealthReport report{current_term(), {}};
  for (const Progress& peer : leader.peers) {
    report.members.push_back({peer.id(), peer.health()});
  }
  for (const Progress& peer : leader.peers) {
    Send(peer.id(), report);
  }
}

void Raft::Impl::Handle(NodeId from, HealthReport&& report) {
  // Of an earlier leader: a newer one may have spoken already.
  if (report.term < current_term() || leader() != from) {
    return;
  }
  told_health_ = {now_, std::move(report.members)};
}

std::optional<Health> Raft::Impl::health(NodeId member) const {
  if (leader() == member) {
    return Health::kOnline;
  }
  if (const Leader* leader = std::get_if<Leader>(&role_)) {
    for (const Progress& peer : leader->peers) {
      if (peer.id() == member) {
        return peer.health();
      }
    }
    return std::nullopt;
  }
  if (now_ - told_health_.told_at >= config_.election_timeout_ticks) {
    return std::nullopt;
  }
  const auto told = std::ranges::find(told_health_.members, member, &MemberHealth::id);
  return told != told_health_.members.end() ? std::optional(told->health) : std::nullopt;
}

}  // namespace quorate::consensus
