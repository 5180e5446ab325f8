// Changes of the configuration (section 6; dissertation, chapter 4), as one server sees them.
#include <string>
#include <utility>
#include <variant>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

constexpr NodeId kFourth{4};

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

// In term 1.
ChangeReply Made(uint64_t request, uint64_t index) {
  return {Term(1), request, Index(index), ChangeRefusal::kNone, ""};
}

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

// --- Asked for from elsewhere ---

TEST(ChangeForwarding, AFollowerAsksItsLeader) {
  LoneServer server;
  EXPECT_FALSE(server.raft().RequestChange(AddLearner{"d"}, false));
  server.Follow(kSecond, 1);
  std::optional<uint64_t> request = server.raft().RequestChange(AddLearner{"d"}, true);
  ASSERT_TRUE(request);
  EXPECT_EQ(Only<ChangeRequest>(server.Settle(), kSecond),
            (ChangeRequest{Term(1), *request, true, AddLearner{"d"}}));
  server.Receive(kSecond, Made(*request, 9));
  server.Round();
  ASSERT_EQ(server.change_answers.size(), 1U);
  EXPECT_EQ(server.change_answers[0].request, *request);
  EXPECT_EQ(server.change_answers[0].index, Index(9));
  EXPECT_EQ(server.change_answers[0].term, Term(1));
}

TEST(ChangeForwarding, ALeaderAnswersOthersAndItself) {
  Established server;
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond), Made(7, 2));
  server.CommitAll();
  server.Receive(kThird, ChangeRequest{Term(1), 8, false, RemoveMember{NodeId(9)}});
  const ChangeReply refused = Only<ChangeReply>(server.Settle(), kThird);
  EXPECT_EQ(refused.index, Index());
  EXPECT_EQ(refused.refusal, ChangeRefusal::kUnknownMember);
  EXPECT_FALSE(refused.error.empty());
  const std::optional<uint64_t> request = server.raft().RequestChange(AddLearner{"e"}, false);
  server.Round();
  ASSERT_EQ(server.change_answers.size(), 1U);
  EXPECT_EQ(server.change_answers[0].request, request);
  EXPECT_EQ(server.change_answers[0].index, Index(3));
}

TEST(ChangeForwarding, AtTheLeaderItWaitsForTheChangeBefore) {
  Established server;
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  server.Receive(kThird, ChangeRequest{Term(1), 8, false, AddLearner{"e"}});
  EXPECT_TRUE(Of<ChangeReply>(server.Settle(), kThird).empty());
  server.Acknowledge(kSecond, Index(2));
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kThird), Made(8, 3));
}

TEST(ChangeForwarding, ItWaitsUntilTheLeaderIsEstablished) {
  LoneServer server;
  server.BecomeLeader();
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  EXPECT_TRUE(Of<ChangeReply>(server.Settle()).empty());
  server.Acknowledge(kThird, Index(1));
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond), Made(7, 2));
}

// But not for ever: whoever asks knows how long it makes sense.
TEST(ChangeForwarding, WhoWaitsLongIsToldWhyAndMayAskAgain) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"e"}});
  Messages messages;
  for (int ticks = 0; ticks < 20; ++ticks) {
    EXPECT_TRUE(Of<ChangeReply>(server.Settle()).empty());
    server.Tick();
    server.Receive(kSecond, HeartbeatReply{Term(1), 0});
  }
  const ChangeReply reply = Only<ChangeReply>(server.Settle(), kSecond);
  EXPECT_EQ(reply.refusal, ChangeRefusal::kChangePending);
  EXPECT_TRUE(IsForTheMoment(reply.refusal));
}

// Whoever asks anew has given up what it asked for before.
TEST(ChangeForwarding, TheLastQuestionOfAServerCounts) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"e"}});
  server.Receive(kSecond, ChangeRequest{Term(1), 8, false, AddLearner{"f"}});
  server.Settle();
  server.Acknowledge(kThird, Index(2));
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond), Made(8, 3));
  EXPECT_FALSE(FindAddress(server.raft().configuration(), "e"));
}

// Server 2 asks leader 3 of term 1. Leader 1 of term 2 commits its own entry where that of 3 would
// have been, so the client has been told that nothing has come of it. Then the question arrives at
// server 1, late.
TEST(ChangeForwarding, AQuestionOfAnEarlierTermIsRefused) {
  Established server;
  server.Follow(kThird, 2);
  server.BecomeLeader();
  server.CommitAll();
  const Index end = server.raft().last_log_index();
  const Term term = server.raft().current_term();
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  const ChangeReply reply = Only<ChangeReply>(server.Settle(), kSecond);
  EXPECT_EQ(reply.term, term);
  EXPECT_EQ(reply.refusal, ChangeRefusal::kNotLeader);
  EXPECT_EQ(server.raft().last_log_index(), end);
}

TEST(ChangeForwarding, IsRefusedByAnyButTheLeader) {
  LoneServer server;
  server.Follow(kThird, 1);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"d"}});
  EXPECT_EQ(Only<ChangeReply>(server.Settle(), kSecond).refusal, ChangeRefusal::kNotLeader);
}

TEST(ChangeForwarding, WhatWaitsIsRefusedWhenLeadershipIsLost) {
  Established server;
  ASSERT_EQ(server.Refused(AddLearner{"d"}), std::nullopt);
  server.Receive(kSecond, ChangeRequest{Term(1), 7, false, AddLearner{"e"}});
  const std::optional<uint64_t> own = server.raft().RequestChange(AddLearner{"f"}, false);
  server.Settle();
  server.Receive(kThird, Heartbeat{Term(2), Index(), 0});
  server.Round();
  ASSERT_EQ(server.change_answers.size(), 1U);
  EXPECT_EQ(server.change_answers[0].request, own);
  EXPECT_EQ(server.change_answers[0].error.reason, ChangeRefusal::kNotLeader);
}

}  // namespace
}  // namespace quorate::consensus
