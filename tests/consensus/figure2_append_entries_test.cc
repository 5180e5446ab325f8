// The box "AppendEntries RPC" of figure 2, sentence by sentence, and what section 5.3 adds to it.
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

// "1. Reply false if term < currentTerm"
TEST(Figure2AppendEntries, RepliesFalseIfTermIsBehind) {
  LoneServer server({.term = 3, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(2, 1, 1, 1, {MakeEntry(2, 2)}));
  Messages messages = server.Settle();
  AppendEntriesReply reply = Only<AppendEntriesReply>(messages, kSecond);
  EXPECT_FALSE(reply.success);
  EXPECT_EQ(reply.term, Term(3));
  EXPECT_EQ(server.raft().last_log_index(), Index(1));
  EXPECT_EQ(server.raft().commit_index(), Index(0));
  EXPECT_FALSE(server.raft().leader());
}

// The refusal names no entry: its term may be the one that the asker leads in when it arrives.
TEST(Figure2AppendEntries, ARefusedTermNamesNoEntry) {
  LoneServer server({.term = 3, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(2, 1, 1, 1));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Refusal(3, 0, 0, 0));
}

// "2. Reply false if log doesn't contain an entry at prevLogIndex whose term matches prevLogTerm"
TEST(Figure2AppendEntries, RepliesFalseIfPrevIsMissing) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeAppend(1, 2, 1, 2, {MakeEntry(3, 1)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Refusal(1, 2, 1, 1));
  EXPECT_EQ(server.raft().last_log_index(), Index(1));
}

TEST(Figure2AppendEntries, RepliesFalseIfPrevHasAnotherTerm) {
  LoneServer server({.term = 3, .log_terms = {1, 2}});
  server.Receive(kSecond, MakeAppend(3, 2, 3, 2, {MakeEntry(3, 3)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Refusal(3, 2, 2, 2));
  EXPECT_EQ(server.raft().last_log_index(), Index(2));
  EXPECT_EQ(server.raft().commit_index(), Index(0));
}

// A refusal promises nothing, so it need not wait for a write that is under way.
TEST(Figure2AppendEntries, ARefusalDoesNotWaitForEntries) {
  LoneServer server({.term = 1});
  server.Follow(kSecond, 1);
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1)}));
  server.Round();
  server.Receive(kSecond, MakeAppend(1, 2, 1, 0, {MakeEntry(3, 1)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Round(), kSecond), Refusal(1, 2, 1, 1));
}

// "3. If an existing entry conflicts with a new one (same index but different terms), delete the
// existing entry and all that follow it"
TEST(Figure2AppendEntries, DeletesAConflictingEntryAndAllThatFollow) {
  LoneServer server({.term = 3, .log_terms = {1, 2, 2, 2}});
  server.Receive(kSecond, MakeAppend(3, 1, 1, 0, {MakeEntry(2, 3, "new")}));
  server.Round();
  ASSERT_TRUE(server.last_write);
  EXPECT_EQ(server.last_write->truncate_from, Index(2));
  EXPECT_EQ(server.last_write->entries, std::vector<Entry>{MakeEntry(2, 3, "new")});
  server.MakeDurable();
  EXPECT_EQ(Only<AppendEntriesReply>(server.Round(), kSecond), Success(3, 2));
  EXPECT_EQ(server.disk().last_index(), Index(2));
}

// "only if it conflicts": a delayed message that is shorter must not cut what came after it.
TEST(Figure2AppendEntries, KeepsWhatFollowsEntriesThatMatch) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1), MakeEntry(2, 1)}));
  server.Receive(kSecond, MakeAppend(1, 2, 1, 0, {MakeEntry(3, 1)}));
  server.Settle();
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1)}));
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0));
  Messages messages = server.Settle();
  EXPECT_EQ(Only<AppendEntriesReply>(messages, kSecond), Success(1, 3));
  EXPECT_FALSE(server.last_write);
  EXPECT_EQ(server.raft().last_log_index(), Index(3));
}

// "4. Append any new entries not already in the log"
TEST(Figure2AppendEntries, AppendsOnlyWhatIsNew) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Receive(
      kSecond, MakeAppend(1, 0, 0, 0, {MakeEntry(1, 1), MakeEntry(2, 1), MakeEntry(3, 1, "new")}));
  server.Round();
  ASSERT_TRUE(server.last_write);
  EXPECT_FALSE(server.last_write->truncate_from);
  EXPECT_EQ(server.last_write->entries, std::vector<Entry>{MakeEntry(3, 1, "new")});
}

// "5. If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)"
TEST(Figure2AppendEntries, CommitIndexIsLeaderCommit) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeAppend(1, 3, 1, 2));
  EXPECT_EQ(server.raft().commit_index(), Index(2));
}

// The story: this log holds 2:1 and 3:1 that the leader of term 2 does not have. The leader's first
// probe matches at 1; it has committed 3 entries of its own. Entry 3 here is not the one that is
// committed.
TEST(Figure2AppendEntries, CommitIndexIsNotPastTheLastVerifiedEntry) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeAppend(2, 1, 1, 3));
  EXPECT_EQ(server.raft().commit_index(), Index(1));
  server.Receive(kSecond, MakeAppend(2, 1, 1, 3, {MakeEntry(2, 2)}));
  EXPECT_EQ(server.raft().commit_index(), Index(2));
}

// Section 5.3 and rule "committed entries are never deleted": an append that contradicts one is not
// a message of Raft. Somebody's disk was put back.
TEST(Figure2AppendEntries, NeverDeletesACommittedEntry) {
  for (const AppendEntries& append :
       {MakeAppend(3, 1, 1, 3, {MakeEntry(2, 2)}), MakeAppend(3, 2, 2, 3, {MakeEntry(3, 2)})}) {
    LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .last_applied = 2});
    server.Receive(kSecond, append);
    EXPECT_TRUE(Only<AppendEntriesReply>(server.Settle(), kSecond).diverged);
    EXPECT_EQ(server.divergences, (std::vector<Divergence>{{kSecond, Index(2)}}));
    EXPECT_TRUE(server.raft().has_diverged());
    EXPECT_EQ(server.raft().last_log_index(), Index(3));
  }
}

// An acknowledged match is the log up to what this message, or earlier ones of the term, have
// verified: what lies beyond may be another leader's.
TEST(Figure2AppendEntries, AcknowledgesNoMoreThanIsVerified) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1}});
  server.Receive(kSecond, MakeAppend(2, 2, 1, 0));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(2, 2));
}

// What was trimmed here is committed: it is compared where the entries lead to, at the base.
TEST(Figure2AppendEntries, WhatIsTrimmedHereMatches) {
  LoneServer server({.term = 2, .log_terms = {1, 1, 2, 2, 2}, .base = 4, .last_applied = 4});
  server.Receive(kSecond, MakeAppend(2, 1, 1, 4, {MakeEntry(2, 1), MakeEntry(3, 2)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(2, 3));
  server.Receive(
      kSecond,
      MakeAppend(2, 2, 1, 6, {MakeEntry(3, 2), MakeEntry(4, 2), MakeEntry(5, 2), MakeEntry(6, 2)}));
  EXPECT_EQ(Of<AppendEntriesReply>(server.Settle(), kSecond).back(), Success(2, 6));
  EXPECT_EQ(server.raft().commit_index(), Index(6));
}

TEST(Figure2AppendEntries, TheBaseItselfIsCompared) {
  LoneServer server({.term = 2, .log_terms = {1, 1, 2, 2, 2}, .base = 4, .last_applied = 4});
  server.Receive(kSecond, MakeAppend(2, 4, 2, 4, {MakeEntry(5, 2), MakeEntry(6, 2)}));
  EXPECT_EQ(Of<AppendEntriesReply>(server.Settle(), kSecond).back(), Success(2, 6));
}

// "Entries are contiguous and terms do not fall": what is not, is no message of Raft. It does not
// even count as hearing the leader.
TEST(Figure2AppendEntries, IgnoresWhatIsNotAPieceOfALog) {
  LoneServer server({.term = 2});
  server.Receive(kSecond, MakeAppend(2, 0, 0, 0, {MakeEntry(1, 1), MakeEntry(3, 1)}));
  server.Receive(kSecond, MakeAppend(2, 0, 0, 0, {MakeEntry(2, 1)}));
  server.Receive(kSecond, MakeAppend(2, 0, 0, 0, {MakeEntry(1, 2), MakeEntry(2, 1)}));
  server.Receive(kSecond, MakeAppend(2, 0, 0, 0, {MakeEntry(1, 3)}));
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().last_log_index(), Index(0));
  EXPECT_FALSE(server.raft().leader());
}

TEST(Figure2AppendEntries, IgnoresItself) {
  LoneServer server;
  server.Receive(kSelf, MakeAppend(7, 0, 0, 0, {MakeEntry(1, 1)}));
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_EQ(server.raft().current_term(), Term(0));
}

}  // namespace
}  // namespace quorate::consensus
