// Whom a node calls.
#include "src/members/membership.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "src/members/member_address.h"

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

std::string AddressOf(const Membership& membership, uint64_t id) {
  const Member* member = membership.Find(NodeId(id));
  return member ? MemberAddress(*member) : "none";
}

// Until the cluster has taken note of a move, its members follow it by themselves.
TEST(Places, AreWhereAMemberWasFound_UntilItsAddressChanges) {
  Membership membership({1, "", 7001, 17001});
  Configuration configuration = Members({1, 2, 3});
  membership.Update(configuration);
  membership.Found({2, "10.0.0.2", 7002, 17002});
  membership.Found({3, "10.0.0.3", 7003, 17003});
  membership.Found({4, "10.0.0.4", 7004, 17004});
  EXPECT_EQ(membership.members().size(), 3U);
  EXPECT_EQ(AddressOf(membership, 2), "10.0.0.2:7002@17002");

  // Of what is found, only the address counts.
  EXPECT_EQ(membership.Find(NodeId(2))->folder, 20U);
  EXPECT_TRUE(membership.Find(NodeId(2))->voter);

  configuration.members[1].address = "10.0.0.7:7002@17002";
  membership.Update(configuration);
  EXPECT_EQ(AddressOf(membership, 2), "10.0.0.7:7002@17002");
  EXPECT_EQ(AddressOf(membership, 3), "10.0.0.3:7003@17003");

  // One that was removed and has come again is another.
  membership.Update(Members({1, 2}));
  membership.Update(Members({1, 2, 3}));
  EXPECT_EQ(AddressOf(membership, 3), "127.0.0.1:7003@17001");
}

TEST(OwnAddress, IsTheAnnouncedOne_ThenTheNotedOne_ThenTheOneFound) {
  Configuration configuration = Members({1, 2});
  const std::string noted = configuration.members[0].address;
  for (const char* announced : {"", "name"}) {
    for (const bool host_is_noted : {true, false}) {
      configuration.members[0].address = host_is_noted ? noted : ":7001@17001";
      Membership membership({1, announced, 7001, 17001});
      membership.Update(configuration);
      membership.FoundSelf("10.0.0.1");
      membership.FoundSelf("10.1.0.1");
      membership.Found({1, "10.2.0.1", 7009, 17009});
      const std::string host = *announced ? announced : host_is_noted ? "127.0.0.1" : "10.0.0.1";
      EXPECT_EQ(AddressOf(membership, 1), host + ":7001@17001");
      EXPECT_EQ(
          membership.address_to_announce(),
          host == "127.0.0.1" ? std::nullopt : std::optional<std::string>(host + ":7001@17001"));
    }
  }
  // Other ports than the noted ones are announced in any case.
  configuration.members[0].address = noted;
  Membership moved({1, "", 7009, 17009});
  moved.Update(configuration);
  EXPECT_EQ(moved.address_to_announce(), "127.0.0.1:7009@17009");
  EXPECT_EQ(moved.self().port, 7009);
}

TEST(Places, AreUnknownUntilSomethingIsFound) {
  Configuration configuration = Members({1, 2});
  configuration.members[1].address = ":7002@17002";
  Membership membership({1, "", 7001, 17001});
  membership.Update(configuration);
  EXPECT_EQ(AddressOf(membership, 2), ":7002@17002");
  membership.Found({2, "10.0.0.2", 7002, 17002});
  EXPECT_EQ(AddressOf(membership, 2), "10.0.0.2:7002@17002");
  // Whom to connect to is what the configuration says; the connections know better.
  EXPECT_EQ(membership.Peers(configuration).front().host, "");
}

}  // namespace
}  // namespace quorate
