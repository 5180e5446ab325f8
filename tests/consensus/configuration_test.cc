// Configurations and changes as bytes, and the arithmetic on them.
#include "consensus/configuration.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

Configuration Some() {
  return {{{NodeId(1), true, "a:1@2", 0},
           {NodeId(4), false, "", 0xfedcba9876543210},
           {NodeId(9), true, "[::1]:7@8", 1}},
          NodeId(12)};
}

TEST(Configuration, ComesBackFromItsBytes) {
  EXPECT_EQ(DecodeConfiguration(Encode(Some())), Some());
  EXPECT_EQ(DecodeConfiguration(Encode(Configuration())), Configuration());
}

TEST(Configuration, BytesThatAreCutOrTooManyAreNone) {
  std::string bytes = Encode(Some());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeConfiguration(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(DecodeConfiguration(bytes + "x"));
}

// Whatever the bytes, what is read is valid, or nothing is.
TEST(Configuration, DamagedBytesGiveNothingThatIsNotValid) {
  std::string bytes = Encode(Some());
  size_t refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(value);
      auto configuration = DecodeConfiguration(damaged);
      refused += configuration ? 0 : 1;
      if (configuration) {
        EXPECT_TRUE(IsValid(*configuration));
        EXPECT_EQ(Encode(*configuration), damaged);
      }
    }
  }
  EXPECT_GT(refused, 0U);
}

// Proves that ids are not given anew when there are none left.
TEST(Configuration, TakesNobodyWhenThereIsNoIdLeft) {
  const NodeId last(std::numeric_limits<uint64_t>::max());
  const auto changed = Changed({{{NodeId(1), true, "a"}}, last}, AddLearner{"b"});
  ASSERT_TRUE(std::holds_alternative<ChangeError>(changed));
  EXPECT_EQ(std::get<ChangeError>(changed).reason, ChangeRefusal::kTooManyMembers);
}

// Proves that no configuration has two members at one address: whoever joins takes the place of the
// member there, and of two voters with it majorities would not overlap (dissertation 4.1).
TEST(Configuration, IsValidWithOneMemberAtAnAddress) {
  EXPECT_TRUE(IsValid({{{NodeId(1), true, ""}, {NodeId(2), true, ""}}, NodeId(3)}));
  EXPECT_TRUE(IsValid({{{NodeId(1), true, "a"}, {NodeId(2), true, "b"}}, NodeId(3)}));
  EXPECT_FALSE(IsValid({{{NodeId(1), true, "a"}, {NodeId(2), true, "a"}}, NodeId(3)}));
  EXPECT_FALSE(IsValid({{{NodeId(1), true, "a"}, {NodeId(2), false, "a"}}, NodeId(3)}));
}

TEST(Configuration, IsValidWithRisingIdsThatWereGivenOut) {
  EXPECT_TRUE(IsValid(Some()));
  EXPECT_FALSE(IsValid({{{NodeId(), true, ""}}, NodeId(2)}));
  EXPECT_FALSE(IsValid({{{NodeId(2), true, ""}}, NodeId(2)}));
  EXPECT_FALSE(IsValid({{{NodeId(2), true, ""}, {NodeId(1), true, ""}}, NodeId(3)}));
  EXPECT_FALSE(IsValid({{{NodeId(1), true, ""}, {NodeId(1), true, ""}}, NodeId(3)}));
  EXPECT_FALSE(IsValid({{{NodeId(1), true, std::string(kAddressBytesMax + 1, 'a')}}, NodeId(3)}));
}

TEST(Configuration, CountsVotersAndHowFarTwoAreApart) {
  EXPECT_EQ(VoterCount(Some()), 2U);
  EXPECT_FALSE(IsVoter(Some(), NodeId(4)));
  EXPECT_FALSE(IsVoter(Some(), NodeId(5)));
  EXPECT_EQ(VotersApart(MakeConfiguration({1, 2}), MakeConfiguration({1, 2}, {3})), 0U);
  EXPECT_EQ(VotersApart(MakeConfiguration({1, 2}), MakeConfiguration({1, 2, 3})), 1U);
  EXPECT_EQ(VotersApart(MakeConfiguration({1, 2}), MakeConfiguration({1, 3})), 2U);
}

TEST(Configuration, HasABoundedNumberOfMembers) {
  Configuration configuration = MakeConfiguration({1});
  for (size_t i = 1; i < kConfigurationMembersMax; ++i) {
    auto changed = Changed(configuration, AddLearner{"a" + std::to_string(i)});
    configuration = std::get<Configuration>(changed);
  }
  auto refused = Changed(configuration, AddLearner{"b"});
  EXPECT_EQ(std::get<ChangeError>(refused).reason, ChangeRefusal::kTooManyMembers);
}

// Whoever bears the id of a removed member would be taken for that one, with its votes and what it
// has acknowledged.
TEST(Change, GivesNobodyTheIdOfARemovedMember) {
  Configuration configuration = MakeConfiguration({1});
  for (uint64_t id = 2; id <= 4; ++id) {
    configuration = std::get<Configuration>(Changed(configuration, AddLearner{"a"}));
    EXPECT_EQ(configuration.members.back().id, NodeId(id));
    configuration = std::get<Configuration>(Changed(configuration, RemoveMember{NodeId(id)}));
    EXPECT_EQ(configuration.members.size(), 1U);
  }
}

// An id stands for one folder, ever: who comes with another one, or with the same one emptied, has
// forgotten what that member has said.
TEST(Change, NamesALearnersFolderOnce) {
  const Configuration configuration = MakeConfiguration({1}, {2});
  const auto named = Changed(configuration, NameFolder{NodeId(2), 7});
  ASSERT_TRUE(std::holds_alternative<Configuration>(named));
  const Configuration& known = std::get<Configuration>(named);
  EXPECT_EQ(FindMember(known, NodeId(2))->folder, 7U);
  for (const NameFolder& change :
       {NameFolder{NodeId(2), 7}, NameFolder{NodeId(2), 8}, NameFolder{NodeId(1), 7}}) {
    EXPECT_EQ(std::get<ChangeError>(Changed(known, change)).reason, ChangeRefusal::kFolderIsKnown);
  }
  EXPECT_EQ(std::get<ChangeError>(Changed(known, NameFolder{NodeId(3), 7})).reason,
            ChangeRefusal::kUnknownMember);
}

TEST(Change, ComesBackFromItsBytes) {
  for (const Change& change :
       {Change(AddLearner{"a"}), Change(RemoveMember{NodeId(7)}),
        Change(UpdateAddress{NodeId(3), "b"}), Change(NameFolder{NodeId(3), 0xfedcba9876543210})}) {
    std::string bytes = Encode(change);
    EXPECT_EQ(DecodeChange(bytes), change);
    EXPECT_FALSE(DecodeChange(bytes + "x"));
    EXPECT_FALSE(DecodeChange(std::string_view(bytes).substr(0, bytes.size() - 1)));
  }
  EXPECT_FALSE(DecodeChange(""));
  EXPECT_FALSE(DecodeChange("\x04"));
}

using ConfigurationsDeathTest = testing::Test;

// Two voters at once could give two majorities without a server in common.
TEST(ConfigurationsDeathTest, NeighboursDifferByOneVoter) {
  Recovered recovered;
  recovered.configuration = MakeConfiguration({1, 2, 3});
  Configurations configurations(recovered);
  EXPECT_DEATH(configurations.Append(Index(1), MakeConfiguration({1, 4})), "VotersApart");
}

// Whoever follows it later finds the entry that has made it so.
TEST(Configurations, ASurvivorLeavesAllOthersBehindAtOnce) {
  Recovered recovered;
  recovered.configuration = MakeConfiguration({1, 2, 3});
  Configurations configurations(recovered);
  configurations.Append(Index(1), MakeConfiguration({2}));
  EXPECT_EQ(configurations.current(), MakeConfiguration({2}));
}

}  // namespace
}  // namespace quorate::consensus
