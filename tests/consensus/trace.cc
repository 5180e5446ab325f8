#include "tests/consensus/trace.h"

#include <ostream>
#include <sstream>
#include <variant>

namespace quorate::consensus {

namespace {

std::string At(Index index, Term term) {
  return std::to_string(index.value()) + ":" + std::to_string(term.value());
}

class Writer {
 public:
  explicit Writer(std::ostream& out) : out_(out) {}

  void operator()(const RequestVote& m) const {
    out_ << "RequestVote term=" << m.term.value()
         << " last=" << At(m.last_log_index, m.last_log_term) << (m.pre_vote ? " pre_vote" : "")
         << (m.leadership_transfer ? " transfer" : "");
  }
  void operator()(const RequestVoteReply& m) const {
    out_ << "RequestVoteReply term=" << m.term.value() << (m.pre_vote ? " pre_vote" : "")
         << (m.vote_granted ? " granted" : " refused");
  }
  void operator()(const AppendEntries& m) const {
    out_ << "AppendEntries term=" << m.term.value()
         << " prev=" << At(m.prev_log_index, m.prev_log_term)
         << " commit=" << m.leader_commit.value() << " entries=" << Describe(m.entries);
  }
  void operator()(const AppendEntriesReply& m) const {
    out_ << "AppendEntriesReply term=" << m.term.value();
    if (m.success) {
      out_ << " match=" << m.index.value() << " received=" << m.hint_index.value();
    } else {
      out_ << " refused=" << m.index.value() << " hint=" << At(m.hint_index, m.hint_term);
    }
  }
  void operator()(const Heartbeat& m) const {
    out_ << "Heartbeat term=" << m.term.value() << " commit=" << m.leader_commit.value()
         << " round=" << m.read_round;
  }
  void operator()(const HeartbeatReply& m) const {
    out_ << "HeartbeatReply term=" << m.term.value() << " round=" << m.read_round
         << (m.unfit ? " unfit" : "") << " verified=" << m.verified_index.value();
  }
  void operator()(const ReadIndex& m) const {
    out_ << "ReadIndex term=" << m.term.value() << " request=" << Short(m.request);
  }
  void operator()(const ReadIndexReply& m) const {
    out_ << "ReadIndexReply term=" << m.term.value() << " request=" << Short(m.request)
         << " read_index=" << m.read_index.value();
  }
  void operator()(const TimeoutNow& m) const { out_ << "TimeoutNow term=" << m.term.value(); }
  void operator()(const TransferRequest& m) const {
    out_ << "TransferRequest term=" << m.term.value();
  }
  void operator()(const InstallSnapshot& m) const {
    out_ << "InstallSnapshot term=" << m.term.value() << " transfer=" << m.transfer
         << " last=" << At(m.last_included_index, m.last_included_term) << " chunk=" << m.chunk
         << (m.done ? " done" : "");
  }
  void operator()(const InstallSnapshotReply& m) const {
    out_ << "InstallSnapshotReply term=" << m.term.value() << " transfer=" << m.transfer
         << " next_chunk=" << m.next_chunk << (m.installed ? " installed" : "")
         << (m.failed ? " failed" : "");
  }
  void operator()(const ChangeRequest& m) const {
    out_ << "ChangeRequest term=" << m.term.value() << " request=" << Short(m.request) << " "
         << Describe(m.change) << (m.force ? " force" : "");
  }
  void operator()(const ChangeReply& m) const {
    out_ << "ChangeReply term=" << m.term.value() << " request=" << Short(m.request)
         << " index=" << m.index.value() << (m.error.empty() ? "" : ": ") << m.error;
  }
  void operator()(const HealthReport& m) const {
    out_ << "HealthReport term=" << m.term.value();
    for (const MemberHealth& member : m.members) {
      out_ << " " << member.id.value() << "=" << static_cast<int>(member.health);
    }
  }

 private:
  // Requests are counted from a random number: its last digits are enough to tell them apart.
  static uint64_t Short(uint64_t request) { return request % 1000; }

  std::ostream& out_;
};

}  // namespace

// Learners in parentheses, and the addresses of those that joined: "{1 2 (3 d)}".
std::string Describe(const Configuration& configuration) {
  std::string text = "{";
  for (const ConfigurationMember& member : configuration.members) {
    std::string name = std::to_string(member.id.value());
    name += (member.address.empty() ? "" : " ") + member.address;
    text += (text.size() > 1 ? ", " : "") + (member.voter ? name : "(" + name + ")");
  }
  return text + "}";
}

std::string Describe(const Change& change) {
  if (const auto* add = std::get_if<AddLearner>(&change)) {
    return "add " + add->address;
  }
  if (const auto* remove = std::get_if<RemoveMember>(&change)) {
    return "remove " + std::to_string(remove->id.value());
  }
  if (const auto* name = std::get_if<NameFolder>(&change)) {
    return "folder of " + std::to_string(name->id.value()) + " is " + std::to_string(name->folder);
  }
  const auto& update = std::get<UpdateAddress>(change);
  return "move " + std::to_string(update.id.value()) + " to " + update.address;
}

std::string Describe(const Message& message) {
  std::ostringstream out;
  std::visit(Writer(out), message);
  return out.str();
}

std::string NameOf(const Message& message) {
  std::string text = Describe(message);
  return text.substr(0, text.find(' '));
}

std::string Describe(const Entry& entry) {
  std::string text = At(entry.index, entry.term) + " ";
  if (entry.kind == EntryKind::kNoop) {
    return text + "noop";
  }
  if (entry.kind == EntryKind::kConfiguration) {
    std::optional<Configuration> configuration = DecodeConfiguration(entry.payload.bytes());
    return text + (configuration ? Describe(*configuration) : "no configuration");
  }
  return text + std::string(entry.payload.bytes().substr(0, 20));
}

std::string Describe(const std::vector<Entry>& entries) {
  std::string text = "[";
  for (const Entry& entry : entries) {
    text += (text.size() > 1 ? ", " : "") + Describe(entry);
  }
  return text + "]";
}

std::string Describe(const Persist& persist) {
  std::ostringstream out;
  out << "#" << persist.seq.value();
  if (persist.hard_state) {
    out << " term=" << persist.hard_state->current_term.value()
        << " vote=" << persist.hard_state->voted_for.value();
  }
  if (persist.truncate_from) {
    out << " truncate_from=" << persist.truncate_from->value();
  }
  if (persist.ledger) {
    out << " ledger=" << *persist.ledger;
  }
  if (!persist.entries.empty()) {
    out << " entries=" << Describe(persist.entries);
  }
  return out.str();
}

std::string Describe(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "";
}

void PrintTo(const Envelope& envelope, std::ostream* out) {
  *out << "to " << envelope.to.value() << ": " << Describe(envelope.message);
}
void PrintTo(const Entry& entry, std::ostream* out) { *out << Describe(entry); }
void PrintTo(const HardState& hard_state, std::ostream* out) {
  *out << "term=" << hard_state.current_term.value() << " vote=" << hard_state.voted_for.value();
}
void PrintTo(const RequestVote& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const RequestVoteReply& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const AppendEntries& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const AppendEntriesReply& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const Heartbeat& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const HeartbeatReply& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const ReadIndex& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const ReadIndexReply& message, std::ostream* out) { *out << Describe(message); }
void PrintTo(const ReadState& read, std::ostream* out) {
  *out << "read " << read.token.value() << " at " << read.index.value();
}
void PrintTo(Role role, std::ostream* out) { *out << Describe(role); }

}  // namespace quorate::consensus
