// Whom a node calls.
#include "src/membership.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quorate {
namespace {

using consensus::Configuration;
using consensus::NodeId;

// Their folders are noted: each has ten times its id.
Configuration Members(const std::vector<uint64_t>& ids) {
  Configuration configuration;
  for (uint64_t id : ids) {
    configuration.members.push_back(
        {NodeId(id), true, "127.0.0.1:" + std::to_string(7000 + id) + "@17001", 10 * id});
    configuration.next_id = NodeId(id + 1);
  }
  return configuration;
}

// By node 1.
std::vector<Member> Called(const std::vector<uint64_t>& applied,
                           const std::vector<uint64_t>& in_force) {
  Membership membership({1, "", 7001, 17001});
  membership.Update(Members(applied));
  return membership.Peers(Members(in_force));
}

std::vector<uint64_t> Ids(const std::vector<Member>& members) {
  std::vector<uint64_t> ids;
  for (const Member& member : members) {
    ids.push_back(member.id);
    EXPECT_EQ(member.port, 7000 + member.id);
  }
  return ids;
}

// After a crash of all members their votes may be needed before anything is applied.
// So may the one that a removal, not applied and perhaps lost, has taken out: it may lead.
TEST(Peers, AreTheMembersInForceOrApplied) {
  EXPECT_EQ(Ids(Called({1, 2, 3}, {1, 2, 3})), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(Ids(Called({1}, {1, 2})), (std::vector<uint64_t>{2}));
  EXPECT_EQ(Ids(Called({}, {2, 3})), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(Ids(Called({1, 2, 3}, {1, 3})), (std::vector<uint64_t>{3, 2}));
  EXPECT_EQ(Ids(Called({1, 2, 3}, {1})), (std::vector<uint64_t>{2, 3}));
}

// As long as it may be lost, the id may be given to another yet: no node is to be taken in by it.
TEST(Peers, HaveTheFoldersThatAreApplied) {
  const std::vector<Member> peers = Called({1, 2}, {1, 2, 3});
  ASSERT_EQ(peers.size(), 2U);
  EXPECT_EQ(peers[0].folder, 20U);
  EXPECT_EQ(peers[1].folder, 0U);
}

}  // namespace
}  // namespace quorate
