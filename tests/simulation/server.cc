#include "tests/simulation/server.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include "src/config.h"
#include "src/dispatcher.h"
#include "src/instance.h"
#include "src/membership.h"
#include "src/statistics.h"

namespace quorate::simulation {
namespace {

constexpr int64_t kUnixStartUs = 1'700'000'000'000'000;

class SimClock : public Clock {
 public:
  SimClock(const EventQueue& events, int64_t drift_permille, const int64_t& unix_offset_us)
      : events_(events), drift_permille_(drift_permille), unix_offset_us_(unix_offset_us) {}
  int64_t monotonic_ns() const override { return events_.now() * (1000 + drift_permille_); }
  int64_t unix_us() const override {
    return kUnixStartUs + monotonic_ns() / 1000 + unix_offset_us_;
  }

 private:
  const EventQueue& events_;
  const int64_t drift_permille_;
  const int64_t& unix_offset_us_;
};

// The log disk, watched.
class WatchedLog : public storage::LogWriter {
 public:
  WatchedLog(size_t place, LogDisk& disk, RaftChecker& checker, Trace& trace)
      : place_(place), disk_(disk), checker_(checker), trace_(trace) {}

  void Submit(consensus::Persist persist) override {
    checker_.Submitted(place_, persist);
    if (persist.truncate_from) {
      trace_.Add(Happening::kTruncate, place_ + 1, persist.truncate_from->value());
    }
    trace_.Add(Happening::kSubmit, place_ + 1, persist.seq.value(), persist.entries.size(),
               persist.entries.empty() ? 0 : persist.entries.back().index.value(),
               persist.hard_state ? persist.hard_state->current_term.value() : 0);
    disk_.Submit(std::move(persist));
  }
  void Trim(consensus::Index index) override { disk_.Trim(index); }
  consensus::PersistSeq durable() const override { return disk_.durable(); }
  consensus::Index trimmed() const override { return disk_.trimmed(); }
  size_t log_bytes() const override { return disk_.log_bytes(); }
  consensus::Index StartOfTail(size_t payload_bytes_max) const override {
    return disk_.StartOfTail(payload_bytes_max);
  }

 private:
  const size_t place_;
  LogDisk& disk_;
  RaftChecker& checker_;
  Trace& trace_;
};

// The node's mouth, watched.
class WatchedNetwork : public Network {
 public:
  WatchedNetwork(size_t place, SimNetwork& network, RaftChecker& checker)
      : place_(place), network_(network), checker_(checker) {}
  void set_node(const Node* node) { node_ = node; }

  void SetPeers(const std::vector<Member>&) override {}  // all can be reached
  void Send(consensus::NodeId to, consensus::Message message) override {
    checker_.Sent(place_, node_->raft(), to, message);
    network_.Send(consensus::NodeId(place_ + 1), to, message);
  }

 private:
  const size_t place_;
  SimNetwork& network_;
  RaftChecker& checker_;
  const Node* node_ = nullptr;
};

NodeOptions OptionsOf(const Settings& settings, size_t place, uint64_t seed) {
  NodeOptions options = settings.node;
  options.self = settings.members[place];
  options.raft.id = consensus::NodeId(place + 1);
  options.raft.seed = seed;
  return options;
}

}  // namespace

// One life. The members are built in this order.
struct Server::Process {
  Process(Server& server, uint64_t seed, const consensus::Recovered& recovered)
      : clock(server.surroundings_.events, server.clock_drift_permille_, server.unix_offset_us_),
        sessions(&limits),
        log(server.place_, server.log_, *server.checker_, server.surroundings_.trace),
        network(server.place_, server.surroundings_.network, *server.checker_),
        node(OptionsOf(server.surroundings_.settings, server.place_, seed), recovered,
             {server.log_, log, server.state_, server.state_, server.snapshots_, network, clock,
              statistics, sessions}),
        backups(node, sessions, statistics, clock, [] { return Backups::Task(); }),
        instance{config, node, sessions, statistics, clock, backups},
        dispatcher(instance) {
    network.set_node(&node);
  }

  Config config;
  Statistics statistics;
  resp::Limits limits;
  SimClock clock;
  Sessions sessions;
  WatchedLog log;
  WatchedNetwork network;
  Node node;
  Backups backups;
  Instance instance;
  Dispatcher dispatcher;

  std::map<uint64_t, std::shared_ptr<Connection>> connections;  // by session
  std::set<uint64_t> paused;                                    // sessions not read from

  // Last traced.
  consensus::Role role = consensus::Role::kFollower;
  consensus::Term term;
  std::optional<consensus::NodeId> leader;
  consensus::Index commit_index;
};

Server::Server(size_t place, const Surroundings& surroundings, const DiskSettings& disks,
               Random random)
    : place_(place),
      surroundings_(surroundings),
      random_(random),
      log_(id(), surroundings.events, surroundings.trace, random_.Fork(), disks),
      state_(id(), surroundings.events, surroundings.trace, random_.Fork(), disks),
      snapshots_(state_, surroundings.events, random_.Fork()),
      heard_at_(surroundings.settings.node_count, 0),
      round_delay_max_(surroundings.settings.round_max) {
  const int64_t drift = surroundings.settings.clock_drift_permille;
  clock_drift_permille_ = random_.Between(-drift, drift);
  StateDisk::Image first;
  first.meta.configuration = consensus::Encode(InitialConfiguration(surroundings.settings.members));
  state_.Replace(std::move(first));
}

Server::~Server() = default;

const Node& Server::node() const {
  assert(up());
  return process_->node;
}

bool Server::healthy() const {
  return up() && !paused() && log_.healthy() && !state_.stalled() &&
         round_delay_max_ == surroundings_.settings.round_max;
}

Time Server::heard_majority_at() const {
  // Elected in the round that is under way: it has just heard the last of the votes.
  const consensus::Raft& raft = process_->node.raft();
  if (process_->role != raft.role() || process_->term != raft.current_term()) {
    return surroundings_.events.now();
  }
  std::vector<Time> others = heard_at_;
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(place_));
  const auto needed = others.begin() + static_cast<std::ptrdiff_t>(heard_at_.size() / 2 - 1);
  std::nth_element(others.begin(), needed, others.end(), std::greater<>());
  return std::max(*needed, leads_since_);
}

// --- Its life ---

void Server::Start() {
  assert(!up());
  assert(checker_ != nullptr);
  ++life_;
  const consensus::Recovered recovered = Recover();
  surroundings_.trace.Add(Happening::kStart, id().value(),
                          recovered.hard_state.current_term.value(), recovered.last_index.value(),
                          recovered.last_applied.value());
  checker_->Started(place_, recovered);
  process_ = std::make_unique<Process>(*this, random_.Next(), recovered);
  const int64_t drift = surroundings_.settings.tick_drift_permille;
  tick_ = surroundings_.settings.tick * (1000 + random_.Between(-drift, drift)) / 1000;
  paused_until_ = 0;
  undisturbed_since_ = surroundings_.events.now();
  ScheduleTick();
}

// As storage::OpenStorage finds it.
consensus::Recovered Server::Recover() {
  state_.Open([this] { Enqueue([] {}); });
  const storage::StateMeta& found = state_.meta();
  if (!log_.Contains(found.last_applied, found.last_applied_term) &&
      found.snapshot_index == found.last_applied) {
    log_.BeginAfter(found.last_applied, found.last_applied_term,
                    checker_->CommittedChain(found.last_applied));
  }
  log_.Open([this] { Enqueue([] {}); });
  snapshots_.Open([this] { Enqueue([] {}); });
  consensus::Recovered recovered = log_.Recover(state_.meta().last_applied);
  const storage::StateMeta& meta = state_.meta();
  recovered.configuration = *consensus::DecodeConfiguration(meta.configuration);
  recovered.configuration_index = meta.configuration_index;
  return recovered;
}

void Server::Crash() {
  assert(up());
  surroundings_.trace.Add(Happening::kCrash, id().value());
  ++life_;
  inbox_.clear();
  round_planned_ = false;
  resume_planned_ = false;
  tick_missed_ = false;
  paused_until_ = 0;
  for (const auto& [session, connection] : process_->connections) {
    connection->server_closed = true;
    const Time arrival = std::max(connection->last_to_client,
                                  surroundings_.events.now() + surroundings_.network.Latency());
    surroundings_.events.At(arrival, [connection = connection] {
      if (!connection->client_closed) connection->on_closed();
    });
  }
  process_.reset();
  log_.Crash();
  state_.Crash();
  snapshots_.Crash();
}

void Server::PauseUntil(Time when) {
  paused_until_ = std::max(paused_until_, when);
  if (resume_planned_) return;
  resume_planned_ = true;
  surroundings_.events.At(paused_until_, [this, life = life_] {
    if (life == life_) Resume();
  });
}

void Server::Resume() {
  if (paused()) {  // longer by now
    surroundings_.events.At(paused_until_, [this, life = life_] {
      if (life == life_) Resume();
    });
    return;
  }
  resume_planned_ = false;
  undisturbed_since_ = surroundings_.events.now();
  // As in a libuv loop that was stopped: one timer for all that have passed, then what has arrived.
  if (std::exchange(tick_missed_, false)) process_->node.Tick();
  for (const auto& action : std::exchange(inbox_, {})) action();
  EndRound();
}

// --- The loop ---

void Server::Enqueue(std::function<void()> action) {
  if (!up()) return;
  if (paused()) {
    inbox_.push_back(std::move(action));
    return;
  }
  action();
  ScheduleRound();
}

// What happens until the round's end shares the round.
void Server::ScheduleRound() {
  if (round_planned_) return;
  round_planned_ = true;
  surroundings_.events.After(random_.Between(0, round_delay_max_), [this, life = life_] {
    if (life != life_ || !round_planned_) return;
    if (!paused()) EndRound();
  });
}

void Server::ScheduleTick() {
  surroundings_.events.After(tick_, [this, life = life_] { OnTick(life); });
}

void Server::OnTick(uint64_t life) {
  if (life != life_) return;
  ScheduleTick();
  if (paused()) {
    tick_missed_ = true;
    return;
  }
  process_->node.Tick();
  // Nothing else is due: the round is over at once.
  if (!round_planned_) EndRound();
}

void Server::EndRound() {
  round_planned_ = false;
  bool again = process_->node.Flush();
  again |= ServeClients();
  NoteChanges();
  checker_->EndRound(place_, process_->node);
  if (process_->node.new_life()) {
    StateDisk::Image snapshot = snapshots_.TakeComplete();
    surroundings_.trace.Add(Happening::kInstall, id().value(), snapshot.meta.last_applied.value());
    Crash();
    state_.Replace(std::move(snapshot));
    Start();
    return;
  }
  if (again) ScheduleRound();
}

void Server::NoteChanges() {
  const consensus::Raft& raft = process_->node.raft();
  Process& seen = *process_;
  if (raft.role() != seen.role || raft.current_term() != seen.term ||
      raft.leader() != seen.leader) {
    if (raft.is_leader() && (seen.role != raft.role() || seen.term != raft.current_term())) {
      leads_since_ = surroundings_.events.now();
    }
    seen.role = raft.role();
    seen.term = raft.current_term();
    seen.leader = raft.leader();
    surroundings_.trace.Add(Happening::kRole, id().value(), static_cast<uint64_t>(seen.role),
                            seen.term.value(), seen.leader.value_or(consensus::NodeId()).value());
  }
  if (raft.commit_index() != seen.commit_index) {
    seen.commit_index = raft.commit_index();
    surroundings_.trace.Add(Happening::kCommit, id().value(), seen.commit_index.value(),
                            process_->node.keys().last_applied().value());
  }
}

// --- Peers ---

void Server::Receive(consensus::NodeId from, consensus::Message message) {
  Enqueue([this, from, message = std::move(message)] {
    process_->node.Receive(from, message);
    const consensus::Term term =
        std::visit([](const auto& content) { return content.term; }, message);
    if (term == process_->node.raft().current_term()) {
      heard_at_[from.value() - 1] = surroundings_.events.now();
    }
  });
}

void Server::PeerGone(consensus::NodeId peer) {
  Enqueue([this, peer] { process_->node.PeerGone(peer); });
}

// --- Clients ---

bool Server::Accept(const std::shared_ptr<Connection>& connection) {
  if (!up()) return false;
  connection->session =
      process_->sessions.Open("sim:0", "sim:0", surroundings_.events.now() / kMillisecond);
  process_->connections.emplace(connection->session->id, connection);
  return true;
}

void Server::ReceiveFromClient(const std::shared_ptr<Connection>& connection,
                               const std::string& bytes) {
  if (connection->server_closed) return;
  Enqueue([this, connection, bytes] {
    if (connection->server_closed) return;
    connection->unread += bytes;
    if (connection->paused) return;
    Feed(*connection, std::exchange(connection->unread, {}));
  });
}

void Server::Feed(Connection& connection, std::string_view bytes) {
  connection.last_read = surroundings_.events.now();
  process_->dispatcher.Receive(*connection.session, bytes);
  if (process_->dispatcher.MayRead(*connection.session)) return;
  connection.paused = true;
  process_->paused.insert(connection.session->id);
}

void Server::ClientClosed(const std::shared_ptr<Connection>& connection) {
  if (connection->server_closed) return;
  Enqueue([this, connection] {
    if (connection->server_closed) return;
    connection->server_closed = true;
    process_->paused.erase(connection->session->id);
    process_->connections.erase(connection->session->id);
    process_->sessions.Close(*connection->session);
  });
}

// As ClientListener::EndRound. True: requests that had waited were executed.
bool Server::ServeClients() {
  for (const std::shared_ptr<Session>& session : process_->sessions.TakeScheduled()) {
    const auto found = process_->connections.find(session->id);
    if (found != process_->connections.end()) Update(*found->second);
  }
  bool ran = false;
  for (auto it = process_->paused.begin(); it != process_->paused.end();) {
    Connection& connection = *process_->connections.at(*it++);
    Session& session = *connection.session;
    if (!process_->dispatcher.MayRead(session)) continue;
    ran |= !session.input.empty() || !connection.unread.empty();
    if (!session.input.empty()) connection.last_read = surroundings_.events.now();
    process_->dispatcher.Resume(session);
    if (!process_->dispatcher.MayRead(session)) continue;
    connection.paused = false;
    process_->paused.erase(session.id);
    if (!connection.unread.empty()) Feed(connection, std::exchange(connection.unread, {}));
  }
  return ran;
}

void Server::Update(Connection& connection) {
  std::string& output = connection.session->replies.output();
  if (output.empty()) return;
  connection.last_to_client = std::max(
      connection.last_to_client, surroundings_.events.now() + surroundings_.network.Latency());
  surroundings_.events.At(connection.last_to_client,
                          [session = connection.session, bytes = std::exchange(output, {}),
                           shared = process_->connections.at(connection.session->id)] {
                            if (!shared->client_closed) shared->on_bytes(bytes);
                          });
}

// --- Faults ---

void Server::TransferLeadership(std::optional<consensus::NodeId> target) {
  Enqueue([this, target] { process_->node.TransferLeadership(target); });
}

void Server::BeginCheckpoint() {
  Enqueue([this] { process_->node.BeginCheckpoint(); });
}

}  // namespace quorate::simulation
