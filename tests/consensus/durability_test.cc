// Nothing leaves a server that vouches for a write which its disk may still lose.
#include <string>

#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// --- Terms and votes ---

TEST(Withholding, NoMessageOfATermThatIsNotDurable) {
  LoneServer server;
  server.Receive(kSecond, MakeAppend(4, 0, 0, 0));
  server.Receive(kSecond, Heartbeat{Term(4), Index(), 1});
  server.Receive(kThird, AskPreVote(5, 9, 9));
  EXPECT_TRUE(server.Round().empty());
  server.Receive(kSecond, Heartbeat{Term(4), Index(), 2});
  EXPECT_TRUE(server.Round().empty());
  server.MakeDurable();
  Messages messages = server.Round();
  EXPECT_EQ(Only<HeartbeatReply>(messages, kSecond), (HeartbeatReply{Term(4), 2}));
  EXPECT_EQ(Of<AppendEntriesReply>(messages, kSecond).size(), 1U);
}

// The vote of term 2 waits for the disk when term 3 comes: it is not given any more.
TEST(Withholding, AVoteThatTheTermHasOvertakenIsDropped) {
  LoneServer server;
  server.Receive(kSecond, AskVote(2, 0, 0));
  server.Round();
  server.Receive(kThird, AskVote(3, 0, 0));
  server.Round();
  ASSERT_TRUE(server.disk().CompleteNext());
  server.raft().Persisted(PersistSeq(1));
  EXPECT_TRUE(server.Round().empty());
  server.MakeDurable();
  Messages messages = server.Round();
  EXPECT_EQ(messages.size(), 1U);
  EXPECT_EQ(Only<RequestVoteReply>(messages, kThird), Vote(3));
}

// A candidate's requests wait for its own vote's write, so no answer can come before that. It does
// not rest on this: whatever comes, it leads no term that its disk could still forget.
TEST(Withholding, ACandidateDoesNotLeadBeforeItsOwnVoteIsDurable) {
  LoneServer server({.voters = 5, .term = 1, .log_terms = {1}});
  server.Receive(kSecond, TimeoutNow{Term(1)});
  ASSERT_EQ(server.raft().role(), Role::kCandidate);
  EXPECT_TRUE(server.Round().empty());
  for (uint64_t voter : {2, 3, 4, 5}) server.Receive(NodeId(voter), Vote(2));
  EXPECT_TRUE(server.Round().empty());
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  server.MakeDurable();
  EXPECT_TRUE(server.raft().is_leader());
}

// The candidate's requests wait for the disk when the term's leader speaks. Its candidature is
// over, and by what the leader overwrites it may not even be a voter any more: it asks nobody.
TEST(Withholding, WhoFollowsTheTermsLeaderAsksForNoVotes) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, TimeoutNow{Term(1)});
  ASSERT_EQ(server.raft().role(), Role::kCandidate);
  server.Round();
  server.Receive(kThird, Heartbeat{Term(2), Index(), 1});
  server.Round();
  server.MakeDurable();
  Messages messages = server.Round();
  EXPECT_EQ(messages.size(), 1U);
  EXPECT_EQ(Only<HeartbeatReply>(messages, kThird), (HeartbeatReply{Term(2), 1}));
}

// While a disk stands still, peers go on talking. What waits for it is bounded.
TEST(Withholding, WhatWaitsIsBounded) {
  LoneServer server;
  server.Receive(kSecond, AskVote(2, 0, 0));
  for (int i = 0; i < 5000; ++i) {
    server.Receive(kSecond, AskVote(2, 0, 0));
    server.Round();
  }
  server.MakeDurable();
  EXPECT_EQ(server.Round().size(), 1024U);
}

// --- Acknowledgements ---

TEST(Acknowledgement, WaitsForTheEntriesToBeDurable) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1), MakeEntry(2, 1)}));
  EXPECT_TRUE(server.Round().empty());
  server.MakeDurable();
  EXPECT_EQ(Only<AppendEntriesReply>(server.Round(), kSecond), Success(1, 2));
}

// One reply for several writes; and none when nothing new is durable.
TEST(Acknowledgement, IsOneForAllThatBecameDurable) {
  LoneServer server({.term = 1});
  for (uint64_t i = 1; i <= 3; ++i) {
    server.Receive(kSecond, MakeAppend(1, i - 1, i == 1 ? 0 : 1, 0, {MakeEntry(i, 1)}));
    server.Round();
  }
  server.MakeDurable();
  EXPECT_EQ(server.Round().size(), 1U);
  EXPECT_TRUE(server.Round().empty());
}

// Every reply, be it to a duplicate, an empty append or a heartbeat's neighbour, names only what is
// durable.
TEST(Acknowledgement, ToADuplicateNamesOnlyWhatIsDurable) {
  LoneServer server({.term = 1, .log_terms = {1}});
  AppendEntries append = MakeAppend(1, 1, 1, 0, {MakeEntry(2, 1)});
  server.Receive(kSecond, append);
  server.Round();
  server.Receive(kSecond, append);
  AppendEntriesReply reply = Only<AppendEntriesReply>(server.Round(), kSecond);
  EXPECT_EQ(reply.index, Index(1));
  EXPECT_EQ(reply.hint_index, Index(2));  // but it need not be sent again
  server.Receive(kSecond, MakeAppend(1, 2, 1, 0));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Round(), kSecond).index, Index(1));
}

// Heartbeats are answered whatever the disk does.
TEST(Acknowledgement, AHeartbeatIsAnsweredWhileTheDiskIsBusy) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1)}));
  server.Round();
  server.Receive(kSecond, Heartbeat{Term(1), Index(), 4});
  EXPECT_EQ(Only<HeartbeatReply>(server.Round(), kSecond),
            (HeartbeatReply{Term(1), 4, false, Index(1)}));
}

// A write of entries 2 and 3 is under way when a new leader overwrites 3. Its completion vouches
// for 2.
TEST(Acknowledgement, OfAWriteThatWasOverwrittenSinceIsCut) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(1, 1, 1, 0, {MakeEntry(2, 1), MakeEntry(3, 1)}));
  server.Round();
  server.Receive(kThird, MakeAppend(2, 2, 1, 0, {MakeEntry(3, 2), MakeEntry(4, 2)}));
  server.Round();
  ASSERT_TRUE(server.last_write);
  EXPECT_EQ(server.last_write->truncate_from, Index(3));
  server.disk().CompleteNext();
  server.raft().Persisted(PersistSeq(1));
  EXPECT_EQ(server.raft().durable_index(), Index(2));
  EXPECT_TRUE(server.Round().empty());
  server.MakeDurable();
  EXPECT_EQ(Only<AppendEntriesReply>(server.Round(), kThird), Success(2, 4));
}

// The same where the overwriting entries have the old ones' number: the index alone proves nothing.
TEST(Acknowledgement, DurableIndexFollowsATruncationOfDurableEntries) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  EXPECT_EQ(server.raft().durable_index(), Index(3));
  server.Receive(kThird, MakeAppend(2, 1, 1, 0, {MakeEntry(2, 2), MakeEntry(3, 2)}));
  EXPECT_EQ(server.raft().durable_index(), Index(1));
  server.Settle();
  EXPECT_EQ(server.raft().durable_index(), Index(3));
  EXPECT_EQ(server.disk().TermAt(Index(3)), Term(2));
}

// --- The leader's own disk ---

// It sends before it has written (dissertation 10.2.1) ...
TEST(LeadersDisk, EntriesAreSentBeforeTheyAreDurable) {
  LoneServer server;
  server.BecomeLeader();
  server.CommitAll();
  server.Propose("x");
  Messages messages = server.Round();
  EXPECT_TRUE(server.last_write);
  EXPECT_EQ(Of<AppendEntries>(messages).size(), 2U);
}

// ... and counts itself after it has.
TEST(LeadersDisk, CountsAfterTheWrite) {
  LoneServer server;
  server.BecomeLeader();
  server.CommitAll();
  Index index = server.Propose("x");
  server.Round();
  server.Acknowledge(kSecond, index);
  server.Round();
  EXPECT_LT(server.raft().commit_index(), index);
  server.MakeDurable();
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), index);
}

// A majority of others is enough to commit. Applying waits for the own disk: a checkpoint that is
// ahead of the log beside it would leave a hole after a crash.
TEST(LeadersDisk, AMajorityOfOthersCommitsButApplyingWaits) {
  LoneServer server;
  server.BecomeLeader();
  server.CommitAll();
  server.Apply();
  Index index = server.Propose("x");
  server.Round();
  server.Acknowledge(kSecond, index);
  server.Acknowledge(kThird, index);
  server.Round();
  EXPECT_EQ(server.raft().commit_index(), index);
  EXPECT_TRUE(server.Apply().empty());
  server.MakeDurable();
  EXPECT_EQ(server.Apply().size(), 1U);
}

// --- Writes ---

TEST(Writes, OneForEachRoundHoldsAllOfIt) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Receive(kSecond, MakeAppend(2, 1, 1, 0, {MakeEntry(2, 2)}));
  server.Receive(kSecond, MakeAppend(2, 2, 2, 0, {MakeEntry(3, 2)}));
  server.Round();
  ASSERT_TRUE(server.last_write);
  EXPECT_EQ(server.last_write->seq, PersistSeq(1));
  EXPECT_EQ(server.last_write->hard_state, (HardState{Term(2), NodeId()}));
  EXPECT_EQ(server.last_write->truncate_from, Index(2));
  EXPECT_EQ(server.last_write->entries, (std::vector{MakeEntry(2, 2), MakeEntry(3, 2)}));
  server.Round();
  EXPECT_FALSE(server.last_write);
  server.Receive(kSecond, MakeAppend(2, 3, 2, 0, {MakeEntry(4, 2)}));
  server.Round();
  EXPECT_EQ(server.last_write->seq, PersistSeq(2));
  EXPECT_FALSE(server.last_write->hard_state);
}

// Entries that come and go between two rounds were never given to storage: nothing to truncate.
TEST(Writes, WhatStorageNeverSawIsNotTruncated) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(1, 1, 1, 0, {MakeEntry(2, 1, "old")}));
  server.Receive(kThird, MakeAppend(2, 1, 1, 0, {MakeEntry(2, 2, "new")}));
  server.Round();
  EXPECT_FALSE(server.last_write->truncate_from);
  EXPECT_EQ(server.last_write->entries, (std::vector{MakeEntry(2, 2, "new")}));
}

// Two conflicts in one round: the lower one counts.
TEST(Writes, TwoTruncationsBecomeOne) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1}});
  server.Receive(kSecond, MakeAppend(2, 3, 1, 0, {MakeEntry(4, 2)}));
  server.Receive(kThird, MakeAppend(3, 1, 1, 0, {MakeEntry(2, 3)}));
  server.Round();
  EXPECT_EQ(server.last_write->truncate_from, Index(2));
  EXPECT_EQ(server.last_write->entries, (std::vector{MakeEntry(2, 3)}));
  server.Settle();
  EXPECT_EQ(server.disk().last_index(), Index(2));
}

TEST(Writes, CompletionsNeverGoBackOrAhead) {
  LoneServer server;
  EXPECT_DEATH(server.raft().Persisted(PersistSeq(1)), "last_write");
  server.Follow(kSecond, 1);
  server.Follow(kSecond, 2);
  EXPECT_DEATH(server.raft().Persisted(PersistSeq(1)), "persisted");
}

// --- Memory ---

// A follower may apply more slowly than its leader sends. What it has on its disk it need not keep
// in memory for that.
TEST(Memory, IsNotFilledByWhatWaitsToBeApplied) {
  Given given;
  given.config.cached_bytes_max = 10'000;
  LoneServer server(given);
  server.Follow(kSecond, 1);
  const std::string value(1000, 'x');
  for (uint64_t index = 1; index <= 100; ++index) {
    server.Receive(kSecond, MakeAppend(1, index - 1, index == 1 ? 0 : 1, index,
                                       {MakeEntry(index, 1, value.c_str())}));
    server.Settle();
  }
  EXPECT_EQ(server.raft().commit_index(), Index(100));
  EXPECT_EQ(server.disk().reads(), 0U);
  EXPECT_EQ(server.Apply().size(), 100U);
  EXPECT_GT(server.disk().reads(), 0U);
}

}  // namespace
}  // namespace quorate::consensus
