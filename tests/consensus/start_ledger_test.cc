// The rules by which servers notice that a folder was put back, and everything that must not look
// like it.
#include "consensus/start_ledger.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/consensus/ledger_server.h"

namespace quorate::consensus {
namespace {

using Kind = Verdict::Kind;
using Starts = std::vector<Start>;

constexpr NodeId kFirst(1);
constexpr NodeId kSecond(2);
constexpr NodeId kThird(3);

bool Says(const Verdict& verdict, const std::string& text) {
  return verdict.reason.find(text) != std::string::npos;
}

uint64_t NewNumber() {
  static uint64_t number = 1000;
  return ++number;
}

Configuration Members(const std::vector<uint64_t>& ids, uint64_t next_id) {
  Configuration configuration;
  for (const uint64_t id : ids) {
    configuration.members.push_back({NodeId(id), true, "", 0});
  }
  configuration.next_id = NodeId(next_id);
  return configuration;
}

// Two members that know of each other and of a third one, which is away.
class StartLedgerTest : public testing::Test {
 protected:
  StartLedgerTest() {
    for (LedgerServer* server : {&one_, &other_}) {
      server->ledger().SetMembers(Members({1, 2, 3}, 4));
      server->Persist();
    }
  }

  // `from` dials `to`, and what it says is judged.
  static Verdict Meet(const LedgerServer& from, const LedgerServer& to) {
    const LedgerServer::Connection connection = from.Dial(to, NewNumber());
    return to.Judge(from, connection, from.StatementFor(to, connection));
  }
  static Verdict MeetWelcome(const LedgerServer& from, const LedgerServer& to) {
    return from.JudgeWelcome(to, from.Dial(to, NewNumber()));
  }
  // The same, and it is noted, in memory.
  static void Tell(const LedgerServer& from, LedgerServer& to) {
    const LedgerServer::Connection connection = from.Dial(to, NewNumber());
    const Statement statement = from.StatementFor(to, connection);
    const Verdict verdict = to.Judge(from, connection, statement);
    ASSERT_EQ(verdict.kind, Kind::kFine) << verdict.reason;
    to.ledger().Accept(from.id(), statement);
  }
  // And it becomes durable, and is confirmed.
  static void TellAndConfirm(LedgerServer& from, LedgerServer& to) {
    Tell(from, to);
    to.Persist();
    if (const auto start = to.ledger().TakeConfirmation(from.id())) {
      ASSERT_EQ(from.ledger().OnConfirmed(to.id(), *start).kind, Kind::kFine);
    }
    from.Persist();
  }
  // `server` runs on the folder from now on.
  static void PutBack(LedgerServer& server, const LedgerServer::Folder& folder) {
    server.Stop();
    server.folder = folder;
    server.Start(NewNumber());
  }

  LedgerServer one_{1, NewNumber()};
  LedgerServer other_{2, NewNumber()};
};

// --- Durability ---

TEST_F(StartLedgerTest, AStartCountsWhenItIsDurable) {
  LedgerServer server(kThird);
  server.StartUndurable(7);
  EXPECT_EQ(server.ledger().current(), Start());
  server.folder.ledger = server.ledger().TakeBytes();
  EXPECT_EQ(server.ledger().current(), Start());
  EXPECT_FALSE(server.ledger().dirty());
  server.ledger().Persisted();
  EXPECT_EQ(server.ledger().current(), (Start{1, 7}));
  EXPECT_FALSE(server.ledger().dirty());
  server.Start(8);
  EXPECT_EQ(server.ledger().current(), (Start{2, 8}));
}

TEST_F(StartLedgerTest, AStartThatWaitsToBeWrittenIsEnough) {
  one_.ledger().Draw(7);
  one_.ledger().Draw(8);
  one_.Persist();
  EXPECT_EQ(one_.ledger().current(), (Start{2, 7}));
}

// The write that fails may have reached the disk in part or as a whole. Nobody was told.
TEST_F(StartLedgerTest, AWriteThatFailedIsWrittenAgain) {
  one_.ledger().Draw(7);
  one_.ledger().TakeBytes();
  one_.ledger().Draw(8);
  one_.ledger().NotPersisted();
  EXPECT_TRUE(one_.ledger().dirty());
  EXPECT_EQ(one_.ledger().current().count, 1U);
  one_.Persist();
  EXPECT_EQ(one_.ledger().current(), (Start{2, 7}));
  Tell(one_, other_);
}

TEST_F(StartLedgerTest, AFullDiskMakesNoListOfStartsGrow) {
  for (size_t draw = 0; draw < 3 * kStartsMax; ++draw) {
    one_.ledger().Draw(NewNumber());
    one_.ledger().TakeBytes();
    one_.ledger().Draw(NewNumber());
    one_.ledger().NotPersisted();
  }
  one_.Persist();
  Tell(one_, other_);
  EXPECT_EQ(one_.ledger().current().count, 2U);
}

TEST_F(StartLedgerTest, TheWholeLedgerIsRecovered) {
  TellAndConfirm(one_, other_);
  TellAndConfirm(other_, one_);
  one_.ledger().NoteVote(kSecond, Term(5), kThird);
  one_.ledger().Convict(kThird, "away for good");
  one_.ledger().ConvictSelf("put back");
  one_.Persist();
  const auto recovered = StartLedger::Decode(kFirst, one_.folder.ledger);
  ASSERT_TRUE(recovered);
  EXPECT_FALSE(recovered->dirty());
  EXPECT_EQ(recovered->current(), one_.ledger().current());
  EXPECT_EQ(recovered->Expect(kSecond).noted, one_.ledger().Expect(kSecond).noted);
  EXPECT_EQ(recovered->Expect(kSecond).confirmed, one_.ledger().current());
  EXPECT_EQ(recovered->MakeChallenge(kSecond, 1).noted,
            (Note{other_.ledger().current(), Term(5), kThird}));
  EXPECT_EQ(recovered->MakeChallenge(kSecond, 1).welcome.noted, other_.ledger().current());
  EXPECT_EQ(recovered->convictions(),
            (std::vector{std::pair(kThird, std::string("away for good"))}));
  EXPECT_EQ(recovered->own_conviction(), "put back");
}

TEST_F(StartLedgerTest, DamageIsNoticed) {
  TellAndConfirm(one_, other_);
  const std::string bytes = other_.folder.ledger;
  ASSERT_TRUE(StartLedger::Decode(kSecond, bytes));
  EXPECT_FALSE(StartLedger::Decode(kFirst, bytes)) << "another server's";
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(StartLedger::Decode(kSecond, damaged)) << at;
    EXPECT_FALSE(StartLedger::Decode(kSecond, bytes.substr(0, at))) << at;
  }
  EXPECT_FALSE(StartLedger::Decode(kSecond, bytes + '\0'));
}

TEST_F(StartLedgerTest, TheLargestLedgerFitsIntoItsSpace) {
  Configuration members = Members({}, 32);
  for (uint64_t id = 1; id < 32; ++id) {
    members.members.push_back({NodeId(id), true, "", 0});
  }
  one_ = LedgerServer(1, NewNumber());
  for (uint64_t id = 100; id < 200; ++id) {
    one_.ledger().NoteVote(NodeId(id), Term(1), NodeId(id));
  }
  one_.ledger().SetMembers(members);
  for (uint64_t id = 2; id < 200; ++id) {
    one_.ledger().Convict(NodeId(id), std::string(1000, 'x'));
  }
  one_.ledger().ConvictSelf(std::string(1000, 'x'));
  for (size_t draw = 0; draw < 2 * kStartsMax; ++draw) {
    one_.DrawDurably(NewNumber());
  }
  EXPECT_LE(one_.folder.ledger.size(), kLedgerBytesMax);
  EXPECT_GT(one_.folder.ledger.size(), kLedgerBytesMax / 2);
  EXPECT_EQ(one_.ledger().convictions().size(), kPeersMax - 1);
  ASSERT_TRUE(StartLedger::Decode(kFirst, one_.folder.ledger));
}

// --- Who is convicted ---

TEST_F(StartLedgerTest, ACountBelowTheNotedOneConvicts) {
  const LedgerServer::Folder copy = one_.folder;
  one_.DrawDurably(NewNumber());
  one_.DrawDurably(NewNumber());
  Tell(one_, other_);
  PutBack(one_, copy);
  const Verdict verdict = Meet(one_, other_);
  EXPECT_EQ(verdict.kind, Kind::kLost);
  EXPECT_EQ(
      verdict.reason,
      "the data folder of node 1 was put back to an earlier state: it told of start 3 before, "
      "and its newest is start 2");
}

TEST_F(StartLedgerTest, TheSameCountWithAnotherRandomNumberConvicts) {
  const LedgerServer::Folder copy = one_.folder;
  one_.DrawDurably(NewNumber());
  Tell(one_, other_);
  PutBack(one_, copy);
  const Verdict verdict = Meet(one_, other_);
  EXPECT_EQ(verdict.kind, Kind::kLost);
  EXPECT_TRUE(Says(verdict, "it told of start 2 before, and now has another")) << verdict.reason;
}

// A longer life after the copy than before.
TEST_F(StartLedgerTest, AListThatLacksTheNotedStartConvicts) {
  const LedgerServer::Folder copy = one_.folder;
  one_.DrawDurably(NewNumber());
  Tell(one_, other_);
  PutBack(one_, copy);
  for (size_t draw = 0; draw < kStartsMax - 1; ++draw) {
    one_.DrawDurably(NewNumber());
  }
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kLost);
  // What the header says cannot be known: the place is out of the list.
  one_.DrawDurably(NewNumber());
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kFine);
}

// Two processes answer the same welcome's note. What the first one said was not noted when the
// welcome was made, but one folder does not draw two starts of one number.
TEST_F(StartLedgerTest, TwoStartsOfOneCountConvictWhicheverCameFirst) {
  Tell(one_, other_);
  LedgerServer copy(kFirst);
  copy.folder = one_.folder;
  copy.Start(NewNumber());
  one_.DrawDurably(NewNumber());
  const LedgerServer::Connection connection = copy.Dial(other_, NewNumber());
  Tell(one_, other_);
  EXPECT_EQ(other_.Judge(copy, connection, copy.StatementFor(other_, connection)).kind,
            Kind::kLost);
}

TEST_F(StartLedgerTest, ATermBelowTheNotedOneConvicts) {
  one_.folder.hard_state = {Term(7), NodeId()};
  Tell(one_, other_);
  one_.folder.hard_state = {Term(6), kFirst};
  const Verdict verdict = Meet(one_, other_);
  EXPECT_EQ(verdict.kind, Kind::kLost);
  EXPECT_TRUE(Says(verdict, "it is in term 6, but was in term 7 before")) << verdict.reason;
}

TEST_F(StartLedgerTest, AnotherVoteInTheNotedTermConvicts) {
  other_.ledger().NoteVote(kFirst, Term(7), kThird);
  one_.folder.hard_state = {Term(7), kThird};
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kFine);
  one_.folder.hard_state = {Term(7), kFirst};
  const Verdict verdict = Meet(one_, other_);
  EXPECT_EQ(verdict.kind, Kind::kLost);
  EXPECT_TRUE(
      Says(verdict, "in term 7 it has voted for node 3 and says that it has voted for node 1"))
      << verdict.reason;
}

TEST_F(StartLedgerTest, AVoteThatIsGoneConvicts) {
  other_.ledger().NoteVote(kFirst, Term(7), kThird);
  one_.folder.hard_state = {Term(7), NodeId()};
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kLost);
}

// The vote was noted after the challenge, so only another vote proves something.
TEST_F(StartLedgerTest, AVoteLearnedOfMeanwhileConvictsOnlyIfThereIsAnother) {
  const LedgerServer::Connection connection = one_.Dial(other_, NewNumber());
  other_.ledger().NoteVote(kFirst, Term(7), kThird);
  one_.folder.hard_state = {Term(7), NodeId()};
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kFine);
  one_.folder.hard_state = {Term(7), kFirst};
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kLost);
}

TEST_F(StartLedgerTest, AnAcknowledgementThatIsGoneConvicts) {
  LedgerServer::Connection connection = one_.Dial(other_, NewNumber());
  connection.acknowledged = {Term(4), Index(10)};
  one_.folder.hard_state = {Term(4), kSecond};
  one_.folder.log_end = Index(10);
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kFine);
  one_.folder.log_end = Index(9);
  const Verdict verdict = other_.Judge(one_, connection, one_.StatementFor(other_, connection));
  EXPECT_EQ(verdict.kind, Kind::kLost);
  EXPECT_TRUE(Says(verdict,
                   "its log ends at 9, but it has acknowledged entries up to "
                   "10 in term 4"))
      << verdict.reason;
  // It was in the leader's term when it acknowledged.
  one_.folder.hard_state = {Term(3), kSecond};
  one_.folder.log_end = Index(20);
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kLost);
}

TEST_F(StartLedgerTest, WhoAnswersIsJudgedByItsNewestStart) {
  const LedgerServer::Folder copy = one_.folder;
  one_.DrawDurably(NewNumber());
  Tell(one_, other_);
  EXPECT_EQ(MeetWelcome(other_, one_).kind, Kind::kFine);
  PutBack(one_, copy);
  EXPECT_EQ(MeetWelcome(other_, one_).kind, Kind::kLost);
}

TEST_F(StartLedgerTest, AConvictionIsForEverAndDurable) {
  Tell(one_, other_);
  one_.DrawDurably(NewNumber());
  other_.ledger().Convict(kFirst, "put back");
  other_.ledger().Convict(kFirst, "something else");
  other_.Persist();
  other_.Start(NewNumber());
  EXPECT_TRUE(other_.ledger().IsConvicted(kFirst));
  EXPECT_FALSE(other_.ledger().IsConvicted(kThird));
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kLost);
  EXPECT_EQ(Meet(one_, other_).reason, "put back");
  EXPECT_EQ(MeetWelcome(other_, one_).kind, Kind::kLost);
}

// So that those learn of it who have noticed nothing, also when the one that noticed has died.
TEST_F(StartLedgerTest, AConvictedServerSaysSo) {
  one_.ledger().ConvictSelf("put back");
  one_.ledger().ConvictSelf("something else");
  one_.Persist();
  one_.Start(NewNumber());
  EXPECT_EQ(one_.ledger().own_conviction(), "put back");
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kLost);
  EXPECT_EQ(MeetWelcome(other_, one_).kind, Kind::kLost);
  // And judges nobody.
  EXPECT_EQ(Meet(other_, one_).kind, Kind::kSelfLost);
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kSelfLost);
}

// --- Who finds that it was put back itself ---

TEST_F(StartLedgerTest, AConfirmationThatThisServerHasForgottenConvictsItself) {
  const LedgerServer::Folder copy = other_.folder;
  TellAndConfirm(one_, other_);
  PutBack(other_, copy);
  const Verdict verdict = Meet(one_, other_);
  EXPECT_EQ(verdict.kind, Kind::kSelfLost);
  EXPECT_TRUE(Says(verdict, "folder of node 2 was put back")) << verdict.reason;
  EXPECT_TRUE(Says(verdict, "confirmed start 1 to node 1, and has noted no start"))
      << verdict.reason;
  // The other side sees the same.
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kLost);
}

TEST_F(StartLedgerTest, AnotherStartThanTheConfirmedOneConvictsItself) {
  const LedgerServer::Folder copy = one_.folder;
  const LedgerServer::Folder others_copy = other_.folder;
  one_.DrawDurably(NewNumber());
  TellAndConfirm(one_, other_);
  const LedgerServer::Folder folder = one_.folder;
  // Both are put back, and the other one notes a start of the put back one.
  PutBack(one_, copy);
  PutBack(other_, others_copy);
  TellAndConfirm(one_, other_);
  // The one gets its own folder again.
  one_.Stop();
  one_.folder = folder;
  one_.Start(NewNumber());
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kSelfLost);
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kLost);
}

// What a server that was put back believes of others counts for nothing.
TEST_F(StartLedgerTest, OneThatWasPutBackAccusesNobody) {
  const LedgerServer::Folder copy = other_.folder;
  TellAndConfirm(one_, other_);
  PutBack(other_, copy);
  LedgerServer::Connection connection = one_.Dial(other_, NewNumber());
  connection.acknowledged = {Term(0), Index(10)};
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kSelfLost);
}

TEST_F(StartLedgerTest, ANoteOfAStartThatThisServerLacksConvictsItself) {
  const LedgerServer::Folder copy = one_.folder;
  one_.DrawDurably(NewNumber());
  const Start lost = one_.ledger().current();
  Tell(one_, other_);
  other_.Persist();
  one_.Stop();
  one_.folder = copy;
  one_.StartUndurable(NewNumber());
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kSelfLost);
  EXPECT_EQ(one_.ledger().OnConfirmed(kSecond, lost).kind, Kind::kSelfLost);
  one_.Persist();
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kSelfLost);
  EXPECT_EQ(one_.ledger().OnConfirmed(kSecond, lost).kind, Kind::kSelfLost);
  one_.DrawDurably(NewNumber());
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kSelfLost);
  const Verdict verdict = one_.ledger().OnConfirmed(kSecond, lost);
  EXPECT_EQ(verdict.kind, Kind::kSelfLost);
  EXPECT_EQ(
      verdict.reason,
      "the data folder of node 1 was put back to an earlier state: node 2 has confirmed start "
      "2, which it lacks");
}

// --- False alarms that there must not be ---

TEST_F(StartLedgerTest, RestartsWhileAMemberIsAwayConvictNobody) {
  LedgerServer away(3, NewNumber());
  away.ledger().SetMembers(Members({1, 2, 3}, 4));
  TellAndConfirm(one_, away);
  TellAndConfirm(one_, other_);
  for (size_t start = 0; start < 3 * kStartsMax; ++start) {
    one_.Start(NewNumber());
  }
  TellAndConfirm(one_, other_);
  EXPECT_LE(one_.folder.ledger.size(), kLedgerBytesMax);
  EXPECT_EQ(MeetWelcome(one_, away).kind, Kind::kFine);
  TellAndConfirm(one_, away);
  EXPECT_EQ(MeetWelcome(one_, away).kind, Kind::kFine);
}

TEST_F(StartLedgerTest, AShorterLogInALaterTermConvictsNobody) {
  LedgerServer::Connection connection = one_.Dial(other_, NewNumber());
  connection.acknowledged = {Term(4), Index(10)};
  one_.folder.hard_state = {Term(5), NodeId()};
  one_.folder.log_end = Index(2);
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kFine);
}

// A new leader has had no acknowledgement yet. Its follower may not have heard of its term.
TEST_F(StartLedgerTest, NoAcknowledgementProvesNothing) {
  LedgerServer::Connection connection = one_.Dial(other_, NewNumber());
  connection.acknowledged = {Term(4), Index(0)};
  one_.folder.hard_state = {Term(3), NodeId()};
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kFine);
}

// The process says what it has to say and ends, and the next one is heard first.
TEST_F(StartLedgerTest, ALateStatementOfAnAbandonedConnectionConvictsNobody) {
  Tell(one_, other_);
  one_.DrawDurably(NewNumber());
  one_.folder.hard_state = {Term(3), NodeId()};
  const LedgerServer::Connection connection = one_.Dial(other_, NewNumber());
  const Statement late = one_.StatementFor(other_, connection);
  one_.Start(NewNumber());
  one_.folder.hard_state = {Term(3), kThird};
  Tell(one_, other_);
  EXPECT_EQ(other_.Judge(one_, connection, late).kind, Kind::kFine);
  one_.folder.hard_state = {Term(4), kThird};
  Tell(one_, other_);
  EXPECT_EQ(other_.Judge(one_, connection, late).kind, Kind::kFine);
  // It brings nothing back either.
  const Note noted = other_.ledger().MakeChallenge(kFirst, 1).noted;
  other_.ledger().Accept(kFirst, late);
  EXPECT_EQ(other_.ledger().MakeChallenge(kFirst, 1).noted, noted);
  EXPECT_FALSE(other_.ledger().IsNewest(kFirst, late.starts.back()));
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kFine);
}

// The confirmation arrives by another connection, between Hello and Welcome.
TEST_F(StartLedgerTest, ALateWelcomeConvictsNobody) {
  const LedgerServer::Connection connection = one_.Dial(other_, NewNumber());
  TellAndConfirm(one_, other_);
  other_.DrawDurably(NewNumber());
  Tell(other_, one_);
  EXPECT_EQ(one_.JudgeWelcome(other_, connection).kind, Kind::kFine);
  // What it says after that is no accusation of the other side: that has the note by now.
  EXPECT_EQ(other_.Judge(one_, connection, one_.StatementFor(other_, connection)).kind,
            Kind::kFine);
}

TEST_F(StartLedgerTest, ANoteLostByACrashConvictsNobody) {
  TellAndConfirm(one_, other_);
  one_.DrawDurably(NewNumber());
  Tell(one_, other_);
  other_.Start(NewNumber());
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kFine);
  TellAndConfirm(one_, other_);
}

// A note counts, and is confirmed only if a write of it succeeds.
TEST_F(StartLedgerTest, NothingIsConfirmedOnAFullDisk) {
  Tell(one_, other_);
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), std::nullopt);
  other_.ledger().TakeBytes();
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), std::nullopt);
  other_.ledger().NotPersisted();
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), std::nullopt);
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kFine);
  other_.Start(NewNumber());
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kFine);
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kFine);
}

// The write in progress has the note before: that one is confirmed.
TEST_F(StartLedgerTest, OnlyWhatTheWriteContainedIsConfirmed) {
  Tell(one_, other_);
  const Start written = one_.ledger().current();
  other_.folder.ledger = other_.ledger().TakeBytes();
  one_.DrawDurably(NewNumber());
  Tell(one_, other_);
  other_.ledger().Persisted();
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), written);
  EXPECT_EQ(other_.ledger().MakeChallenge(kFirst, 1).welcome.noted, written);
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), std::nullopt);
  other_.Persist();
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), one_.ledger().current());
}

// Nothing of it was confirmed, so the member's folder may be another one.
TEST_F(StartLedgerTest, WhatWasForgottenConvictsNobody) {
  const LedgerServer::Folder empty;
  one_.DrawDurably(NewNumber());
  Tell(one_, other_);
  other_.Persist();
  other_.ledger().Forget(kFirst);
  EXPECT_TRUE(other_.ledger().dirty());
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), std::nullopt);
  PutBack(one_, empty);
  Tell(one_, other_);
  EXPECT_TRUE(other_.ledger().IsNewest(kFirst, one_.ledger().current()));
  other_.Persist();
  other_.Start(NewNumber());
  Tell(one_, other_);
}

TEST_F(StartLedgerTest, WhatIsForgottenDuringAWriteDoesNotComeBack) {
  Tell(one_, other_);
  other_.folder.ledger = other_.ledger().TakeBytes();
  other_.ledger().Forget(kFirst);
  other_.ledger().Persisted();
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), std::nullopt);
  EXPECT_EQ(other_.ledger().MakeChallenge(kFirst, 1).welcome.noted, Start());
}

TEST_F(StartLedgerTest, ThereIsNothingToForgetOfAStranger) {
  other_.ledger().Forget(kFirst);
  other_.ledger().Forget(NodeId(77));
  EXPECT_FALSE(other_.ledger().dirty());
}

TEST_F(StartLedgerTest, AConfirmationThatIsLostIsDueAgainAfterTheNextStatement) {
  Tell(one_, other_);
  other_.Persist();
  const auto due = other_.ledger().TakeConfirmation(kFirst);
  EXPECT_EQ(due, one_.ledger().current());
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kFine);
  Tell(one_, other_);
  EXPECT_EQ(other_.ledger().TakeConfirmation(kFirst), due);
}

TEST_F(StartLedgerTest, LateAndDuplicateConfirmationsConvictNobody) {
  one_.ledger().SetMembers(Members({1, 2}, 4));  // so that starts are pruned
  Tell(one_, other_);
  const Start first = one_.ledger().current();
  other_.Persist();
  one_.DrawDurably(NewNumber());
  TellAndConfirm(one_, other_);
  for (int time = 0; time < 2; ++time) {
    EXPECT_EQ(one_.ledger().OnConfirmed(kSecond, first).kind, Kind::kFine);
    EXPECT_EQ(one_.ledger().OnConfirmed(kSecond, one_.ledger().current()).kind, Kind::kFine);
    EXPECT_EQ(one_.ledger().Expect(kSecond).confirmed, one_.ledger().current());
    one_.Start(NewNumber());
  }
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kFine);
}

// The confirmation is forgotten by a crash of the server that it was sent to.
TEST_F(StartLedgerTest, AForgottenConfirmationConvictsNobody) {
  Tell(one_, other_);
  other_.Persist();
  one_.ledger().OnConfirmed(kSecond, one_.ledger().current());
  one_.Start(NewNumber());
  EXPECT_EQ(one_.ledger().Expect(kSecond).confirmed, Start());
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kFine);
  TellAndConfirm(one_, other_);
}

TEST_F(StartLedgerTest, AMemberThatNeverSpokeIsFine) {
  LedgerServer late(3, NewNumber());
  for (size_t start = 0; start < 2 * kStartsMax; ++start) {
    late.Start(NewNumber());
  }
  // It was away, or it joins: a high count at the first time is fine, too.
  EXPECT_EQ(MeetWelcome(one_, late).kind, Kind::kFine);
  EXPECT_EQ(MeetWelcome(late, one_).kind, Kind::kFine);
  TellAndConfirm(late, one_);
  TellAndConfirm(one_, late);
}

TEST_F(StartLedgerTest, AMemberThatJoinsIsNotedBeforeThisServerHearsOfIt) {
  LedgerServer joins(4, NewNumber());
  TellAndConfirm(joins, one_);
  EXPECT_EQ(joins.ledger().Expect(kFirst).confirmed, joins.ledger().current());
  one_.ledger().SetMembers(Members({1, 2, 3, 4}, 5));
  EXPECT_EQ(Meet(joins, one_).kind, Kind::kFine);
  EXPECT_EQ(MeetWelcome(joins, one_).kind, Kind::kFine);
}

// What was noted of a removed member is forgotten. Neither side makes anything of it.
TEST_F(StartLedgerTest, ARemovedMemberConvictsNobody) {
  TellAndConfirm(one_, other_);
  TellAndConfirm(other_, one_);
  other_.ledger().Convict(kThird, "put back");
  other_.ledger().SetMembers(Members({2}, 4));
  other_.Persist();
  EXPECT_TRUE(other_.ledger().convictions().empty());
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kFine);
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kFine);
  EXPECT_EQ(Meet(other_, one_).kind, Kind::kFine);
  EXPECT_EQ(MeetWelcome(other_, one_).kind, Kind::kFine);
  EXPECT_EQ(other_.ledger().OnConfirmed(kFirst, {1000, 1}).kind, Kind::kFine);
  other_.ledger().Convict(kFirst, "put back");
  EXPECT_FALSE(other_.ledger().IsConvicted(kFirst));
}

// After a restart the state machine may be at an earlier configuration again, for a moment.
TEST_F(StartLedgerTest, ARemovedMemberDoesNotComeBack) {
  TellAndConfirm(one_, other_);
  other_.ledger().SetMembers(Members({2, 3, 5}, 6));
  other_.Persist();
  other_.Start(NewNumber());
  other_.ledger().SetMembers(Members({1, 2, 3}, 4));
  EXPECT_FALSE(other_.ledger().MakeChallenge(kFirst, 1).welcome.keeps_note);
  EXPECT_TRUE(other_.ledger().MakeChallenge(NodeId(5), 1).welcome.keeps_note);
  EXPECT_EQ(Meet(one_, other_).kind, Kind::kFine);
  EXPECT_EQ(MeetWelcome(one_, other_).kind, Kind::kFine);
}

// --- Statements ---

TEST_F(StartLedgerTest, AStatementNamesTheStartsSinceTheConfirmedOne) {
  const Start first = one_.ledger().current();
  TellAndConfirm(one_, other_);
  const LedgerServer::Connection connection = one_.Dial(other_, 77);
  EXPECT_EQ(one_.StatementFor(other_, connection).starts, (Starts{first}));
  one_.DrawDurably(5);
  one_.ledger().Draw(6);  // not durable
  one_.folder.hard_state = {Term(4), kSecond};
  one_.folder.log_end = Index(9);
  const Statement statement = one_.StatementFor(other_, connection);
  EXPECT_EQ(statement, (Statement{77, first, {{2, 5}}, Term(4), kSecond, Index(9), false}));
  EXPECT_EQ(one_.StatementFor(LedgerServer(kThird), connection).starts, (Starts{first, {2, 5}}));
}

TEST_F(StartLedgerTest, WhatAllHaveConfirmedIsForgotten) {
  LedgerServer third(3, NewNumber());
  TellAndConfirm(one_, third);
  one_.DrawDurably(5);
  const size_t bytes = one_.folder.ledger.size();
  TellAndConfirm(one_, other_);
  EXPECT_EQ(one_.folder.ledger.size(), bytes - 8);
  // A member that is removed needs none any more.
  one_.DrawDurably(6);
  one_.DrawDurably(7);
  EXPECT_EQ(one_.folder.ledger.size(), bytes + 8);
  TellAndConfirm(one_, other_);
  one_.ledger().SetMembers(Members({1, 2}, 4));
  one_.Persist();
  const std::string shrunk = one_.folder.ledger;
  EXPECT_LT(shrunk.size(), bytes);
  one_.DrawDurably(8);
  TellAndConfirm(one_, other_);
  EXPECT_EQ(one_.folder.ledger.size(), shrunk.size());
}

TEST_F(StartLedgerTest, AServerAloneKeepsOneStart) {
  LedgerServer alone(1, NewNumber());
  alone.DrawDurably(NewNumber());
  const size_t bytes = alone.folder.ledger.size();
  for (int start = 0; start < 10; ++start) {
    alone.Start(NewNumber());
  }
  EXPECT_LE(alone.folder.ledger.size(), bytes);
}

TEST_F(StartLedgerTest, AStatementThatAnswersAnotherWelcomeIsRefused) {
  const LedgerServer::Connection connection = one_.Dial(other_, 77);
  Statement statement = one_.StatementFor(other_, connection);
  statement.nonce = 78;
  EXPECT_EQ(other_.Judge(one_, connection, statement).kind, Kind::kRefused);
}

TEST_F(StartLedgerTest, AStatementWithoutSenseIsRefused) {
  const LedgerServer::Connection connection = one_.Dial(other_, 77);
  const std::vector<Statement> statements = {
      {.nonce = 77},
      {.nonce = 77, .starts = {{0, 1}}},
      {.nonce = 77, .starts = {{1, 1}, {3, 1}}},
      {.nonce = 77, .starts = {{2, 1}, {1, 1}}},
      {.nonce = 77, .confirmed = {2, 1}, .starts = {{2, 1}, {3, 1}}},
      {.nonce = 77, .confirmed = {2, 1}, .starts = {{1, 1}}},
      {.nonce = 77, .confirmed = {2, 1}, .starts = {{2, 2}}},
      {.nonce = 77, .starts = {{UINT64_MAX, 1}, {0, 1}}},
  };
  for (const Statement& statement : statements) {
    EXPECT_FALSE(IsValid(statement));
    EXPECT_EQ(other_.Judge(one_, connection, statement).kind, Kind::kRefused);
  }
  Statement long_one;
  for (uint64_t count = 1; count <= kStartsMax; ++count) {
    long_one.starts.push_back({count, 1});
  }
  EXPECT_TRUE(IsValid(long_one));
  long_one.starts.push_back({kStartsMax + 1, 1});
  EXPECT_FALSE(IsValid(long_one));
}

// --- Fencing ---

TEST_F(StartLedgerTest, OnlyTheNewestStartOfAMemberCounts) {
  const Start first = one_.ledger().current();
  EXPECT_TRUE(other_.ledger().IsNewest(kFirst, first)) << "nothing is noted";
  Tell(one_, other_);
  EXPECT_TRUE(other_.ledger().IsNewest(kFirst, first)) << "in memory at once";
  one_.Start(NewNumber());
  EXPECT_FALSE(other_.ledger().IsNewest(kFirst, one_.ledger().current()));
  Tell(one_, other_);
  EXPECT_FALSE(other_.ledger().IsNewest(kFirst, first));
  EXPECT_TRUE(other_.ledger().IsNewest(kFirst, one_.ledger().current()));
  other_.Persist();
  other_.Start(NewNumber());
  EXPECT_FALSE(other_.ledger().IsNewest(kFirst, first));
}

}  // namespace
}  // namespace quorate::consensus
