// Logs with equal indexes and terms that are not equal: what an older copy of a disk, or the disk
// of an earlier life of the cluster, brings about. Nothing is taken, nothing is truncated, both
// servers say so, and the majority goes on.
#include <vector>

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

constexpr Chain kAnother{0xabad1dea};

AppendEntries MakeDivergedAppend(uint64_t term, uint64_t prev_index, uint64_t prev_term,
                                 std::vector<Entry> entries = {}) {
  AppendEntries append = MakeAppend(term, prev_index, prev_term, prev_index, std::move(entries));
  append.prev_log_chain = kAnother;
  return append;
}

AppendEntriesReply Diverged(uint64_t term, uint64_t index, uint64_t index_term) {
  return {Term(term), false, Index(index), Index(index), Term(index_term), true};
}

TEST(Chain, TellsEntriesApartByAllThatTheyAre) {
  const Entry entry = MakeEntry(5, 2, "payload");
  const Chain chain = ExtendChain(Chain(9), entry);
  EXPECT_EQ(ExtendChain(Chain(9), MakeEntry(5, 2, "payload")), chain);
  Entry noop = entry;
  noop.kind = EntryKind::kNoop;
  for (const Entry& other :
       {MakeEntry(6, 2, "payload"), MakeEntry(5, 3, "payload"), MakeEntry(5, 2, "Payload"), noop}) {
    EXPECT_NE(ExtendChain(Chain(9), other), chain);
  }
  EXPECT_NE(ExtendChain(Chain(8), entry), chain);
}

// Where two logs have become different, no equal entries make them equal again.
TEST(Chain, StaysDifferentUnderEqualEntries) {
  Chain one(1);
  Chain other(2);
  for (uint64_t index = 1; index <= 1000; ++index) {
    one = ExtendChain(one, MakeEntry(index, 1));
    other = ExtendChain(other, MakeEntry(index, 1));
    ASSERT_NE(one, other) << index;
  }
}

// The story: all disks were emptied, the same command line began a second cluster, and then this
// server's old disk came back.
TEST(DivergedFollower, TakesNothing) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeDivergedAppend(2, 3, 1, {MakeEntry(4, 2)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Diverged(2, 3, 1));
  EXPECT_EQ(server.raft().last_log_index(), Index(3));
  EXPECT_EQ(server.raft().commit_index(), Index(0));
  EXPECT_TRUE(server.raft().has_diverged());
  EXPECT_EQ(server.divergences, (std::vector<Divergence>{{kSecond, Index(3)}}));
}

// Other entries of equal terms behind a common beginning. To truncate them, as where terms are in
// conflict, might be to lose what was acknowledged.
TEST(DivergedFollower, TruncatesNothing) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeAppend(2, 1, 1, 1, {MakeEntry(2, 1, "other"), MakeEntry(3, 2)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Diverged(2, 2, 1));
  EXPECT_EQ(server.raft().last_log_index(), Index(3));
  EXPECT_EQ(server.disk().ChainAt(Index(3)),
            server.WithChain(MakeAppend(2, 3, 1, 3)).prev_log_chain);
}

// The comparison is at the last entry that both have: there, all that is before it counts.
TEST(DivergedFollower, NoticesWhatIsBeforeTheAppend) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeDivergedAppend(2, 1, 1, {MakeEntry(2, 1), MakeEntry(3, 1)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Diverged(2, 3, 1));
}

// What was trimmed here cannot be compared itself; the entries from there on lead to the base.
TEST(DivergedFollower, NoticesWhatIsBeforeItsBase) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .base = 3, .last_applied = 3});
  const std::vector<Entry> entries = {MakeEntry(2, 1), MakeEntry(3, 1), MakeEntry(4, 2)};
  server.Receive(kSecond, MakeDivergedAppend(2, 1, 1, entries));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Diverged(2, 3, 1));
  EXPECT_EQ(server.raft().last_log_index(), Index(3));
  server.Receive(kSecond, MakeAppend(2, 1, 1, 3, entries));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(2, 4));
}

// An append that ends before the base has nothing to compare, and brings nothing.
TEST(DivergedFollower, CannotTellBeforeItsBase) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}, .base = 3, .last_applied = 3});
  server.Receive(kSecond, MakeDivergedAppend(2, 1, 1, {MakeEntry(2, 1)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(2, 2));
  EXPECT_FALSE(server.raft().has_diverged());
}

TEST(DivergedFollower, IsNamedOnceForEachLeader) {
  LoneServer server({.term = 1, .log_terms = {1}});
  for (int i = 0; i < 3; ++i) {
    server.Receive(kSecond, MakeDivergedAppend(2, 1, 1));
    server.Settle();
  }
  server.Receive(kThird, MakeDivergedAppend(3, 1, 1));
  server.Settle();
  EXPECT_EQ(server.divergences, (std::vector<Divergence>{{kSecond, Index(1)}, {kThird, Index(1)}}));
}

// Its own entries may be the acknowledged ones: no snapshot takes their place.
TEST(DivergedFollower, InstallsNoSnapshot) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeDivergedAppend(2, 1, 1));
  server.Settle();
  server.Receive(kSecond, InstallSnapshot{Term(2), 1, Index(9), Term(2), 0, true, Payload("x")});
  server.Settle();
  EXPECT_TRUE(server.snapshot_messages.empty());
}

// A leader only appends. One that has another entry where its log was compared before is another
// process, with a copy of the leader's folder.
TEST(DivergedFollower, TruncatesNothingThatTheSameLeaderHadBefore) {
  for (const bool in_entries : {true, false}) {
    LoneServer server({.term = 1, .log_terms = {1}});
    server.Receive(kSecond, MakeAppend(3, 1, 1, 0, {MakeEntry(2, 2), MakeEntry(3, 2)}));
    EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Success(3, 3));
    server.Receive(kSecond, in_entries ? MakeAppend(3, 1, 1, 0, {MakeEntry(2, 3)})
                                       : MakeAppend(3, 2, 3, 0, {MakeEntry(3, 3)}));
    EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Diverged(3, 2, 2));
    EXPECT_EQ(server.raft().last_log_index(), Index(3));
    EXPECT_EQ(server.divergences, (std::vector<Divergence>{{kSecond, Index(2)}}));
  }
}

// A snapshot tells of one entry, too.
TEST(DivergedFollower, TellsByASnapshotToo) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.Receive(kSecond, MakeAppend(3, 2, 1, 2));
  server.Settle();
  server.Receive(kSecond, InstallSnapshot{Term(3), 1, Index(2), Term(2), 0, true, Payload("x")});
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Diverged(3, 2, 1));
  EXPECT_TRUE(server.snapshot_messages.empty());
  EXPECT_EQ(server.divergences, (std::vector<Divergence>{{kSecond, Index(2)}}));
}

// It may be the leader that is wrong, and this server one of the majority.
TEST(DivergedFollower, MayBecomeLeader) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeDivergedAppend(2, 1, 1));
  server.Settle();
  server.BecomeLeader();
  EXPECT_FALSE(server.raft().has_diverged());
}

TEST(DivergedFollower, FollowsALeaderWhoseLogIsItsOwn) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.Receive(kSecond, MakeDivergedAppend(2, 1, 1));
  server.Receive(kThird, MakeAppend(3, 1, 1, 1, {MakeEntry(2, 3)}));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kThird), Success(3, 2));
  EXPECT_FALSE(server.raft().has_diverged());
}

TEST(LeaderOfADivergedServer, SendsItNothingMore) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.BecomeLeader();
  server.Receive(kSecond, Diverged(2, 1, 1));
  server.Receive(kSecond, Diverged(2, 1, 1));
  server.Propose("x");
  EXPECT_TRUE(Of<AppendEntries>(server.Settle(), kSecond).empty());
  EXPECT_EQ(server.divergences, (std::vector<Divergence>{{kSecond, Index(1)}}));
  EXPECT_TRUE(server.raft().peers().front().diverged);
  // It goes on with the other.
  server.Acknowledge(kThird, Index(3));
  server.Settle();
  EXPECT_EQ(server.raft().commit_index(), Index(3));
}

// Somebody else has led in this term, as this server.
TEST(LeaderOfADivergedServer, IsToldByWhatTheServerAcknowledges) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.BecomeLeader();
  const Index last = server.raft().last_log_index();
  server.Receive(kSecond, Success(2, last.value()));
  server.Settle();
  EXPECT_TRUE(server.divergences.empty());
  server.Receive(kSecond, Success(2, last.value() + 1));
  server.Settle();
  EXPECT_EQ(server.divergences, (std::vector<Divergence>{{kSecond, last + 1}}));
  EXPECT_TRUE(server.raft().peers().front().diverged);
  EXPECT_EQ(server.raft().commit_index(), last);
}

// Its folder may have been replaced meanwhile.
TEST(LeaderOfADivergedServer, LooksAnewWhenItIsConnectedAnew) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.BecomeLeader();
  server.Receive(kSecond, Diverged(2, 1, 1));
  server.Settle();
  server.raft().PeerGone(kSecond);
  EXPECT_EQ(Of<AppendEntries>(server.Settle(), kSecond).size(), 1U);
}

TEST(LeaderOfADivergedServer, DoesNotOfferItForReads) {
  LoneServer server({.term = 1, .log_terms = {1}});
  server.BecomeLeader();
  server.CommitAll();
  server.Tick();
  ASSERT_EQ(server.raft().health(kSecond), Health::kOnline);
  server.Receive(kSecond, Diverged(2, 1, 1));
  server.Tick();
  EXPECT_EQ(server.raft().health(kSecond), Health::kFailed);
}

// The story: the server with the wrong disk is elected, its log being longer. The two others cannot
// take a thing from it; one of them has to lead, and could not while it stood again and again.
TEST(DesertedLeader, StepsDownAndDoesNotStandAgain) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.BecomeLeader();
  server.Receive(kSecond, Diverged(2, 1, 1));
  server.Tick();
  EXPECT_EQ(server.raft().role(), Role::kLeader);
  server.Receive(kThird, Diverged(2, 1, 1));
  server.Tick();
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_TRUE(server.raft().has_diverged());
  server.Tick(100);
  EXPECT_EQ(server.raft().role(), Role::kFollower);
  EXPECT_TRUE(Of<RequestVote>(server.Settle()).empty());
}

TEST(DesertedLeader, StandsAgainWhenItHasFollowed) {
  LoneServer server({.term = 1, .log_terms = {1, 1}});
  server.BecomeLeader();
  server.Receive(kSecond, Diverged(2, 1, 1));
  server.Receive(kThird, Diverged(2, 1, 1));
  server.Tick();
  server.Receive(kSecond, MakeAppend(3, 2, 1, 2, {MakeEntry(3, 3)}));
  server.Settle();
  EXPECT_FALSE(server.raft().has_diverged());
  server.BecomeLeader();
}

}  // namespace
}  // namespace quorate::consensus
