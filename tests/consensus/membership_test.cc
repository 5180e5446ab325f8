// Changes of the configuration (section 6; dissertation, chapter 4), as one server sees them.
#include <string>
#include <utility>
#include <variant>

#include "gtest/gtest.h"
#include "tests/consensus/established_leader.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

PeerStatus StatusOf(const Raft& raft, NodeId id) {
  for (const PeerStatus& peer : raft.peers()) {
    if (peer.id == id) {
      return peer;
    }
  }
  ADD_FAILURE() << "no peer " << id.value();
  return {};
}

// --- In force when appended ---

TEST(Membership, AConfigurationIsInForceWhenItIsAppended) {
  Established server;
  ASSERT_EQ(server.Refused(RemoveMember{kThird}), std::nullopt);
  Messages messages = server.Settle();
  EXPECT_TRUE(server.configuration_changed || server.raft().configuration().members.size() == 2);
  EXPECT_FALSE(FindMember(server.raft().configuration(), kThird));
  EXPECT_EQ(Of<AppendEntries>(messages, kSecond).size(), 1U);
  EXPECT_TRUE(Of<AppendEntries>(messages, kThird).empty());
  // Two of two are needed now: the removed one's acknowledgement counts for nothing.
  server.Acknowledge(kThird, Index(2));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(1));
  server.Acknowledge(kSecond, Index(2));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(2));
}

TEST(Membership, TheDriverIsToldOfEachConfigurationOnce) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.Round();
  EXPECT_TRUE(server.configuration_changed);
  server.Round();
  EXPECT_FALSE(server.configuration_changed);
}

TEST(Membership, AFollowerTakesConfigurationsFromTheLogAndGivesThemBackInReverse) {
  LoneServer server({.term = 1, .log_terms = {1}});
  Configuration four = MakeConfiguration({1, 2, 3}, {4});
  Configuration voting = MakeConfiguration({1, 2, 3, 4});
  server.Receive(
      kSecond,
      MakeAppend(2, 1, 1, 0, {MakeEntry(2, 2, four), MakeEntry(3, 2), MakeEntry(4, 2, voting)}));
  server.Settle();
  EXPECT_EQ(server.raft().configuration(), voting);
  EXPECT_EQ(server.raft().configuration_index(), Index(4));
  // Another leader has neither: 4, then 2, are taken back.
  server.Receive(kThird, MakeAppend(3, 3, 2, 0, {MakeEntry(4, 3)}));
  server.Round();
  EXPECT_TRUE(server.configuration_changed);
  EXPECT_EQ(server.raft().configuration(), four);
  EXPECT_EQ(server.raft().configuration_index(), Index(2));
  server.Receive(kSecond, MakeAppend(4, 1, 1, 0, {MakeEntry(2, 4)}));
  server.Settle();
  EXPECT_EQ(server.raft().configuration(), MakeConfiguration({1, 2, 3}));
  EXPECT_EQ(server.raft().configuration_index(), Index(0));
}

// After a restart, and after trimming, the configuration is the same.
TEST(Membership, SurvivesARestart) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.CommitAll();
  server.Apply();
  Configuration configuration = server.raft().configuration();
  for (uint64_t applied : {0, 1, 2}) {
    server.Restart(applied);
    EXPECT_EQ(server.raft().configuration(), configuration);
    EXPECT_EQ(server.raft().configuration_index(), Index(2));
  }
  server.disk().Trim(Index(2));
  server.Restart(2);
  EXPECT_EQ(server.raft().configuration(), configuration);
  EXPECT_EQ(server.raft().configuration_index(), Index(2));
}

TEST(Membership, AnEntryThatHoldsNoConfigurationIsRefused) {
  LoneServer server;
  Entry entry = MakeEntry(1, 1, "nonsense");
  entry.kind = EntryKind::kConfiguration;
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {entry}));
  Entry nobody = MakeEntry(1, 1, Configuration{{}, NodeId(9)});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {nobody}));
  EXPECT_EQ(server.raft().last_log_index(), Index(0));
}

// --- Refusals ---

TEST(Membership, OnlyAnEstablishedLeaderChangesIt) {
  LoneServer server;
  auto refused = [&] {
    return std::get<ChangeError>(server.raft().ProposeChange(AddLearner{"d"}, true)).reason;
  };
  EXPECT_EQ(refused(), ChangeRefusal::kNotLeader);
  server.BecomeLeader();
  EXPECT_EQ(refused(), ChangeRefusal::kNotEstablished);
  server.CommitAll();
  ASSERT_TRUE(server.raft().TransferLeadership(kSecond));
  EXPECT_EQ(refused(), ChangeRefusal::kNotLeader);
}

TEST(Membership, OneChangeAtATime) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  EXPECT_EQ(server.Refused(AddLearner{"e"}), ChangeRefusal::kChangePending);
  EXPECT_EQ(server.Refused(RemoveMember{kThird}, true), ChangeRefusal::kChangePending);
  server.CommitAll();
  EXPECT_EQ(server.Refused(AddLearner{"e"}), std::nullopt);
}

TEST(Membership, RefusesWhatMakesNoSense) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.CommitAll();
  EXPECT_EQ(server.Refused(AddLearner{""}), ChangeRefusal::kBadAddress);
  EXPECT_EQ(server.Refused(AddLearner{std::string(kAddressBytesMax + 1, 'x')}),
            ChangeRefusal::kBadAddress);
  EXPECT_EQ(server.Refused(RemoveMember{NodeId(9)}), ChangeRefusal::kUnknownMember);
  EXPECT_EQ(server.Refused(UpdateAddress{NodeId(9), "x"}), ChangeRefusal::kUnknownMember);
  EXPECT_EQ(server.Refused(UpdateAddress{kSecond, "d"}), ChangeRefusal::kAddressInUse);
  EXPECT_EQ(server.Refused(UpdateAddress{kSecond, "b"}), std::nullopt);
  EXPECT_EQ(FindMember(server.raft().configuration(), kSecond)->address, "b");
}

TEST(Membership, WhoWasRemovedIsRemovedAgainWithoutAnEntry) {
  Established server;
  ASSERT_EQ(server.Refused(RemoveMember{kThird}), std::nullopt);
  server.CommitAll();
  const Index end = server.raft().last_log_index();
  EXPECT_EQ(server.Refused(RemoveMember{kThird}), std::nullopt);
  EXPECT_EQ(server.raft().last_log_index(), end);
  EXPECT_EQ(server.Refused(RemoveMember{NodeId()}), ChangeRefusal::kUnknownMember);
  EXPECT_EQ(server.Refused(RemoveMember{kFourth}), ChangeRefusal::kUnknownMember) << "not yet";
}

TEST(Membership, TheLastVoterStays) {
  LoneServer server({.voters = 1});
  server.Tick();
  server.Settle();
  ASSERT_TRUE(server.raft().leader_is_established());
  auto refused = server.raft().ProposeChange(RemoveMember{kSelf}, true);
  EXPECT_EQ(std::get<ChangeError>(refused).reason, ChangeRefusal::kLastVoter);
}

// Of three with one down, the other that lives is needed; the dead one is not. `force` is for who
// knows better.
TEST(Membership, ALiveMajorityOfTheNewConfigurationIsNeeded) {
  Established server;
  server.HearOnly({kSecond});
  EXPECT_EQ(server.Refused(RemoveMember{kSecond}), ChangeRefusal::kNoLiveMajority);
  EXPECT_EQ(server.Refused(RemoveMember{kSelf}), ChangeRefusal::kNoLiveMajority);
  EXPECT_EQ(server.Refused(RemoveMember{kThird}), std::nullopt);
  Established forced;
  forced.HearOnly({kSecond});
  EXPECT_EQ(forced.Refused(RemoveMember{kSecond}, true), std::nullopt);
}

TEST(Membership, AnIdIsNeverUsedAgain) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.CommitAll();
  ASSERT_EQ(server.Refused(RemoveMember{kFourth}), std::nullopt);
  server.CommitAll();
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  EXPECT_EQ(server.raft().configuration().members.back().id, NodeId(5));
}

// --- Learners ---

TEST(Learner, IsSentTheLogAndCountsInNoMajority) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  Messages messages = server.Settle();
  EXPECT_EQ(Of<AppendEntries>(messages, kFourth).size(), 1U);
  server.Acknowledge(kFourth, Index(2));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(1));
  EXPECT_FALSE(StatusOf(server.raft(), kFourth).voter);
  EXPECT_FALSE(server.raft().TransferLeadership(kFourth));
  // Neither do its answers prove a read, or keep the leader in office.
  ASSERT_TRUE(server.raft().RequestRead(ReadToken(1)));
  server.Settle();
  server.Receive(kFourth, HeartbeatReply{Term(1), 1});
  server.Settle();
  EXPECT_TRUE(server.reads.empty());
  server.HearOnly({kFourth});
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST(Learner, BecomesAVoterWhenItHasCaughtUp) {
  Established server;
  for (int i = 0; i < 5; ++i) {
    server.Propose("x");
  }
  server.CommitAll();
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.CommitAll();
  server.HearOnly({kSecond, kThird, kFourth});
  server.Acknowledge(kFourth, Index(6));
  server.Settle();
  EXPECT_FALSE(StatusOf(server.raft(), kFourth).voter);
  server.Acknowledge(kFourth, Index(7));
  server.Settle();
  EXPECT_TRUE(StatusOf(server.raft(), kFourth).voter);
  EXPECT_EQ(server.raft().configuration_index(), Index(8));
  // Of four, three are needed.
  server.Acknowledge(kFourth, Index(8));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(7));
  server.Acknowledge(kSecond, Index(8));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(8));
}

// A server that has been told of no configuration follows, and never stands.
TEST(Learner, ThatJoinsAnswersItsLeaderAndNeverStands) {
  LoneServer server({.joined = true});
  server.Tick(100);
  EXPECT_TRUE(server.Settle().empty());
  server.Receive(NodeId(7), MakeAppend(3, 0, 0, 1, {MakeEntry(1, 2), MakeEntry(2, 3)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), NodeId(7)), Success(3, 2));
  EXPECT_EQ(server.raft().leader(), NodeId(7));
  server.Tick(100);
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_FALSE(server.raft().leader());
}

// It may have been made a voter by an entry that it has not received, and its vote be needed.
TEST(Learner, VotesWhenItIsAsked) {
  LoneServer server({.joined = true});
  server.Receive(NodeId(7), AskVote(3, 4, 2));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), NodeId(7)), Vote(3));
}

TEST(Learner, ItsVoteDoesNotCount) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond,
                 MakeAppend(1, 1, 1, 0, {MakeEntry(2, 1, MakeConfiguration({1, 2, 3}, {4}))}));
  server.Settle();
  server.Tick(20);
  server.Settle();
  server.Receive(kFourth, PreVote(2));
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(NodeId(9), PreVote(2));
  EXPECT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(kThird, PreVote(2));
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
}

// One server alone commits by itself, with a learner too, and not by itself any more when there
// are two.
TEST(Growing, OneVoterThenTwo) {
  LoneServer server({.voters = 1});
  server.Tick();
  server.Settle();
  ASSERT_TRUE(server.raft().leader_is_established());
  ASSERT_TRUE(std::holds_alternative<Index>(server.raft().ProposeChange(AddLearner{"b"}, false)));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(2));
  ASSERT_TRUE(server.raft().RequestRead(ReadToken(1)));
  server.Round();
  EXPECT_EQ(server.reads.size(), 1U);
  server.Acknowledge(kSecond, Index(2));
  server.Settle();
  ASSERT_TRUE(IsVoter(server.raft().configuration(), kSecond));
  EXPECT_EQ(server.raft().commit_index(), Index(2));
  server.Acknowledge(kSecond, Index(3));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(3));
  // And back to one.
  ASSERT_TRUE(
      std::holds_alternative<Index>(server.raft().ProposeChange(RemoveMember{kSecond}, false)));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(4));
}

// --- Removal ---

// Dissertation 4.2.2: the leader leads on, without counting itself, until its removal is committed.
TEST(Removal, ALeaderThatRemovesItselfDoesNotCountItselfAndHandsOver) {
  Established server;
  ASSERT_EQ(server.Refused(RemoveMember{kSelf}), std::nullopt);
  server.Settle();
  server.Acknowledge(kSecond, Index(2));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(1));
  EXPECT_TRUE(server.raft().is_leader());
  server.Acknowledge(kThird, Index(2));
  Messages messages = server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(2));
  EXPECT_EQ(Of<TimeoutNow>(messages).size(), 1U);
  EXPECT_FALSE(server.raft().is_leader());
  EXPECT_EQ(Of<TimeoutNow>(messages, server.raft().successor().value()).size(), 1U);
  server.Tick(100);
  server.Settle();
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

// Once it has left it does not hear what becomes of the entries for which its clients wait.
TEST(Removal, ALeaderLeavesWhenAllItsEntriesAreCommitted) {
  Established server;
  ASSERT_EQ(server.Refused(RemoveMember{kSelf}), std::nullopt);
  server.Propose("x");
  server.Settle();
  server.Acknowledge(kSecond, Index(3));
  server.Acknowledge(kThird, Index(2));
  EXPECT_TRUE(Of<TimeoutNow>(server.Settle()).empty());
  ASSERT_EQ(server.raft().commit_index(), Index(2));
  EXPECT_EQ(server.raft().successor(), std::nullopt);
  server.Acknowledge(kThird, Index(3));
  EXPECT_EQ(Of<TimeoutNow>(server.Settle()).size(), 1U);
  EXPECT_EQ(server.raft().commit_index(), Index(3));
  EXPECT_FALSE(server.raft().is_leader());
}

// It waits for the target to have all, but not for ever.
TEST(Removal, ALeaderThatCannotHandOverStepsDown) {
  Established server;
  ASSERT_EQ(server.Refused(RemoveMember{kSelf}), std::nullopt);
  server.Propose("x");
  server.Settle();
  server.Acknowledge(kSecond, Index(2));
  server.Acknowledge(kThird, Index(2));
  server.Settle();
  ASSERT_EQ(server.raft().commit_index(), Index(2));
  EXPECT_TRUE(server.raft().is_leader());
  EXPECT_FALSE(server.raft().Propose(Payload("y")));
  server.HearOnly({kSecond, kThird});
  EXPECT_FALSE(server.raft().is_leader());
}

// Left alone by a leader that removes itself, it needs nobody's vote. But that leader waits for its
// acknowledgement, to know that all is committed, and to say who is next.
TEST(Removal, WhoeverIsLeftAloneDoesNotDeposeItsLeader) {
  LoneServer server({.voters = 2, .term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(1, 1, 1, 1, {MakeEntry(2, 1, MakeConfiguration({1}))}));
  server.Round();
  server.Tick();
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(1, 2));
  // The leader has gone, or hands over.
  server.raft().PeerGone(kSecond);
  server.Tick();
  server.Settle();
  EXPECT_TRUE(server.raft().leader_is_established());
}

// As long as the removal is not committed, the removed one may be the only one that can be elected.
TEST(Removal, AServerWhoseRemovalIsNotCommittedStands) {
  LoneServer server({.voters = 2, .term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(1, 1, 1, 1, {MakeEntry(2, 1, MakeConfiguration({2}))}));
  server.Settle();
  server.Tick(20);
  server.Settle();
  ASSERT_EQ(server.raft().role(), Role::kPreCandidate);
  server.Receive(kSecond, PreVote(2));
  server.Settle();
  EXPECT_EQ(server.raft().role(), Role::kCandidate);  // its own vote does not count
  server.Receive(kSecond, Vote(2));
  server.Settle();
  EXPECT_EQ(server.raft().role(), Role::kLeader);
  server.Acknowledge(kSecond, Index(3));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(3));
  EXPECT_FALSE(server.raft().is_leader());
}

TEST(Removal, AServerWhoseRemovalIsCommittedNeverStands) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(1, 1, 1, 2, {MakeEntry(2, 1, MakeConfiguration({2, 3}))}));
  server.Settle();
  server.Tick(100);
  EXPECT_TRUE(Of<RequestVote>(server.Settle()).empty());
  server.Receive(kSecond, TimeoutNow{Term(1)});
  EXPECT_EQ(server.raft().role(), Role::kFollower);
}

TEST(Removal, ReadsOfARemovedFollowerAreRefused) {
  Established server;
  server.Receive(kThird, ReadIndex{Term(1), 5});
  ASSERT_EQ(server.Refused(RemoveMember{kThird}), std::nullopt);
  EXPECT_EQ(Only<ReadIndexReply>(server.Settle(), kThird), (ReadIndexReply{Term(1), 5, Index()}));
  server.Receive(kThird, ReadIndex{Term(1), 6});
  server.Receive(kThird, HeartbeatReply{Term(1), 1});
  EXPECT_EQ(Only<ReadIndexReply>(server.Settle(), kThird), (ReadIndexReply{Term(1), 6, Index()}));
}

// --- An address that a member has ---

// Nobody has taken that place yet, so it is as good as a new one.
TEST(Replacement, APlaceThatIsFreeStays) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.CommitAll();
  const Index end = server.raft().last_log_index();
  EXPECT_EQ(std::get<Index>(server.raft().ProposeChange(AddLearner{"d"}, false)), end);
  EXPECT_EQ(server.raft().last_log_index(), end);
  EXPECT_TRUE(FindMember(server.raft().configuration(), kFourth));
}

// A member that has lost its folder was heard from a moment ago, and its last messages may still
// arrive. Whoever answers what was asked since is there; whoever answers nothing is replaced.
TEST(Replacement, WaitsUntilItIsKnownWhetherTheMemberIsThere) {
  Established server;
  server.AddVoter();
  const Index end = server.raft().last_log_index();
  const std::optional<uint64_t> request = server.raft().RequestChange(AddLearner{"d"}, false);
  const uint64_t round = Only<Heartbeat>(server.Round(), kFourth).read_round;
  ASSERT_GT(round, 0U);
  EXPECT_TRUE(server.change_answers.empty());
  // What it may have said before.
  server.Receive(kFourth, HeartbeatReply{Term(1), round - 1});
  server.Acknowledge(kFourth, end);
  server.Round();
  EXPECT_TRUE(server.change_answers.empty());
  server.Receive(kFourth, HeartbeatReply{Term(1), round});
  server.Round();
  ASSERT_EQ(server.change_answers.size(), 1U);
  EXPECT_EQ(server.change_answers[0].request, request);
  EXPECT_EQ(server.change_answers[0].index, server.raft().configuration_index());
  EXPECT_EQ(server.raft().last_log_index(), end);
}

TEST(Replacement, AMemberThatFallsSilentIsReplaced) {
  Established server;
  server.AddVoter();
  ASSERT_TRUE(server.raft().RequestChange(AddLearner{"d"}, false));
  server.HearOnly({kSecond, kThird});
  const Configuration& configuration = server.raft().configuration();
  EXPECT_FALSE(FindMember(configuration, kFourth));
  ASSERT_TRUE(FindMember(configuration, NodeId(5)));
  EXPECT_EQ(FindMember(configuration, NodeId(5))->address, "d");
  EXPECT_FALSE(FindMember(configuration, NodeId(5))->voter);
  EXPECT_EQ(VoterCount(configuration), 3U);
}

TEST(Replacement, AMemberThatIsKnownToBeGoneIsReplacedAtOnce) {
  Established server;
  server.AddVoter();
  server.HearOnly({kSecond, kThird});
  const Index end = server.raft().last_log_index();
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  EXPECT_EQ(server.raft().last_log_index(), end + 1) << "by one entry";
  EXPECT_FALSE(FindMember(server.raft().configuration(), kFourth));
}

}  // namespace
}  // namespace quorate::consensus
