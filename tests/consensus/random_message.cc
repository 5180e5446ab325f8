#include "tests/consensus/random_message.h"

#include <cassert>
#include <utility>

namespace quorate::consensus {

std::string RandomMessages::Bytes(size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random_());
  }
  return bytes;
}

Message RandomMessages::Next(size_t entries_max, size_t payload_bytes_max) {
  return OfType(Below(std::variant_size_v<Message>), entries_max, payload_bytes_max);
}

Message RandomMessages::OfType(size_t alternative, size_t entries_max, size_t payload_bytes_max) {
  static_assert(std::variant_size_v<Message> == 15, "say below what a new message may hold");
  switch (alternative) {
    case 0:
      if (Coin()) {
        return RequestVote{SomeTerm(), Index(), Term(), Coin(), Coin()};
      }
      return RequestVote{SomeTerm(), Index(1 + (Number() >> 1)), SomeTerm(), Coin(), Coin()};
    case 1:
      if (Below(8) == 0) {
        return RequestVoteReply{Term(), false, true};
      }
      return RequestVoteReply{SomeTerm(), Coin(), Coin(), Number()};
    case 2:
      return Append(entries_max, payload_bytes_max);
    case 3:
      return AppendEntriesReply{SomeTerm(),      Coin(),         Index(Number()),
                                Index(Number()), Term(Number()), Coin()};
    case 4:
      return Heartbeat{SomeTerm(), Index(Number()), Number()};
    case 5:
      return HeartbeatReply{SomeTerm(), Number(), Coin(), Index(Number()), Number(), Number()};
    case 6:
      return ReadIndex{SomeTerm(), Number()};
    case 7:
      return ReadIndexReply{SomeTerm(), Number(), Index(Number())};
    case 8:
      return TimeoutNow{SomeTerm()};
    case 9:
      return TransferRequest{SomeTerm()};
    case 10: {
      const Term term = SomeTerm();
      return InstallSnapshot{term,
                             Number(),
                             Index(1 + (Number() >> 1)),
                             Term(1),
                             Number(),
                             Coin(),
                             Payload(Bytes(Below(payload_bytes_max + 1)))};
    }
    case 11:
      return InstallSnapshotReply{SomeTerm(), Number(), Number(), Coin(), Coin()};
    case 12:
      return ChangeRequest{SomeTerm(), Number(), Coin(), SomeChange()};
    case 13:
      return ChangeReply{
          SomeTerm(), Number(), Index(Number()),
          static_cast<ChangeRefusal>(Below(1 + static_cast<size_t>(kLastChangeRefusal))), Text()};
    default: {
      assert(alternative == 14);
      HealthReport report{SomeTerm(), {}};
      for (size_t count = Below(kConfigurationMembersMax + 1); count > 0; --count) {
        const auto health = static_cast<Health>(Below(1 + static_cast<size_t>(kLastHealth)));
        report.members.push_back({NodeId(Number()), health});
      }
      return report;
    }
  }
}

std::string RandomMessages::Text() { return Bytes(Coin() ? Below(kTextBytesMax + 1) : Below(20)); }

Change RandomMessages::SomeChange() {
  switch (Below(4)) {
    case 0:
      return AddLearner{Bytes(Below(kAddressBytesMax + 1))};
    case 1:
      return RemoveMember{NodeId(Number())};
    case 2:
      return NameFolder{NodeId(Number()), Number()};
    default:
      return UpdateAddress{NodeId(Number()), Bytes(Below(30))};
  }
}

AppendEntries RandomMessages::Append(size_t entries_max, size_t payload_bytes_max) {
  AppendEntries append;
  if (Coin()) {
    append.prev_log_index = Index(1 + (Number() >> 1));
    append.prev_log_term = Term(1 + (Number() >> 2));
  }
  append.prev_log_chain = Chain(Number());
  append.leader_commit = Index(Number());
  Term term = append.prev_log_term;
  const size_t count = Below(entries_max + 1);
  for (size_t position = 0; position < count; ++position) {
    if (term == Term() || Below(4) == 0) {
      term = term + (1 + Below(5));
    }
    Entry entry;
    entry.term = term;
    entry.index = append.prev_log_index + (position + 1);
    entry.kind = static_cast<EntryKind>(Below(1 + static_cast<size_t>(kLastEntryKind)));
    // Small ones, empty ones among them, and large ones.
    const size_t bytes_max = Coin() ? payload_bytes_max : payload_bytes_max / 100 + 1;
    entry.payload = Payload(Bytes(Below(bytes_max + 1)));
    append.entries.push_back(std::move(entry));
  }
  append.term = Term(term.value() + Below(3));
  if (append.term == Term()) {
    append.term = Term(1);
  }
  return append;
}

}  // namespace quorate::consensus
