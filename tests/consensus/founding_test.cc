// Whose log it is: the record by itself, and when a server knows it for certain.
#include "consensus/founding.h"

#include "gtest/gtest.h"
#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

Founding SomeFounding(uint64_t id) {
  Founding founding;
  founding.id = FoundingId(id);
  founding.hash_secret[0] = 7;
  founding.hash_secret[15] = 9;
  founding.databases = {0, 3, 1};
  return founding;
}

Entry FoundingEntryAt(uint64_t index, uint64_t term, uint64_t id) {
  return {Term(term), Index(index), EntryKind::kFounding, Payload(Encode(SomeFounding(id)))};
}

Given WithFounding(Given given = {}) {
  given.config.founding = Payload(Encode(SomeFounding(5)));
  return given;
}

// --- The record ---

TEST(Founding, GivesBackWhatWentIn) {
  EXPECT_EQ(DecodeFounding(Encode(SomeFounding(77))), SomeFounding(77));
}

TEST(Founding, IsNeverShortOrLongOrOfAnotherFormat) {
  const std::string bytes = Encode(SomeFounding(77));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeFounding(bytes.substr(0, size))) << size;
  }
  EXPECT_FALSE(DecodeFounding(bytes + "x"));
  std::string newer = bytes;
  ++newer[0];
  EXPECT_FALSE(DecodeFounding(newer));
}

TEST(Founding, IsDrawn) {
  const Founding one = DrawFounding();
  const Founding other = DrawFounding();
  EXPECT_NE(one.id, FoundingId());
  EXPECT_NE(one.id, other.id);
  EXPECT_NE(one.hash_secret, other.hash_secret);
}

TEST(Founding, OfAClusterThatGoesOnKeepsAllButTheId) {
  const Founding before = SomeFounding(77);
  Founding after = DrawFoundingAfter(before);
  EXPECT_NE(after.id, before.id);
  after.id = before.id;
  EXPECT_EQ(after, before);
}

// --- Who founds ---

TEST(FirstLeader, ProposesItsFoundingInsteadOfANoop) {
  LoneServer server(WithFounding({.fresh = true}));
  server.BecomeLeader();
  EXPECT_EQ(server.disk().last_index(), Index(1));
  EXPECT_EQ(server.disk().Read(Index(1), Index(1), 0).front().kind, EntryKind::kFounding);
  EXPECT_EQ(server.raft().founding(), FoundingId());
}

TEST(LaterLeader, ProposesANoop) {
  LoneServer server(WithFounding({.term = 1, .log_terms = {1}}));
  server.BecomeLeader();
  EXPECT_EQ(server.disk().Read(Index(2), Index(2), 0).front().kind, EntryKind::kNoop);
}

// --- When the first voters found ---

Given Waiting(Given given = {.fresh = true}) {
  given.config.founds_unasked = false;
  return given;
}

bool Stands(LoneServer& server) {
  server.Tick(100);
  return !Of<RequestVote>(server.Settle()).empty();
}

// The term that it asks pre-votes for, once it was asked to found.
uint64_t Attempt(LoneServer& server) {
  server.raft().BeginFounding();
  server.Tick();
  while (true) {
    const auto requests = Of<RequestVote>(server.Settle(), kSecond);
    if (!requests.empty()) {
      return requests.back().term.value();
    }
    server.Tick();
  }
}

// All folders emptied and the same servers started again would else be a new cluster.
TEST(FirstVoter, StandsWhenItIsAskedTo) {
  LoneServer server(Waiting());
  EXPECT_FALSE(Stands(server));
  EXPECT_TRUE(server.raft().waits_for_founding());
  EXPECT_EQ(Attempt(server), 1U);
}

// It is enough to ask one. The vote is the record of it.
TEST(FirstVoter, GoesOnByItselfOnceItHasVoted) {
  LoneServer server(Waiting());
  server.Receive(kSecond, AskPreVote(1, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), PreVote(1));
  EXPECT_TRUE(server.raft().waits_for_founding()) << "nobody has voted yet";
  server.Receive(kSecond, AskVote(1, 0, 0));
  EXPECT_EQ(Only<RequestVoteReply>(server.Settle(), kSecond), Vote(1));
  EXPECT_FALSE(server.raft().waits_for_founding());
  EXPECT_TRUE(Stands(server));
  server.Restart();
  EXPECT_FALSE(server.raft().waits_for_founding());
  EXPECT_TRUE(Stands(server));
}

TEST(FirstVoter, WritesNothingBeforeAllAgree) {
  LoneServer server(Waiting());
  const uint64_t term = Attempt(server);
  EXPECT_EQ(server.raft().founders_missing(), (std::vector{kSecond, kThird}));
  server.Receive(kThird, PreVote(term));
  server.Settle();
  EXPECT_EQ(server.raft().founders_missing(), std::vector{kSecond});
  EXPECT_FALSE(server.last_write);
  server.Restart();
  EXPECT_TRUE(server.raft().waits_for_founding());
  EXPECT_FALSE(Stands(server));
}

TEST(FirstVoter, GivesUpWithoutATrace) {
  LoneServer server(Waiting());
  const uint64_t term = Attempt(server);
  server.Receive(kThird, PreVote(term));
  server.raft().AbandonFounding();
  server.Receive(kSecond, PreVote(term));
  EXPECT_TRUE(server.Settle().empty());
  EXPECT_FALSE(Stands(server));
  EXPECT_EQ(server.raft().current_term(), Term());
  EXPECT_TRUE(server.raft().waits_for_founding());
  EXPECT_GT(Attempt(server), term) << "late grants must not count for another attempt";
}

TEST(FirstVoter, DoesNotGiveUpOnceItHasVoted) {
  LoneServer server(Waiting());
  const uint64_t term = Attempt(server);
  server.Receive(kSecond, PreVote(term));
  server.Receive(kThird, PreVote(term));
  server.Settle();
  EXPECT_EQ(server.raft().role(), Role::kCandidate);
  server.raft().AbandonFounding();
  EXPECT_TRUE(Stands(server));
  server.Restart();
  EXPECT_TRUE(Stands(server));
}

TEST(FirstVoter, WaitsForNobodyWhenItIsAlone) {
  LoneServer server(Waiting({.voters = 1, .fresh = true}));
  EXPECT_FALSE(server.raft().waits_for_founding());
  server.Tick();
  server.Settle();
  EXPECT_TRUE(server.raft().leader_is_established());
}

TEST(LaterVoter, StandsUnasked) {
  LoneServer server(Waiting({.term = 1, .log_terms = {1}, .fresh = true}));
  EXPECT_FALSE(server.raft().waits_for_founding());
  EXPECT_TRUE(Stands(server));
}

// An old disk of this cluster is back among empty ones.
TEST(FirstVoter, DoesNotFoundBesideData) {
  LoneServer server(Waiting());
  Attempt(server);
  server.Receive(kThird, AskPreVote(8, 5, 7));
  EXPECT_TRUE(server.raft().has_lost_its_data());
  EXPECT_FALSE(server.raft().waits_for_founding());
  server.raft().BeginFounding();
  EXPECT_FALSE(Stands(server));
  EXPECT_FALSE(server.last_write);
}

// --- When it counts ---

// Nobody's entry may be on a disk that does not know durably of which cluster it is: such a disk
// could be taken for one of a later life.
TEST(FirstLeader, ProposesNothingBeforeTheFoundingIsCommitted) {
  LoneServer server(WithFounding({.fresh = true}));
  server.BecomeLeader();
  EXPECT_TRUE(server.raft().founding_is_pending());
  EXPECT_FALSE(server.raft().Propose(Payload("x")));
  server.CommitAll();
  EXPECT_EQ(server.raft().founding(), FoundingId(5));
  EXPECT_EQ(server.disk().founding(), FoundingId(5));
  EXPECT_TRUE(server.raft().Propose(Payload("x")));
}

TEST(Follower, NotesTheFoundingWithTheFirstEntryBehindIt) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {FoundingEntryAt(1, 1, 8)}));
  server.Settle();
  EXPECT_EQ(server.raft().founding(), FoundingId());
  EXPECT_EQ(server.disk().founding(), FoundingId());
  server.Receive(kSecond, MakeAppend(1, 1, 1, 1, {MakeEntry(2, 1)}));
  server.Round();
  ASSERT_TRUE(server.last_write);
  EXPECT_EQ(server.last_write->entries.size(), 1U);
  EXPECT_EQ(server.last_write->founding, FoundingId(8));
  EXPECT_EQ(server.raft().founding(), FoundingId(8));
}

TEST(Follower, ForgetsAFoundingThatIsOverwritten) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {FoundingEntryAt(1, 1, 8)}));
  server.Receive(kThird, MakeAppend(2, 0, 0, 1, {FoundingEntryAt(1, 2, 9)}));
  server.Settle();
  EXPECT_EQ(server.raft().founding(), FoundingId(9));
}

TEST(Follower, ForgetsAFoundingThatAnEntryOfAnotherKindOverwrites) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {FoundingEntryAt(1, 1, 8)}));
  server.Receive(kThird, MakeAppend(2, 0, 0, 1, {MakeEntry(1, 2)}));
  server.Settle();
  EXPECT_EQ(server.raft().founding(), FoundingId());
  EXPECT_FALSE(server.raft().founding_is_pending());
}

TEST(Follower, TakesNoFoundingThatItCannotRead) {
  LoneServer server({.term = 1});
  Entry entry = FoundingEntryAt(1, 1, 8);
  entry.payload = Payload("?");
  server.Receive(kSecond, MakeAppend(1, 0, 0, 0, {entry}));
  server.Settle();
  EXPECT_EQ(server.raft().last_log_index(), Index(0));
}

// The commit index is not durable, and what was noted is.
TEST(Restart, FindsTheFoundingThatWasNoted) {
  LoneServer server(WithFounding({.fresh = true}));
  server.BecomeLeader();
  server.Restart();
  EXPECT_EQ(server.raft().founding(), FoundingId());
  EXPECT_TRUE(server.raft().founding_is_pending());
  server.BecomeLeader();
  server.CommitAll();
  server.Restart();
  EXPECT_EQ(server.raft().founding(), FoundingId(5));
  EXPECT_FALSE(server.raft().founding_is_pending());
}

// A survivor has founded a new cluster out of this one.
TEST(Follower, FollowsALaterFounding) {
  LoneServer server({.term = 1});
  server.Receive(kSecond, MakeAppend(1, 0, 0, 2, {FoundingEntryAt(1, 1, 8), MakeEntry(2, 1)}));
  server.Settle();
  server.Receive(kSecond, MakeAppend(1, 2, 1, 3, {FoundingEntryAt(3, 1, 10)}));
  server.Settle();
  EXPECT_EQ(server.raft().founding(), FoundingId(10));
  EXPECT_EQ(server.disk().founding(), FoundingId(10));
}

}  // namespace
}  // namespace quorate::consensus
