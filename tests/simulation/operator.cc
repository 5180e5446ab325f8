#include "tests/simulation/operator.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "consensus/start_ledger.h"
#include "resp/command_encoder.h"

namespace quorate::simulation {
namespace {

using consensus::Configuration;
using consensus::ConfigurationMember;
using consensus::NodeId;

constexpr const char* kNames[] = {"adds",  "removes",  "removes by force", "moves",
                                  "loses", "replaces", "puts back"};
// Longer than any message is under way.
constexpr Time kMessageAgeMax = 6 * kSecond;
constexpr Time kPatienceBeyondTimeout = 3 * kSecond;
// Between the first file of a folder that is copied and the last.
constexpr Time kTearMax = 3 * kSecond;
constexpr Time kCreationInterval = 300 * kMillisecond;
// MEET looks at the address, has it added, and waits for the node there: each for a timeout at
// most.
constexpr Time kTimeoutsMax = 3;

size_t Majority(size_t voters) { return voters / 2 + 1; }

bool IsAt(const ConfigurationMember& member, uint16_t port) {
  return member.address.find(fmt::format(":{}@", port)) != std::string::npos;
}

bool HasAddress(const Configuration& configuration, uint16_t port) {
  return std::any_of(configuration.members.begin(), configuration.members.end(),
                     [&](const ConfigurationMember& member) { return IsAt(member, port); });
}

}  // namespace

const char* NameOf(Plan plan) { return kNames[static_cast<size_t>(plan)]; }

struct Operator::Question {
  std::shared_ptr<Connection> connection = std::make_shared<Connection>();
  Server* server = nullptr;
  ReplyReader replies;
  Check check;
  uint64_t configurations_known = 0;  // the newest, committed when it was asked
  bool done = false;
};

Operator::Operator(ClientWorld world, RaftChecker& checker, Random random)

    : world_(world), checker_(checker), random_(random), mixups_(world.settings.seed ^ 0x6d6978) {}

void Operator::Start() {
  // A server alone is a cluster from its start.
  if (!world_.settings.node.raft.founds_unasked && world_.settings.node_count > 1) Create();
  if (world_.settings.membership.interval > 0) PlanStep();
}

// With CLUSTER CREATE at any of the first members, again and again until there is a cluster, and
// sometimes while an earlier one waits for its answer.
void Operator::Create() {
  world_.events.After(random_.Between(1, 2 * kCreationInterval), [this] {
    if (checker_.committed() > 0) return;
    if (!std::exchange(has_asked_to_create_, true)) {
      for (const auto& server : world_.servers) {
        if (server->up() && server->in_cluster() &&
            server->node().raft().current_term() != consensus::Term()) {
          world_.verdict.Fail("a first member has voted before anybody was asked for a cluster");
        }
      }
    }
    Ask(random_.Below(world_.settings.node_count), {"CLUSTER", "CREATE"},
        [this](const Configuration&) { return checker_.committed() > 0; });
    Create();
  });
}

void Operator::PlanStep() {
  world_.events.After(random_.Between(1, 2 * world_.settings.membership.interval), [this] {
    if (ended_) return;
    Step();
    PlanStep();
  });
}

// --- What to do ---

void Operator::Step() {
  if (!copied_ || random_.Chance(100)) CopySomeFolder();
  // A second change while the first is under way has to wait for it.
  if (under_way_ > 0 && !random_.Chance(200)) return;
  switch (Choose()) {
    case Plan::kAdd:
      Add();
      break;
    case Plan::kRemove:
      Remove(false);
      break;
    case Plan::kForceRemoval:
      Remove(true);
      break;
    case Plan::kMove:
      Move();
      break;
    case Plan::kLose:
      Lose();
      break;
    case Plan::kReplace:
      Replace();
      break;
    case Plan::kPutBack:
      PutBack();
      break;
  }
}

Plan Operator::Choose() {
  const Configuration configuration = Newest();
  const bool has_lost =
      std::any_of(configuration.members.begin(), configuration.members.end(),
                  [this](const ConfigurationMember& member) { return lost_.contains(member.id); });
  if (has_lost && random_.Chance(400)) return Plan::kReplace;
  if (random_.Chance(world_.settings.membership.loss_permille)) return Plan::kLose;
  if (copied_ && random_.Chance(300)) return Plan::kPutBack;
  if (random_.Chance(100)) return Plan::kMove;
  const size_t members = configuration.members.size();
  if (members == voters_wanted_) voters_wanted_ = 1 + random_.Below(5);
  if (members < voters_wanted_) return Plan::kAdd;
  if (members > voters_wanted_) return random_.Chance(200) ? Plan::kForceRemoval : Plan::kRemove;
  return random_.Chance(500) ? Plan::kAdd : Plan::kRemove;
}

bool Operator::Add() {
  // A removal that is not committed may be taken back.
  const Configuration configuration = checker_.configurations().rbegin()->second;
  std::vector<Server*> free;
  for (const auto& server : world_.servers) {
    if (!IsMember(*server, configuration) && !HasAddress(configuration, server->port())) {
      free.push_back(server.get());
    }
  }
  const std::optional<size_t> asked = AnyNode();
  if (free.empty() || !asked) return false;
  if (!FindOneAnother(Newest(), 1)) return false;
  Server& server = *random_.Pick(free);
  Note(Plan::kAdd, server, NodeId());
  if (server.in_cluster()) {
    if (server.up()) server.Crash();
    server.BeBlank();
  }
  if (!server.up()) {
    world_.events.After(random_.Chance(700) ? 0 : random_.Between(0, 2 * kSecond), [&server] {
      if (!server.up()) server.Start();
    });
  }
  Meet(*asked, server.port(), NodeId());
  return true;
}

bool Operator::Remove(bool force) {
  const Configuration configuration = Newest();
  const std::optional<size_t> asked = AnyNode();
  if (configuration.members.size() < 2 || !asked) return false;
  const NodeId target = random_.Pick(configuration.members).id;
  Configuration changed = configuration;
  std::erase_if(changed.members,
                [target](const ConfigurationMember& member) { return member.id == target; });
  if (!CanGoOn(changed, NodeId()) || !FindOneAnother(changed, 0)) return false;
  // The leader looks after the others.
  if (force && !CanGoOnWhatever(changed, NodeId())) return false;
  Note(force ? Plan::kForceRemoval : Plan::kRemove, *world_.servers[*asked], target);
  std::vector<std::string> words = {"CLUSTER", "FORGET",
                                    world_.servers[*asked]->node().RedisNodeId(target.value())};
  if (force) words.emplace_back("FORCE");
  Ask(*asked, std::move(words),
      [target](const Configuration& now) { return consensus::FindMember(now, target) == nullptr; });
  return true;
}

// One that has moved looks for those that it knows, and they tell the others where it is. So it
// must not be a majority with those that it does not know.
bool Operator::FindOneAnother(const Configuration& configuration, size_t added) const {
  return std::ranges::all_of(configuration.members, [&](const ConfigurationMember& member) {
    const Server* machine = FindMachine(world_.servers, member.id);
    if (machine == nullptr || IsAt(member, machine->port())) return true;
    const Configuration known = machine->newest_configuration();
    const auto unknown =
        std::ranges::count_if(configuration.members, [&known](const ConfigurationMember& other) {
          return consensus::FindMember(known, other.id) == nullptr;
        });
    return added + static_cast<size_t>(unknown) + 1 <
           Majority(configuration.members.size() + added);
  });
}

// Of a member that the others do not yet find where it is.
bool Operator::MoveIsUnderWay(const Configuration& configuration) const {
  return std::ranges::any_of(configuration.members, [this](const ConfigurationMember& member) {
    const Server* machine = FindMachine(world_.servers, member.id);
    return machine != nullptr && !IsAt(member, machine->port());
  });
}

bool Operator::Move() {
  const Configuration configuration = Newest();
  Server* server = FindMachine(world_.servers, random_.Pick(configuration.members).id);
  // It will have to find the others, where they are now: they do not know where it is.
  if (server == nullptr || server->newest_configuration() != configuration) return false;
  if (MoveIsUnderWay(configuration)) return false;
  Note(Plan::kMove, *server, server->id());
  if (server->up()) server->Crash();
  // Where another has just moved may not have been on its disk.
  if (server->newest_configuration() == configuration) {
    server->MoveTo(PortOf(server->place(), random_.Below(5)));
  }
  server->Start();
  return true;
}

bool Operator::Lose() {
  const NodeId target = random_.Pick(Newest().members).id;
  Server* const server = BeginLoss(Plan::kLose, target);
  if (server == nullptr) return false;
  server->LoseFolder();
  return true;
}

bool Operator::PutBack() {
  const NodeId target = copied_->copy.identity.node_id;
  if (!CopyShows(target)) return false;
  Server* const server = BeginLoss(Plan::kPutBack, target);
  if (server == nullptr) return false;
  server->PutBack(std::exchange(copied_, std::nullopt)->copy);
  return true;
}

// The member's machine, which does not run; it is started soon. Null: the cluster could not do
// without the member.
Server* Operator::BeginLoss(Plan plan, NodeId target) {
  Server* server = FindMachine(world_.servers, target);
  if (server == nullptr || checker_.committed() == 0) return nullptr;
  for (const Configuration& in_force : InForceAnywhere()) {
    if (!CanGoOnWhatever(in_force, target)) return nullptr;
  }
  Note(plan, *server, target);
  lost_.insert(target);
  if (server->up()) server->Crash();
  checker_.Lost(server->place());
  world_.events.After(random_.Between(0, kSecond), [server] {
    if (!server->up()) server->Start();
  });
  return server;
}

void Operator::CopySomeFolder() {
  Server* server = FindMachine(world_.servers, random_.Pick(Newest().members).id);
  if (server == nullptr) return;
  copied_ = Copied{++copies_, server->place(), VoterCount(server->durable_configuration()),
                   server->CopyFolder()};
  if (world_.settings.mixups.torn_copies && mixups_.Chance(500)) TearCopy();
}

void Operator::TearCopy() {
  const bool log_is_older = mixups_.Chance(500);
  const auto take_rest = [this, log_is_older, number = copied_->number] {
    if (!copied_ || copied_->number != number) return;
    const Server& server = *world_.servers[copied_->place];
    Server::Copy& copy = copied_->copy;
    Server::Copy rest = server.CopyFolder();
    const bool is_same_folder = !server.lost_its_folder() && rest.identity == copy.identity;
    if (log_is_older) {
      copy.state = std::move(rest.state);
    } else {
      copy.log = std::move(rest.log);
    }
    copied_->voters = std::min(copied_->voters, VoterCount(server.durable_configuration()));
    // A start refuses what does not fit together.
    if (!is_same_folder || !copy.log.Fits(copy.state.meta)) copied_.reset();
  };
  world_.events.After(mixups_.Between(1, kTearMax), take_rest);
}

// What nobody knows, nobody can notice, and a member that was alone then asks nobody: see
// docs/operations.md.
bool Operator::CopyShows(NodeId member) const {
  const Server* machine = FindMachine(world_.servers, member);
  if (machine == nullptr || copied_->place != machine->place() || copied_->voters < 2) return false;
  const auto ledger_of = [](NodeId id, const std::string& bytes) {
    return consensus::StartLedger::Decode(id, bytes).value_or(consensus::StartLedger(id));
  };
  const uint64_t drawn = ledger_of(member, copied_->copy.log.ledger).current().count;
  const std::vector<Configuration> in_force = InForceAnywhere();
  return std::ranges::all_of(world_.servers, [&](const auto& other) {
    const bool may_meet = std::ranges::any_of(in_force, [&](const Configuration& configuration) {
      return IsMember(*other, configuration);
    });
    if (other->id() == member || !may_meet) return true;
    return ledger_of(other->id(), other->log().ledger())
               .MakeChallenge(member, 0)
               .welcome.noted.count > drawn;
  });
}

bool Operator::Replace() {
  const Configuration configuration = Newest();
  std::vector<ConfigurationMember> lost;
  std::copy_if(configuration.members.begin(), configuration.members.end(), std::back_inserter(lost),
               [this](const ConfigurationMember& member) { return lost_.contains(member.id); });
  const std::optional<size_t> asked = AnyNode();
  if (lost.empty() || !asked || !FindOneAnother(configuration, 1)) return false;
  const ConfigurationMember& member = random_.Pick(lost);
  for (const auto& server : world_.servers) {
    if (!IsAt(member, server->port())) continue;
    // Before it has noticed that it was put back, it is a member like any other.
    const bool was_put_back =
        server->lost_its_folder() && server->log().last_index() > consensus::Index();
    const bool knows = server->up() && server->node().raft().has_lost_its_data();
    if (was_put_back && !knows) return false;
    Note(Plan::kReplace, *server, member.id);
    Meet(*asked, server->port(), member.id);
    return true;
  }
  return false;
}

// --- What there is ---

void Operator::Note(Plan plan, const Server& server, NodeId member) {
  world_.trace.Add(Happening::kPlan, static_cast<uint64_t>(plan), server.place() + 1,
                   member.value());
}

Server* Operator::Leader() const {
  for (const auto& server : world_.servers) {
    if (server->in_cluster() && server->up() && server->node().raft().leader_is_established()) {
      return server.get();
    }
  }
  return nullptr;
}

std::optional<size_t> Operator::AnyNode() {
  if (const Server* leader = Leader(); leader != nullptr && random_.Chance(300)) {
    return leader->place();
  }
  std::vector<size_t> places;
  for (const auto& server : world_.servers) {
    if (server->in_cluster() && server->up()) places.push_back(server->place());
  }
  return places.empty() ? std::nullopt : std::optional(random_.Pick(places));
}

Configuration Operator::Newest() const {
  const Server* leader = Leader();
  return leader != nullptr ? leader->node().raft().configuration()
                           : checker_.configurations().rbegin()->second;
}

std::vector<Configuration> Operator::InForceAnywhere() const {
  std::vector<Configuration> all = {checker_.configurations().rbegin()->second};
  for (const auto& server : world_.servers) {
    if (!server->in_cluster()) continue;
    Configuration configuration = server->newest_configuration();
    if (!configuration.members.empty()) all.push_back(std::move(configuration));
  }
  return all;
}

bool Operator::IsMember(const Server& server, const Configuration& configuration) const {
  return server.in_cluster() && (consensus::FindMember(configuration, server.id()) != nullptr ||
                                 server.id() >= configuration.next_id);
}

bool Operator::IsQuiet() const {
  return under_way_ == 0 &&
         world_.events.now() - asked_at_ >
             kMessageAgeMax + kTimeoutsMax * world_.settings.node.request_timeout_ms * kMillisecond;
}

bool Operator::CanGoOnWhatever(const Configuration& configuration, NodeId without) const {
  if (!CanGoOn(configuration, without)) return false;
  if (IsQuiet()) return true;
  // A removal may be on its way.
  return std::ranges::all_of(configuration.members, [&](const ConfigurationMember& member) {
    Configuration changed = configuration;
    std::erase_if(changed.members,
                  [&](const ConfigurationMember& other) { return other.id == member.id; });
    return CanGoOn(changed, without);
  });
}

bool Operator::CanGoOn(const Configuration& configuration, NodeId without) const {
  size_t voters = 0;
  size_t whole = 0;
  bool learner_may_be_lost = false;
  for (const ConfigurationMember& member : configuration.members) {
    const bool is_whole = member.id != without && FindMachine(world_.servers, member.id) != nullptr;
    if (member.voter) {
      ++voters;
      whole += is_whole ? 1 : 0;
    } else {
      learner_may_be_lost |= !is_whole;
    }
  }
  // One that has just lost its folder may still be taken for one that keeps up.
  return whole >= Majority(voters + (learner_may_be_lost ? 1 : 0));
}

// --- Asking ---

void Operator::Meet(size_t place, uint16_t port, NodeId replaced) {
  Ask(place, {"CLUSTER", "MEET", "sim", std::to_string(port), std::to_string(port + 10000)},
      [port, replaced](const Configuration& now) {
        return HasAddress(now, port) && consensus::FindMember(now, replaced) == nullptr;
      });
}

void Operator::Ask(size_t place, std::vector<std::string> words, Check check) {
  auto question = std::make_shared<Question>();
  question->server = world_.servers[place].get();
  question->check = std::move(check);
  question->configurations_known = checker_.configurations().rbegin()->first;
  question->connection->id = ++connections_ << 8 | 255;
  question->connection->on_closed = [this, question = std::weak_ptr(question)] {
    if (const auto open = question.lock()) Done(open, false);
  };
  question->connection->on_bytes = [this,
                                    question = std::weak_ptr(question)](const std::string& bytes) {
    const auto open = question.lock();
    if (!open || open->done) return;
    open->replies.Feed(bytes);
    OnReply(open);
  };
  const std::vector<std::string_view> views(words.begin(), words.end());
  std::string bytes;
  resp::AppendCommand(views, &bytes);
  ++under_way_;
  asked_at_ = world_.events.now();
  world_.events.After(world_.network.Latency(), [this, question, bytes = std::move(bytes)] {
    if (!question->server->Accept(question->connection)) {
      Done(question, false);
      return;
    }
    question->server->ReceiveFromClient(question->connection, bytes);
  });
  const Time patience = kTimeoutsMax * world_.settings.node.request_timeout_ms * kMillisecond +
                        kPatienceBeyondTimeout;
  world_.events.After(patience, [this, question] { Done(question, false); });
}

void Operator::OnReply(const std::shared_ptr<Question>& question) {
  const std::optional<Reply> reply = question->replies.Next();
  if (!reply) return;
  const bool ok = reply->type == Reply::Type::kSimple && reply->text == "OK";
  if (ok && !WasMade(*question)) {
    world_.verdict.Fail("a change of the members was answered with OK, and is not made");
  }
  if (!ok && reply->type != Reply::Type::kError) {
    world_.verdict.Fail("a change of the members was answered with " + reply->text);
  }
  Done(question, ok);
}

// Committed now, or at some time since it was asked for. What is so already is answered by what the
// node that was asked has applied.
bool Operator::WasMade(const Question& question) const {
  const auto& configurations = checker_.configurations();
  const auto known = configurations.find(question.configurations_known);
  const bool made = std::any_of(known, configurations.end(),
                                [&](const auto& entry) { return question.check(entry.second); });
  return made || !question.server->up() ||
         question.check(
             *consensus::DecodeConfiguration(question.server->node().keys().configuration()));
}

void Operator::Done(const std::shared_ptr<Question>& question, bool ok) {
  if (std::exchange(question->done, true)) return;
  --under_way_;
  world_.trace.Add(Happening::kChange, question->server->place() + 1, ok ? 1 : 0);
  Connection& connection = *question->connection;
  if (connection.session == nullptr || connection.client_closed) return;
  connection.client_closed = true;
  world_.events.After(world_.network.Latency(),
                      [server = question->server, connection = question->connection] {
                        server->ClientClosed(connection);
                      });
}

}  // namespace quorate::simulation
