// How the members are, as the leader sees them: what decides whom clients are offered for reads.
// Health says nothing about safety: no vote, commit or read depends on it.
#pragma once

#include <cstdint>

#include "consensus/types.h"

namespace quorate::consensus {

// The numbers are part of the wire format.
enum class Health : uint8_t {
  kOnline = 0,   // in touch, and its log keeps up
  kLoading = 1,  // in touch, and its log is behind
  kSuspect = 2,  // not heard for an election timeout, or not yet by this leader
  kFailed = 3,  // not heard for HealthMonitor::kPatience election timeouts, or its log is another's
  kHandshake = 4,  // a place in the configuration that no node has taken yet
};
inline constexpr Health kLastHealth = Health::kHandshake;

struct MemberHealth {
  NodeId id;
  Health health = Health::kHandshake;

  bool operator==(const MemberHealth&) const = default;
};

// Follows one member on behalf of a leader.
//
// The log is measured against goals, as in the rounds of dissertation 4.2.1. A goal is the leader's
// commit index at some moment; when the member's log has reached it, the commit index of that
// moment is the next goal. So the age of the goal tells how far the member is behind in time,
// however fast entries are written. A member comes online when it reaches a goal within an election
// timeout. It stays online until a goal is several election timeouts old: replies that lag behind
// a steady load change nothing.
class HealthMonitor {
 public:
  // In election timeouts: how long an online member may be behind, and after how long a silent
  // member counts as failed.
  static constexpr uint64_t kPatience = 4;

  // Times are in ticks, here and below. `goal`: what a member's log must hold at the least.
  HealthMonitor(Index goal, uint64_t now) : goal_(goal), goal_set_at_(now) {}

  // What the leader knows of the member.
  struct Sight {
    bool place_is_free = false;   // a learner that no node has become yet
    bool was_heard = false;       // by this leader, ever
    uint64_t heard_at = 0;        // at the beginning of its watch where was_heard is false
    bool needs_snapshot = false;  // it lacks entries that the leader has trimmed
    bool diverged = false;        // its log is another's: see Divergence in raft.h
    Index match_index = {};
  };
  // Call once a tick. `commit_index`: the leader's, or the first entry of its term if that is
  // further.
  void Observe(const Sight& sight, Index commit_index, uint64_t now,
               uint64_t election_timeout_ticks);

  Health health() const { return health_; }

 private:
  Index goal_;
  uint64_t goal_set_at_;
  bool keeps_up_ = false;
  Health health_ = Health::kSuspect;
};

}  // namespace quorate::consensus
