// The checks themselves: each property, broken, stops the process.
#include "consensus/invariants.h"

#include "gtest/gtest.h"

namespace quorate::consensus {
namespace {

StateView Sound() {
  return {.hard_state = {Term(3), NodeId(1)},
          .id = NodeId(1),
          .leads = true,
          .established = true,
          .hard_state_is_durable = true,
          .leader = NodeId(1),
          .base_index = Index(2),
          .handed_out_index = Index(4),
          .released_index = Index(5),
          .commit_index = Index(5),
          .configuration_index = Index(5),
          .previous_configuration_index = Index(4),
          .durable_index = Index(6),
          .last_index = Index(7),
          .last_term = Term(3)};
}

StateView AsFollower() {
  StateView view = Sound();
  view.leads = false;
  view.leader = NodeId(2);
  return view;
}

TEST(Invariants, HoldOfASoundState) {
  Invariants invariants;
  invariants.Check(Sound());
  invariants.Check(Sound());
}

template <typename Change>
StateView With(StateView view, Change change) {
  change(view);
  return view;
}

TEST(InvariantsDeathTest, OfOneState) {
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.handed_out_index = Index(1); })), "base");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.handed_out_index = Index(6); })),
               "released");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.durable_index = Index(3); })), "durable");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.commit_index = Index(4); })), "commit");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.last_index = Index(4); })), "last_index");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.last_term = Term(4); })), "last_term");
}

TEST(InvariantsDeathTest, OfALeader) {
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.hard_state.voted_for = NodeId(2); })),
               "voted_for");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.hard_state_is_durable = false; })),
               "durable");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.leader = NodeId(2); })), "leader");
  EXPECT_DEATH(CheckState(With(Sound(), [](auto& v) { v.last_term = Term(2); })), "last_term");
}

TEST(InvariantsDeathTest, FromOneStateToTheNext) {
  auto change = [](auto how) { CheckChange(Sound(), With(Sound(), how)); };
  EXPECT_DEATH(change([](auto& v) { v.hard_state.current_term = Term(2); }), "current_term");
  EXPECT_DEATH(change([](auto& v) { v.base_index = Index(1); }), "base_index");
  EXPECT_DEATH(change([](auto& v) { v.handed_out_index = Index(3); }), "handed_out");
  EXPECT_DEATH(change([](auto& v) { v.commit_index = Index(4); }), "commit_index");
  // A second vote in one term, a second leader of it, a leader's log that shrinks.
  EXPECT_DEATH(change([](auto& v) { v.hard_state.voted_for = NodeId(2); }), "voted_for");
  EXPECT_DEATH(CheckChange(Sound(), AsFollower()), "leader");
  EXPECT_DEATH(change([](auto& v) { v.last_index = Index(6); }), "last_index");
  EXPECT_DEATH(change([](auto& v) { v.durable_index = Index(5); }), "durable_index");
}

}  // namespace
}  // namespace quorate::consensus
