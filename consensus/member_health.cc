#include "consensus/member_health.h"

namespace quorate::consensus {

void HealthMonitor::Observe(const Sight& sight, Index commit_index, uint64_t now,
                            uint64_t election_timeout_ticks) {
  const uint64_t silence = now - sight.heard_at;
  const uint64_t behind = now - goal_set_at_;
  const uint64_t patience = kPatience * election_timeout_ticks;
  if (silence >= election_timeout_ticks || sight.needs_snapshot || sight.diverged) {
    // Whatever it had before: when it is back, it must reach a new goal first.
    keeps_up_ = false;
  } else if (sight.match_index >= goal_) {
    keeps_up_ = keeps_up_ || (sight.was_heard && behind < election_timeout_ticks);
  } else if (behind >= patience) {
    keeps_up_ = false;
  }
  if (sight.match_index >= goal_) {
    goal_ = commit_index;
    goal_set_at_ = now;
  }

  if (sight.place_is_free) {
    health_ = Health::kHandshake;
  } else if (silence >= patience || sight.diverged) {
    health_ = Health::kFailed;
  } else if (silence >= election_timeout_ticks || !sight.was_heard) {
    health_ = Health::kSuspect;
  } else {
    health_ = keeps_up_ ? Health::kOnline : Health::kLoading;
  }
}

}  // namespace quorate::consensus
