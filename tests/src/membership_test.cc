// Whom a node calls after a start.
#include "src/membership.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quorate {
namespace {

using consensus::Configuration;
using consensus::Index;
using consensus::NodeId;
using consensus::Recovered;

Configuration Members(const std::vector<uint64_t>& ids) {
  Configuration configuration;
  for (uint64_t id : ids) {
    configuration.members.push_back(
        {NodeId(id), true, "127.0.0.1:" + std::to_string(7000 + id) + "@17001"});
    configuration.next_id = NodeId(id + 1);
  }
  return configuration;
}

// What node 1 finds: the applied members, and those in the log.
std::vector<uint64_t> Called(const std::vector<uint64_t>& applied,
                             const std::vector<std::vector<uint64_t>>& in_log) {
  Recovered recovered;
  if (!applied.empty()) recovered.configuration = Members(applied);
  for (const std::vector<uint64_t>& ids : in_log) {
    recovered.configurations.emplace_back(Index(recovered.configurations.size() + 1), Members(ids));
  }
  std::vector<uint64_t> called;
  for (const Member& peer : PeersAtStart(recovered, {1, "", 7001, 17001})) {
    called.push_back(peer.id);
    EXPECT_EQ(peer.port, 7000 + peer.id);
  }
  return called;
}

using Ids = std::vector<uint64_t>;

TEST(PeersAtStart, AreTheMembersThatAreCertain) {
  EXPECT_EQ(Called({1, 2, 3}, {}), (Ids{2, 3}));
  EXPECT_EQ(Called({}, {}), Ids());
  // Its id may be given to another yet.
  EXPECT_EQ(Called({1, 2}, {{1, 2, 3}}), (Ids{2}));
  // The next change is only made when this one is committed.
  EXPECT_EQ(Called({1}, {{1, 2}, {1, 2}}), (Ids{2}));
  EXPECT_EQ(Called({}, {{1, 2}, {1, 2, 3}, {1, 2, 3, 4}}), (Ids{2, 3}));
}

TEST(PeersAtStart, AreNotThoseThatAreNoLongerNeeded) {
  EXPECT_EQ(Called({1, 2, 3}, {{1, 3}}), (Ids{3}));
  EXPECT_EQ(Called({1, 2, 3}, {{1, 2, 3, 4}, {1}}), Ids()) << "a survivor of another cluster";
}

}  // namespace
}  // namespace quorate
