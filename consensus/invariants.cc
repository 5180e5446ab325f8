#include "consensus/invariants.h"

#include <cassert>

namespace quorate::consensus {

void CheckState(const StateView& now) {
  assert(now.base_index <= now.handed_out_index);
  assert(now.handed_out_index <= now.released_index);
  assert(now.handed_out_index <= now.durable_index);
  assert(now.released_index <= now.commit_index);
  assert(now.commit_index <= now.last_index);
  assert(now.durable_index <= now.last_index);
  assert(now.last_term <= now.hard_state.current_term);
  if (now.leads) {
    assert(now.hard_state.voted_for == now.id);
    assert(now.hard_state_is_durable);
    assert(now.leader == now.id);
    assert(now.last_term == now.hard_state.current_term);
  } else {
    assert(now.leader != now.id);
  }
  assert(now.configuration_index <= now.last_index);
  assert(now.previous_configuration_index <= now.configuration_index);
  if (now.established) {
    // One change at a time: the one before the latest is committed (dissertation 4.1). A leader
    // that has not committed an entry of its own term may not know that it is.
    assert(now.previous_configuration_index <= now.commit_index);
  }
}

void CheckChange(const StateView& before, const StateView& now) {
  assert(before.hard_state.current_term <= now.hard_state.current_term);
  assert(before.base_index <= now.base_index);
  assert(before.handed_out_index <= now.handed_out_index);
  assert(before.commit_index <= now.commit_index);
  if (before.hard_state.current_term == now.hard_state.current_term) {
    // A vote is given at most once a term (section 5.2), and a term has at most one leader.
    assert(before.hard_state.voted_for == NodeId() ||
           before.hard_state.voted_for == now.hard_state.voted_for);
    assert(!before.leader || !now.leader || before.leader == now.leader);
    if (before.leads && now.leads) {
      // Leader Append-Only: it neither overwrites nor deletes entries (section 5.3).
      assert(before.last_index <= now.last_index);
      assert(before.durable_index <= now.durable_index);
    }
  }
}

void Invariants::Check(const StateView& now) {
  CheckState(now);
  if (before_) {
    CheckChange(*before_, now);
  }
  before_ = now;
}

}  // namespace quorate::consensus
