// Servers that start, crash, are away and get older copies of their folders, at random, and a model
// that knows which of them has lost something. No server that has lost nothing is ever convicted.
// One that lacks a start which another server has noted is convicted when it meets that server.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/random.h"
#include "consensus/start_ledger.h"
#include "gtest/gtest.h"
#include "tests/consensus/ledger_server.h"

namespace quorate::consensus {
namespace {

using Kind = Verdict::Kind;

// The starts that a folder has drawn, by count. A copy of a folder has those up to then.
using History = std::map<uint64_t, Start>;

bool Contains(const History& history, Start start) {
  const auto found = history.find(start.count);
  return start == Start() || (found != history.end() && found->second == start);
}

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {
    for (size_t i = 0; i < kServers; ++i) {
      AddServer();
    }
    configurations_.push_back(Configured());
  }

  void Run(size_t steps) {
    for (size_t step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      Step();
    }
  }

  // What was seen, so that the test can tell that it has tested something.
  size_t convicted = 0;
  size_t self_convicted = 0;
  size_t fine = 0;
  size_t out_of_list = 0;

 private:
  static constexpr size_t kServers = 4;

  struct Copy {
    LedgerServer::Folder folder;
    History history;
    size_t configuration;
  };

  struct Member {
    explicit Member(NodeId id) : server(id) {}

    LedgerServer server;
    uint64_t process = 0;  // counts its processes
    History history;       // of its folder: durable starts
    std::string writing;   // bytes of a write in progress
    Start writing_start;
    size_t configuration = 0;  // the newest one that it knows
    std::vector<Copy> copies;
    // Its folder was put back, and was not as the copy. It may forget that, the model does not.
    bool went_back = false;
    std::map<NodeId, Acknowledged> acknowledged;  // as a leader, in its present term
  };

  struct Connection {
    NodeId from;
    NodeId to;
    uint64_t from_process;
    uint64_t to_process;
    LedgerServer::Connection remembered;
    std::optional<Statement> statement;
    History history;  // the sender's when it made the statement
  };

  struct SentConfirmation {
    NodeId from;
    NodeId to;
    Start start;
  };

  uint64_t Below(uint64_t bound) { return random_.Below(bound); }
  bool OneIn(uint64_t times) { return Below(times) == 0; }

  // --- Members ---

  void AddServer() {
    const NodeId id(next_id_++);
    members_.emplace(id, id);
    members_.at(id).configuration = configurations_.empty() ? 0 : configurations_.size() - 1;
  }

  Configuration Configured() const {
    Configuration configuration;
    for (const auto& [id, member] : members_) {
      configuration.members.push_back({id, true, "", 0});
    }
    configuration.next_id = NodeId(next_id_);
    return configuration;
  }

  // A member that is convicted, or a healthy one, leaves for good. The others hear of it later.
  void Replace(NodeId id) {
    members_.erase(id);
    AddServer();
    configurations_.push_back(Configured());
  }

  Member& Any() {
    auto at = members_.begin();
    std::advance(at, static_cast<ptrdiff_t>(Below(members_.size())));
    return at->second;
  }

  Member* Find(NodeId id) {
    const auto found = members_.find(id);
    return found == members_.end() ? nullptr : &found->second;
  }

  void LearnConfiguration(Member& member) {
    member.configuration += Below(configurations_.size() - member.configuration);
    member.server.ledger().SetMembers(configurations_[member.configuration]);
  }

  // --- Processes and folders ---

  void StartProcess(Member& member) {
    ++member.process;
    member.acknowledged.clear();
    member.server.StartUndurable(random_.Next());
    // The state machine may be behind what it was.
    if (member.configuration > 0 && OneIn(2)) {
      --member.configuration;
    }
    member.server.ledger().SetMembers(configurations_[member.configuration]);
    ASSERT_TRUE(Contains(member.history, member.server.ledger().current()));
  }

  void StopProcess(Member& member) {
    if (!member.writing.empty() && OneIn(2)) {
      WriteIsDurable(member);
    }
    member.writing.clear();
    member.server.Stop();
  }

  void BeginWrite(Member& member) {
    if (member.server.ledger().writing() || !member.server.ledger().dirty()) {
      return;
    }
    member.writing = member.server.ledger().TakeBytes();
    // The newest start in these bytes.
    member.writing_start = StartLedger::Decode(member.server.id(), member.writing)
                               ->MakeChallenge(NodeId(999), 0)
                               .welcome.own;
  }

  // On disk. The process may not live to hear of it.
  void WriteIsDurable(Member& member) {
    member.server.folder.ledger = member.writing;
    member.history[member.writing_start.count] = member.writing_start;
  }

  void EndWrite(Member& member) {
    if (!member.server.ledger().writing()) {
      return;
    }
    if (OneIn(8)) {  // a full disk
      member.server.ledger().NotPersisted();
    } else {
      WriteIsDurable(member);
      member.server.ledger().Persisted();
    }
    member.writing.clear();
  }

  // Each of its starts is durable.
  void CrashLoop(Member& member) {
    for (size_t start = 0; start < kStartsMax + 10; ++start) {
      if (member.server.running()) {
        StopProcess(member);
      }
      StartProcess(member);
      BeginWrite(member);
      WriteIsDurable(member);
      member.server.ledger().Persisted();
      member.writing.clear();
    }
  }

  void TakeCopy(Member& member) {
    member.copies.push_back({member.server.folder, member.history, member.configuration});
  }

  // The copies may be of folders that were put back since, too.
  void PutBack(Member& member) {
    if (member.copies.empty()) {
      return;
    }
    if (member.server.running()) {
      StopProcess(member);
    }
    const Copy& copy = member.copies[Below(member.copies.size())];
    member.went_back = member.went_back || member.server.folder != copy.folder;
    member.server.folder = copy.folder;
    member.history = copy.history;
    member.configuration = copy.configuration;
  }

  // --- Terms, votes and logs ---

  void ChangeTerm(Member& member) {
    HardState& hard_state = member.server.folder.hard_state;
    if (OneIn(2)) {
      const auto term = std::max(hard_state.current_term, Term(Below(20)));
      hard_state = {term + 1, NodeId()};
      member.acknowledged.clear();
      // An entry that no majority has may be overwritten.
      member.server.folder.log_end = Index(Below(member.server.folder.log_end.value() + 1));
      member.server.ledger().Draw(random_.Next());
    } else if (hard_state.voted_for == NodeId()) {
      Member& candidate = Any();
      hard_state.voted_for = candidate.server.id();
      if (candidate.server.running() && candidate.server.id() != member.server.id()) {
        candidate.server.ledger().NoteVote(member.server.id(), hard_state.current_term,
                                           hard_state.voted_for);
      }
    }
  }

  // The follower gets an entry from the leader of its term, which hears of it.
  void Replicate(Member& leader, Member& follower) {
    const Term term = leader.server.folder.hard_state.current_term;
    if (follower.server.id() == leader.server.id() || !follower.server.running() ||
        term == Term() || follower.server.folder.hard_state.current_term != term ||
        leaders_.try_emplace(term, leader.server.id()).first->second != leader.server.id()) {
      return;
    }
    ++follower.server.folder.log_end;
    leader.acknowledged[follower.server.id()] = {term, follower.server.folder.log_end};
  }

  // --- Connections ---

  void Dial(Member& from, Member& to) {
    if (from.server.id() == to.server.id() || !to.server.running()) {
      return;
    }
    Connection connection{from.server.id(),
                          to.server.id(),
                          from.process,
                          to.process,
                          from.server.Dial(to.server, random_.Next()),
                          {},
                          {}};
    const auto acknowledged = to.acknowledged.find(from.server.id());
    if (acknowledged != to.acknowledged.end()) {
      connection.remembered.acknowledged = acknowledged->second;
    }
    connections_.push_back(std::move(connection));
  }

  // The sender reads the welcome and answers.
  void AnswerWelcome(Connection& connection) {
    Member* from = Find(connection.from);
    Member* to = Find(connection.to);
    if (from == nullptr || !from->server.running() || from->process != connection.from_process ||
        to == nullptr || from->server.ledger().current() == Start()) {
      return;
    }
    const Welcome& welcome = connection.remembered.challenge.welcome;
    const Verdict verdict = from->server.JudgeWelcome(to->server, connection.remembered);
    CheckVerdict(verdict, *from, *to);
    if (verdict.kind == Kind::kFine && welcome.keeps_note && KeepsNote(*from, *to)) {
      ASSERT_TRUE(Contains(from->history, welcome.noted) || OutOfList(*from, welcome.noted));
    }
    connection.statement = from->server.StatementFor(to->server, connection.remembered);
    connection.history = from->history;
    Sentence(verdict, *from, *to);
  }

  // The sender may have ended since.
  void DeliverStatement(const Connection& connection) {
    Member* from = Find(connection.from);
    Member* to = Find(connection.to);
    if (!connection.statement || from == nullptr || to == nullptr || !to->server.running() ||
        to->process != connection.to_process) {
      return;
    }
    const Statement& statement = *connection.statement;
    const Challenge& challenge = connection.remembered.challenge;
    const Verdict verdict = to->server.Judge(from->server, connection.remembered, statement);
    fine += verdict.kind == Kind::kFine ? 1 : 0;
    CheckVerdict(verdict, *to, *from);
    if (verdict.kind == Kind::kFine && KeepsNote(*to, *from) &&
        !Contains(connection.history, challenge.noted.start)) {
      ASSERT_LT(challenge.noted.start.count, statement.starts.front().count);
      // Two may be kept that are not durable yet. If a newer start was confirmed since, an earlier
      // list was too short.
      if (challenge.noted.start.count > statement.confirmed.count) {
        ASSERT_GE(statement.starts.size(), kStartsMax - 2);
      }
      ++out_of_list;
    }
    // One that lacks a confirmed note knows, unless it has noted a newer start since.
    const Welcome now = to->server.ledger().MakeChallenge(connection.from, 0).welcome;
    if (verdict.kind == Kind::kFine && now.keeps_note) {
      ASSERT_GE(now.noted.count, statement.confirmed.count);
      ASSERT_TRUE(now.noted.count > statement.confirmed.count || now.noted == statement.confirmed);
    }
    if (verdict.kind == Kind::kFine) {
      to->server.ledger().Accept(from->server.id(), statement);
    }
    Sentence(verdict, *to, *from);
  }

  // Whether the other was not removed, as far as this one knows.
  bool KeepsNote(const Member& member, const Member& other) {
    return member.server.ledger().MakeChallenge(other.server.id(), 0).welcome.keeps_note;
  }

  // A list that is full does not say what was before.
  bool OutOfList(const Member& member, Start start) {
    return member.server.ledger().current().count >= start.count + kStartsMax - 2;
  }

  void CheckVerdict(const Verdict& verdict, const Member& judge, const Member& other) {
    ASSERT_NE(verdict.kind, Kind::kRefused);
    ASSERT_EQ(verdict.kind == Kind::kFine, verdict.reason.empty());
    if (verdict.kind == Kind::kLost) {
      ASSERT_TRUE(other.went_back) << "node " << other.server.id().value() << ", judged by node "
                                   << judge.server.id().value() << ": " << verdict.reason;
    }
    if (verdict.kind == Kind::kSelfLost) {
      ASSERT_TRUE(judge.went_back) << "node " << judge.server.id().value() << ", told by node "
                                   << other.server.id().value() << ": " << verdict.reason;
    }
  }

  void Sentence(const Verdict& verdict, Member& judge, const Member& other) {
    if (verdict.kind == Kind::kLost) {
      convicted += judge.server.ledger().IsConvicted(other.server.id()) ? 0 : 1;
      judge.server.ledger().Convict(other.server.id(), verdict.reason);
    } else if (verdict.kind == Kind::kSelfLost) {
      self_convicted += judge.server.ledger().own_conviction().empty() ? 1 : 0;
      judge.server.ledger().ConvictSelf(verdict.reason);
    }
  }

  void DeliverConfirmation(const SentConfirmation& confirmation) {
    Member* from = Find(confirmation.from);
    Member* to = Find(confirmation.to);
    if (from == nullptr || to == nullptr || !to->server.running()) {
      return;
    }
    const Verdict verdict = to->server.ledger().OnConfirmed(confirmation.from, confirmation.start);
    CheckVerdict(verdict, *to, *from);
    Sentence(verdict, *to, *from);
  }

  // Mostly a new one.
  size_t PickConnection() {
    return OneIn(3) ? Below(connections_.size()) : connections_.size() - 1;
  }

  // --- Steps ---

  void Step() {
    Member& member = Any();
    switch (Below(20)) {
      case 0:
        if (member.server.running() && OneIn(3)) {
          StopProcess(member);
        }
        return;
      case 1:
        if (OneIn(4)) {
          TakeCopy(member);
        }
        return;
      case 2:
        if (OneIn(20)) {
          PutBack(member);
          if (OneIn(10)) {
            CrashLoop(member);
          }
        }
        return;
      case 3:
        if (OneIn(member.went_back ? 20 : 200)) {
          Replace(member.server.id());
        }
        return;
      case 4:
      case 5:
        if (!connections_.empty()) {
          AnswerWelcome(connections_[PickConnection()]);
        }
        return;
      case 6:
      case 7:
        if (!connections_.empty()) {
          const size_t at = PickConnection();
          DeliverStatement(connections_[at]);
          if (!OneIn(4)) {  // else: once more, later
            connections_.erase(connections_.begin() + static_cast<ptrdiff_t>(at));
          }
        }
        return;
      case 8:
        if (!confirmations_.empty()) {
          const size_t at = Below(confirmations_.size());
          DeliverConfirmation(confirmations_[at]);
          if (!OneIn(4)) {
            confirmations_.erase(confirmations_.begin() + static_cast<ptrdiff_t>(at));
          }
        }
        return;
      default:
        break;
    }
    if (!member.server.running()) {
      if (OneIn(3)) {
        StartProcess(member);
      }
      return;
    }
    switch (Below(8)) {
      case 0:
        member.server.ledger().Draw(random_.Next());
        if (OneIn(400)) {
          CrashLoop(member);
        }
        break;
      case 1:
      case 2:
        BeginWrite(member);
        break;
      case 3:
        EndWrite(member);
        break;
      case 4:
        Dial(member, Any());
        break;
      case 5:
        for (const auto& [id, other] : members_) {
          const auto start = member.server.ledger().TakeConfirmation(id);
          if (start && !OneIn(4)) {
            confirmations_.push_back({member.server.id(), id, *start});
          }
        }
        break;
      case 6:
        if (OneIn(3)) {
          ChangeTerm(member);
        } else {
          Replicate(member, Any());
        }
        break;
      default:
        LearnConfiguration(member);
        break;
    }
  }

  Random random_;
  uint64_t next_id_ = 1;
  std::map<NodeId, Member> members_;
  std::vector<Configuration> configurations_;  // all that were ever committed
  std::map<Term, NodeId> leaders_;
  std::vector<Connection> connections_;
  std::vector<SentConfirmation> confirmations_;
};

TEST(StartLedgerModel, ConvictsWhoeverLacksANotedStartAndNobodyElse) {
  size_t convicted = 0;
  size_t self_convicted = 0;
  size_t fine = 0;
  size_t out_of_list = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(seed);
    model.Run(4000);
    if (HasFatalFailure()) {
      return;
    }
    convicted += model.convicted;
    self_convicted += model.self_convicted;
    fine += model.fine;
    out_of_list += model.out_of_list;
  }
  EXPECT_GT(convicted, 300U);
  EXPECT_GT(self_convicted, 150U);
  EXPECT_GT(fine, 3000U);
  EXPECT_GT(out_of_list, 0U);
}

}  // namespace
}  // namespace quorate::consensus
