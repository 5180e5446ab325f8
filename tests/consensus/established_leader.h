// A leader with its log everywhere, for tests that change its configuration.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {

inline constexpr NodeId kFourth{4};

// A leader whose no-op is committed and known to be everywhere.
class Established : public LoneServer {
 public:
  explicit Established(size_t voters = 3) : LoneServer({.voters = voters}) {
    BecomeLeader();
    CommitAll();
  }

  // The refusal, or nothing where there is none.
  std::optional<ChangeRefusal> Refused(const Change& change, bool force = false) {
    auto proposed = raft().ProposeChange(change, force);
    if (const auto* error = std::get_if<ChangeError>(&proposed)) {
      EXPECT_FALSE(error->text.empty());
      return error->reason;
    }
    EXPECT_EQ(std::get<Index>(proposed), raft().last_log_index());
    EXPECT_EQ(std::get<Index>(proposed), raft().configuration_index());
    return std::nullopt;
  }

  // Lets an election timeout pass in which only these are heard from.
  void HearOnly(std::vector<NodeId> heard) {
    for (int i = 0; i < 10; ++i) {
      Tick();
      for (NodeId id : heard) {
        Receive(id, HeartbeatReply{raft().current_term(), 0});
      }
      Settle();
    }
  }

  // Adds server 4, which acknowledges the whole log until it is a voter.
  void AddVoter() {
    ASSERT_EQ(Refused(AddLearner{"d"}), std::nullopt);
    CommitAll();
    Acknowledge(kFourth, raft().last_log_index());
    Settle();
    Acknowledge(kFourth, raft().last_log_index());
    CommitAll();
    ASSERT_TRUE(IsVoter(raft().configuration(), kFourth));
  }
};

}  // namespace quorate::consensus
