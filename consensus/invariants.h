// Properties that hold at every moment, and between one moment and the next, checked each time the
// driver takes effects: figure 3's as far as one server can see them, and figure 2's of its
// variables.
#pragma once

#include <optional>

#include "consensus/types.h"

namespace quorate::consensus {

// What of a Raft the checks look at. Cheap to make and to keep.
struct StateView {
  HardState hard_state;
  NodeId id;
  bool leads = false;
  bool established = false;
  bool hard_state_is_durable = false;
  std::optional<NodeId> leader;
  Index base_index;
  Index handed_out_index;
  Index released_index;
  Index commit_index;
  Index configuration_index;
  Index previous_configuration_index;
  Index durable_index;
  Index last_index;
  Term last_term;
};

// Asserts what must hold of `now` alone.
void CheckState(const StateView& now);
// Asserts what must hold between a state and one that follows it.
void CheckChange(const StateView& before, const StateView& now);

// Remembers the last state and checks the next against it.
class Invariants {
 public:
  void Check(const StateView& now);

 private:
  std::optional<StateView> before_;
};

}  // namespace quorate::consensus
