// How a leader brings its followers' logs in line, and how much it sends on the way.
#include <string>

#include "tests/consensus/lone_server.h"

namespace quorate::consensus {
namespace {

PeerStatus Second(LoneServer& server) {
  EXPECT_TRUE(server.raft().is_leader());
  return server.raft().is_leader() ? server.raft().peers().front() : PeerStatus();
}

// --- Probing ---

// Until it is known where the logs part, one append is on its way, however much is proposed.
TEST(Probe, OneAppendAtATime) {
  LoneServer server;
  server.BecomeLeader();
  for (int i = 0; i < 5; ++i) {
    server.Propose("x");
    EXPECT_TRUE(Of<AppendEntries>(server.Settle()).empty());
  }
  server.Acknowledge(kSecond, Index(1));
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).entries.size(), 5U);
}

// The append, or its answer, was lost: asked again after a heartbeat's time, and without entries,
// which may have arrived.
TEST(Probe, IsRepeatedBare) {
  LoneServer server;
  server.BecomeLeader();
  server.Tick(1);
  EXPECT_TRUE(Of<AppendEntries>(server.Round()).empty());
  server.Tick(1);
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond), server.WithChain(MakeAppend(1, 0, 0, 0)));
  EXPECT_TRUE(Of<AppendEntries>(server.Round()).empty());
  // Nothing had arrived: the answer matches up to 0, and the entry is sent again.
  server.Receive(kSecond, Success(1, 0));
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).entries.size(), 1U);
}

// It had arrived and only the disk was slow: it is not sent again.
TEST(Probe, WhatHasArrivedIsNotSentAgain) {
  LoneServer server;
  server.BecomeLeader();
  server.Propose("x");
  server.Tick(2);
  server.Settle();
  server.Receive(kSecond, AppendEntriesReply{Term(1), true, Index(0), Index(1), Term()});
  AppendEntries append = Only<AppendEntries>(server.Round(), kSecond);
  EXPECT_EQ(append.prev_log_index, Index(1));
  EXPECT_EQ(append.entries.size(), 1U);
  EXPECT_EQ(Second(server).match_index, Index(0));
}

// --- Fast back-tracking (end of section 5.3) ---

// The follower's log is short: one step, however long the gap.
TEST(BackTracking, ToTheEndOfAShortLog) {
  LoneServer server({.term = 1, .log_terms = std::vector<uint64_t>(1000, 1)});
  server.BecomeLeader();
  server.Receive(kSecond, Refusal(2, 1000, 3, 1));
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).prev_log_index, Index(3));
}

// Leader  1 1 1 4 4 4 5: the follower's 1 1 1 2 2 2 3 part at 3. A refusal at 7 says "mine is of
// term 3"; the leader's last entry of a term up to 3 is the third.
TEST(BackTracking, SkipsAWholeTermOfTheLeaders) {
  LoneServer server({.term = 5, .log_terms = {1, 1, 1, 4, 4, 4, 5}});
  server.BecomeLeader();
  server.Receive(kSecond, Refusal(6, 7, 7, 3));
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).prev_log_index, Index(3));
}

// The follower's side: asked at 6:4, its own entries there are of term 6 from the fourth on; none
// of them can match an entry of a term up to 4.
TEST(BackTracking, SkipsAWholeTermOfTheFollowers) {
  LoneServer server({.term = 7, .log_terms = {1, 1, 1, 6, 6, 6, 6}});
  server.Receive(kSecond, MakeAppend(7, 6, 4, 0));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Refusal(7, 6, 3, 1));
}

TEST(BackTracking, AFollowersHintStopsAtItsBase) {
  LoneServer server({.term = 7, .log_terms = {1, 1, 5, 6, 6}, .base = 3, .last_applied = 3});
  server.Receive(kSecond, MakeAppend(7, 4, 4, 0));
  EXPECT_EQ(Only<AppendEntriesReply>(server.Settle(), kSecond), Refusal(7, 4, 3, 5));
}

// A hint is a hint: what it claims never brings next_index down by less than one, or below match
// + 1.
TEST(BackTracking, AlwaysMakesProgress) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1, 1}});
  server.BecomeLeader();
  for (uint64_t prev = 5; prev > 0; --prev) {
    server.Receive(kSecond, Refusal(2, prev, 1000, 1000));
    EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).prev_log_index, Index(prev - 1));
  }
}

// --- Late and repeated answers ---

TEST(LateReplies, DoNotMoveTheProbe) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1, 1}});
  server.BecomeLeader();
  server.Receive(kSecond, Refusal(2, 5, 3, 1));
  server.Round();
  ASSERT_EQ(Second(server).next_index, Index(4));
  server.Receive(kSecond, Refusal(2, 5, 3, 1));  // the same again
  server.Receive(kSecond, Refusal(2, 4, 1, 1));  // of a probe that was never sent
  EXPECT_EQ(Second(server).next_index, Index(4));
  EXPECT_TRUE(server.Round().empty());
}

TEST(LateReplies, DoNotMoveNextBelowMatch) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1, 1}});
  server.BecomeLeader();
  server.Receive(kSecond, Success(2, 4));
  server.Receive(kSecond, Refusal(2, 4, 1, 1));
  server.Receive(kSecond, Refusal(2, 2, 0, 0));
  server.Receive(kSecond, Success(2, 1));
  EXPECT_EQ(Second(server).match_index, Index(4));
  EXPECT_EQ(Second(server).next_index, Index(5));
}

// A refusal that comes again, long after the gap was filled, does not interrupt the pipeline.
TEST(LateReplies, DoNotInterruptThePipeline) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1, 1}});
  server.BecomeLeader();
  server.Receive(kSecond, Success(2, 6));
  server.Receive(kSecond, Refusal(2, 6, 3, 1));
  for (uint64_t i = 0; i < 3; ++i) {
    server.Propose("x");
    EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).prev_log_index, Index(6 + i));
    server.Receive(kSecond, Refusal(2, 5, 3, 1));
  }
}

TEST(LateReplies, OfAnEarlierTermAreIgnored) {
  LoneServer server({.term = 3, .log_terms = {3, 3, 3}});
  server.BecomeLeader();
  server.Receive(kSecond, Success(3, 3));
  server.Receive(kSecond, Refusal(3, 3, 0, 0));
  EXPECT_EQ(Second(server).match_index, Index(0));
  EXPECT_EQ(Second(server).next_index, Index(4));
}

// A match past the leader's own log cannot be meant.
TEST(LateReplies, PastTheLogAreIgnored) {
  LoneServer server;
  server.BecomeLeader();
  server.Receive(kSecond, Success(1, 9));
  server.Receive(kThird, Success(1, 9));
  server.Round();
  EXPECT_EQ(Second(server).match_index, Index(0));
  EXPECT_EQ(server.raft().commit_index(), Index(0));
}

// The story: this server leads in term 1 and sends an append, which a follower of term 2 refuses.
// The refusal is slow. This server is elected in term 2, and only then does it arrive, with the
// term that this server leads in. It is no answer to what was sent in that term.
TEST(LateReplies, ARefusedTermIsNoAnswerInTheTermItNames) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1}, .base = 3, .last_applied = 3});
  server.BecomeLeader();
  server.Receive(kSecond, Refusal(2, 0, 0, 0));
  EXPECT_EQ(Second(server).next_index, Index(5));
  EXPECT_FALSE(Second(server).needs_snapshot);
}

// --- Pipelining ---

// A leader whose followers have all that it has: the no-op of term 1.
class Replicating : public LoneServer {
 public:
  explicit Replicating(const Config& config = Given::Defaults()) : LoneServer({.config = config}) {
    BecomeLeader();
    CommitAll();
  }
};

TEST(Pipeline, AppendsDoNotWaitForOneAnother) {
  Replicating server;
  for (uint64_t i = 0; i < 10; ++i) {
    server.Propose("x");
    EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).prev_log_index, Index(1 + i));
  }
}

TEST(Pipeline, ProposalsOfOneRoundTravelTogether) {
  Replicating server;
  server.Propose("a");
  server.Propose("b");
  server.Propose("c");
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond).entries.size(), 3U);
}

TEST(Pipeline, AnAppendIsBoundedButHoldsOneEntry) {
  Config config = Given::Defaults();
  config.append_bytes_max = 10;
  Replicating server(config);
  server.Propose("aaaa");
  server.Propose("bbbb");
  server.Propose("cccc");
  server.Propose("ddddddddddddddddd");
  server.Propose("e");
  std::vector<size_t> sizes;
  for (const AppendEntries& append : Of<AppendEntries>(server.Round(), kSecond)) {
    sizes.push_back(append.entries.size());
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{2, 1, 1, 1}));
}

TEST(Pipeline, TheWindowIsBoundedInMessages) {
  Config config = Given::Defaults();
  config.inflight_messages_max = 3;
  Replicating server(config);
  size_t sent = 0;
  for (int i = 0; i < 10; ++i) {
    server.Propose("x");
    sent += Of<AppendEntries>(server.Settle(), kSecond).size();
  }
  EXPECT_EQ(sent, 3U);
  server.Acknowledge(kSecond, Index(3));  // two of them
  sent = Of<AppendEntries>(server.Settle(), kSecond).size();
  EXPECT_EQ(sent, 1U);  // which holds all the rest
  EXPECT_EQ(Second(server).next_index, Index(12));
}

TEST(Pipeline, TheWindowIsBoundedInBytes) {
  Config config = Given::Defaults();
  config.inflight_bytes_max = 10;
  Replicating server(config);
  size_t entries = 0;
  for (int i = 0; i < 10; ++i) {
    server.Propose("aaaa");
    for (const AppendEntries& append : Of<AppendEntries>(server.Settle(), kSecond)) {
      entries += append.entries.size();
    }
  }
  EXPECT_EQ(entries, 3U);  // the window was not full before the third
  server.Acknowledge(kSecond, Index(4));
  EXPECT_EQ(Of<AppendEntries>(server.Settle(), kSecond).size(), 2U);
}

// A follower that does not acknowledge is sent one window, and no more after each suspicion of a
// loss.
TEST(Pipeline, AFollowerWithAStalledDiskIsSentOneWindow) {
  Config config = Given::Defaults();
  config.inflight_bytes_max = 10;
  Replicating server(config);
  size_t entries = 0;
  Index received = Index(1);
  for (int i = 0; i < 200; ++i) {
    if (i < 20) {
      server.Propose("aaaa");
    }
    server.Tick();
    for (const AppendEntries& append : Of<AppendEntries>(server.Settle(), kSecond)) {
      entries += append.entries.size();
      received = std::max(received, append.prev_log_index + append.entries.size());
      if (append.entries.empty()) {
        server.Receive(kSecond, AppendEntriesReply{Term(1), true, Index(1), received, Term()});
      }
    }
    server.Receive(kSecond, HeartbeatReply{Term(1), 0, false, received});
  }
  EXPECT_EQ(entries, 3U);
}

// --- Loss ---

// An append is lost and the next arrives: the follower refuses it, and is sent both again.
TEST(Loss, AGapIsFilledAtOnce) {
  Replicating server;
  server.Propose("lost");
  server.Round();
  server.Propose("arrives");
  server.Round();
  server.Receive(kSecond, Refusal(1, 2, 1, 1));
  AppendEntries append = Only<AppendEntries>(server.Round(), kSecond);
  EXPECT_EQ(append.prev_log_index, Index(1));
  EXPECT_EQ(append.entries.size(), 2U);
}

// The last append is lost and nothing follows it.
TEST(Loss, OfTheLastAppendIsNoticedAfterAnElectionTimeout) {
  Replicating server;
  server.Propose("lost");
  server.Settle();
  for (int i = 0; i < 9; ++i) {
    server.Tick();
    server.Receive(kSecond, HeartbeatReply{Term(1), 0, false, Index(1)});
    EXPECT_TRUE(Of<AppendEntries>(server.Settle(), kSecond).empty()) << i;
  }
  server.Tick();
  EXPECT_EQ(Only<AppendEntries>(server.Settle(), kSecond),
            server.WithChain(MakeAppend(1, 1, 1, 1)));
  server.Receive(kSecond, Success(1, 1));
  EXPECT_EQ(Only<AppendEntries>(server.Settle(), kSecond).entries.size(), 1U);
  server.Acknowledge(kSecond, Index(2));
  EXPECT_EQ(Second(server).match_index, Index(2));
}

// Received, then lost in a crash of the follower before it was durable.
TEST(Loss, OfWhatTheFollowerHadReceivedIsRepaired) {
  Replicating server;
  server.Propose("a");
  server.Propose("b");
  server.Settle();
  server.Tick(5);
  server.Receive(kThird, HeartbeatReply{Term(1), 0});
  server.Tick(5);
  server.Settle();
  server.Receive(kSecond, AppendEntriesReply{Term(1), true, Index(1), Index(3), Term()});
  EXPECT_EQ(Second(server).next_index, Index(4));
  server.Propose("c");
  EXPECT_EQ(Only<AppendEntries>(server.Settle(), kSecond).prev_log_index, Index(3));
  server.Receive(kSecond, Refusal(1, 3, 1, 1));
  EXPECT_EQ(Only<AppendEntries>(server.Settle(), kSecond).entries.size(), 3U);
}

TEST(Loss, AProcessThatEndedIsProbed) {
  Replicating server;
  server.Propose("x");
  server.Settle();
  server.raft().PeerGone(kSecond);
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond), server.WithChain(MakeAppend(1, 1, 1, 1)));
}

// After a restart it does not know that its log is the leader's, and answers no reads before.
TEST(Loss, AProcessThatHasEverythingIsProbedWhenItIsConnectedAnew) {
  Replicating server;
  server.CommitAll();
  ASSERT_TRUE(Of<AppendEntries>(server.Settle()).empty());
  server.raft().PeerGone(kSecond);
  const Index last = server.raft().last_log_index();
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond),
            server.WithChain(MakeAppend(1, last.value(), 1, last.value())));
  server.Acknowledge(kSecond, last);
  server.Tick(10);
  EXPECT_TRUE(Of<AppendEntries>(server.Settle(), kSecond).empty());
}

// The connection has not broken as far as the leader can see.
TEST(Loss, AProcessThatBeganAnewIsProbedForItsHeartbeatsReply) {
  Replicating server;
  server.CommitAll();
  const Index last = server.raft().last_log_index();
  server.Receive(kSecond, HeartbeatReply{.term = Term(1), .verified_index = last});
  EXPECT_TRUE(Of<AppendEntries>(server.Settle()).empty());
  server.Receive(kSecond, HeartbeatReply{.term = Term(1), .verified_index = last - 1});
  EXPECT_EQ(Only<AppendEntries>(server.Round(), kSecond),
            server.WithChain(MakeAppend(1, last.value(), 1, last.value())));
}

// --- Reading back ---

// Old entries come from the disk, one read of it a round, and new ones from memory.
TEST(OldEntries, ComeFromTheDiskOneReadARound) {
  Config config = Given::Defaults();
  config.append_bytes_max = 2;
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1, 1, 1}, .config = config});
  server.BecomeLeader();
  server.Receive(kSecond, Success(2, 0));
  size_t before = server.disk().reads();
  std::vector<size_t> sizes;
  for (int i = 0; i < 4; ++i) {
    std::vector<AppendEntries> appends = Of<AppendEntries>(server.Round(), kSecond);
    ASSERT_LE(appends.size(), 1U);
    sizes.push_back(appends.empty() ? 0 : appends.front().entries.size());
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{2, 2, 2, 1}));
  EXPECT_EQ(server.disk().reads() - before, 3U);  // the no-op was in memory
}

TEST(OldEntries, AReplayComesFromTheDisk) {
  LoneServer server({.voters = 1, .term = 1, .log_terms = {1, 1, 1}, .last_applied = 1});
  server.Tick();
  server.Settle();
  std::vector<Entry> entries = server.Apply();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0], MakeEntry(2, 1));
  EXPECT_EQ(entries[2].kind, EntryKind::kNoop);
  EXPECT_EQ(server.disk().reads(), 1U);
}

TEST(OldEntries, HandingOutIsBoundedButHoldsOneEntry) {
  LoneServer server({.voters = 1});
  server.Tick();
  server.Settle();
  server.Propose("aaaa");
  server.Propose("bbbb");
  server.Propose("cc");
  server.Settle();
  EXPECT_EQ(server.raft().NextCommitted(1).size(), 1U);  // the no-op
  EXPECT_EQ(server.raft().NextCommitted(1).size(), 1U);
  EXPECT_EQ(server.raft().NextCommitted(6).size(), 2U);
  EXPECT_TRUE(server.raft().NextCommitted(1).empty());
}

// --- Trimming ---

TEST(Trimming, MovesTheLogsBeginning) {
  Replicating server;
  server.Propose("x");
  server.Settle();
  server.CommitAll();
  server.Apply();
  server.disk().Trim(Index(2));
  server.raft().Compacted(Index(2));
  EXPECT_EQ(server.raft().first_log_index(), Index(3));
  Index index = server.Propose("y");
  EXPECT_EQ(Only<AppendEntries>(server.Settle(), kSecond).prev_log_term, Term(1));
  EXPECT_EQ(index, Index(3));
}

TEST(TrimmingDeathTest, NeverPassesWhatIsHandedOut) {
  Replicating server;
  EXPECT_DEATH(server.raft().Compacted(Index(1)), "handed_out");
}

// A follower that has lost its log needs what is trimmed everywhere. It is sent heartbeats and
// nothing else.
TEST(Trimming, AFollowerBehindTheBaseNeedsASnapshot) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1, 1}, .base = 3, .last_applied = 3});
  server.BecomeLeader();
  server.Receive(kSecond, Refusal(2, 4, 0, 0));
  EXPECT_TRUE(server.Round().empty());
  EXPECT_TRUE(Second(server).needs_snapshot);
  server.Tick(9);
  Messages messages = server.Round();
  EXPECT_EQ(Of<Heartbeat>(messages, kSecond).size(), 1U);
  EXPECT_TRUE(Of<AppendEntries>(messages, kSecond).empty());
  EXPECT_FALSE(Of<AppendEntries>(messages, kThird).empty());
}

// --- Heartbeats ---

// A heartbeat verifies nothing, so it never names more than the follower is known to have.
TEST(HeartbeatCommit, IsNotPastTheFollowersMatch) {
  LoneServer server;
  server.BecomeLeader();
  server.Acknowledge(kSecond, Index(1));
  server.Settle();
  ASSERT_EQ(server.raft().commit_index(), Index(1));
  server.Tick(2);
  Messages messages = server.Round();
  EXPECT_EQ(Only<Heartbeat>(messages, kSecond).leader_commit, Index(1));
  EXPECT_EQ(Only<Heartbeat>(messages, kThird).leader_commit, Index(0));
}

TEST(HeartbeatCommit, IsTakenOver) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, MakeAppend(1, 3, 1, 0));
  server.Receive(kSecond, Heartbeat{Term(1), Index(2), 0});
  EXPECT_EQ(server.raft().commit_index(), Index(2));
}

// The story: this server acknowledged the three entries and was started anew on another disk. Who
// leads counts on what it acknowledged, and knows nothing of the disk.
TEST(HeartbeatCommit, IsTakenOverForWhatHasBeenComparedAlone) {
  LoneServer server({.term = 1, .log_terms = {1, 1, 1}});
  server.Receive(kSecond, Heartbeat{Term(1), Index(3), 0});
  EXPECT_EQ(server.raft().commit_index(), Index(0));
  server.Receive(kSecond, MakeAppend(1, 2, 1, 0));
  server.Receive(kSecond, Heartbeat{Term(1), Index(3), 0});
  EXPECT_EQ(server.raft().commit_index(), Index(2));
}

}  // namespace
}  // namespace quorate::consensus
