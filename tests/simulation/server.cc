#include "tests/simulation/server.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include "consensus/configuration.h"
#include "src/config.h"
#include "src/dispatcher.h"
#include "src/instance.h"
#include "src/membership.h"
#include "src/statistics.h"

namespace quorate::simulation {
namespace {

constexpr int64_t kUnixStartUs = 1'700'000'000'000'000;
constexpr const char* kHost = "sim";
// What the folder notes of the members that the cluster began with.
constexpr const char* kFirstMembers = "first";
// How often a node opens a connection to one of its peers.
constexpr Time kHelloInterval = 100 * kMillisecond;

uint16_t PeerPort(uint16_t port) { return static_cast<uint16_t>(port + 10000); }

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

// The log disk, watched. `checker`: null for one that is no member.
class WatchedLog : public storage::LogWriter {
 public:
  WatchedLog(size_t place, LogDisk& disk, RaftChecker* checker, Trace& trace)
      : place_(place), disk_(disk), checker_(checker), trace_(trace) {}

  void Submit(consensus::Persist persist) override {
    if (checker_ != nullptr) checker_->Submitted(place_, persist);
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
  RaftChecker* checker_;
  Trace& trace_;
};

NodeOptions OptionsOf(const Settings& settings, const storage::Identity& identity, uint16_t port,
                      uint64_t seed) {
  NodeOptions options = settings.node;
  options.cluster_id = identity.cluster_id;
  options.self = {identity.node_id.value(), kHost, port, PeerPort(port)};
  options.may_be_adopted = identity.members.empty() && !identity.joined;
  options.raft.id = identity.node_id;
  options.raft.seed = seed;
  options.snapshots.first_transfer = seed | 1;
  return options;
}

}  // namespace

// The node's mouth, watched.
class WatchedNetwork : public Network {
 public:
  WatchedNetwork(Server& server, RaftChecker* checker) : server_(server), checker_(checker) {}
  void set_node(const Node* node) { node_ = node; }

  void SetPeers(const std::vector<Member>& peers) override { server_.SetPeers(peers); }
  void Send(consensus::NodeId to, consensus::Message message) override {
    if (checker_ != nullptr) checker_->Sent(server_.place(), node_->raft(), to, message);
    server_.SendTo(to, message);
  }

 private:
  Server& server_;
  RaftChecker* checker_;
  const Node* node_ = nullptr;
};

// One life. The members are built in this order.
struct Server::Process {
  // `watch`: null for a node that is no member.
  Process(Server& server, RaftChecker* watch, uint64_t seed, const consensus::Recovered& recovered)
      : checker(watch),
        clock(server.surroundings_.events, server.clock_drift_permille_, server.unix_offset_us_),
        sessions(&limits),
        log(server.place_, server.log_, watch, server.surroundings_.trace),
        network(server, watch),
        node(OptionsOf(server.surroundings_.settings, server.identity_, server.port_, seed),
             recovered,
             {server.log_, log, server.state_, server.state_, server.snapshots_, network, clock,
              statistics, sessions}),
        backups(node, sessions, statistics, clock, [] { return Backups::Task(); }),
        instance{config, node, sessions, statistics, clock, backups},
        dispatcher(instance) {
    network.set_node(&node);
  }

  RaftChecker* checker;
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
      port_(PortOf(place, 0)),
      log_(consensus::NodeId(place + 1), surroundings.events, surroundings.trace, random_.Fork(),
           disks),
      state_(consensus::NodeId(place + 1), surroundings.events, surroundings.trace, random_.Fork(),
             disks),
      snapshots_(state_, surroundings.events, random_.Fork()),
      round_delay_max_(surroundings.settings.round_max) {
  const int64_t drift = surroundings.settings.clock_drift_permille;
  clock_drift_permille_ = random_.Between(-drift, drift);
  if (place < surroundings.settings.node_count) {
    Empty({surroundings.settings.node.cluster_id, consensus::NodeId(place + 1), kFirstMembers});
  } else {
    BeBlank();
  }
}

Server::~Server() = default;

const Node& Server::node() const {
  assert(up());
  return process_->node;
}

bool Server::healthy() const {
  return up() && !paused() && !lost_its_folder_ && log_.healthy() && !state_.stalled() &&
         round_delay_max_ == surroundings_.settings.round_max;
}

Time Server::HeardAt(consensus::NodeId member) const {
  for (const auto& [id, at] : heard_at_) {
    if (id == member) return at;
  }
  return 0;
}

Time Server::heard_majority_at() const {
  // Elected in the round that is under way: it has just heard the last of the votes.
  const consensus::Raft& raft = process_->node.raft();
  if (process_->role != raft.role() || process_->term != raft.current_term()) {
    return surroundings_.events.now();
  }
  if (raft.configuration_index() != configuration_index_) return surroundings_.events.now();
  size_t voters = 0;
  std::vector<Time> others;
  for (const consensus::ConfigurationMember& member : raft.configuration().members) {
    if (!member.voter) continue;
    ++voters;
    if (member.id != id()) others.push_back(HeardAt(member.id));
  }
  const size_t wanted = voters / 2 + 1 - (voters - others.size());
  if (wanted == 0) return surroundings_.events.now();
  const auto needed = others.begin() + static_cast<std::ptrdiff_t>(wanted - 1);
  std::nth_element(others.begin(), needed, others.end(), std::greater<>());
  return std::max({*needed, leads_since_, configuration_since_});
}

// --- Its folder ---

bool Server::in_cluster() const {
  return identity_.cluster_id == surroundings_.settings.node.cluster_id;
}

consensus::Configuration Server::newest_configuration() const {
  if (up()) return process_->node.raft().configuration();
  if (auto in_log = log_.NewestConfiguration()) return *in_log;
  return consensus::DecodeConfiguration(state_.durable_meta().configuration)
      .value_or(consensus::Configuration());
}

void Server::Empty(storage::Identity identity) {
  assert(!up());
  identity_ = std::move(identity);
  lost_its_folder_ = false;
  log_.Wipe();
  StateDisk::Image image;
  if (!identity_.joined) {
    const Member alone{identity_.node_id.value(), kHost, port_, PeerPort(port_)};
    image.meta.configuration = consensus::Encode(InitialConfiguration(
        in_cluster() ? surroundings_.settings.members : std::vector<Member>{alone}));
  }
  state_.Replace(std::move(image));
  // The connections are those of a process that has ended.
  surroundings_.network.DropSentTo(place_);
  if (checker_ != nullptr) checker_->Emptied(place_);
  surroundings_.trace.Add(Happening::kEmptied, place_ + 1, identity_.node_id.value(),
                          in_cluster() ? 1 : 0);
}

void Server::BeBlank() {
  uint64_t cluster_id = 0;
  do {
    cluster_id = random_.Next();
  } while (cluster_id == 0 || cluster_id == surroundings_.settings.node.cluster_id);
  Empty({cluster_id, consensus::NodeId(1), ""});
}

void Server::LoseFolder() {
  // A node that was started alone draws its cluster's id, and so is nobody without its folder.
  if (identity_.members.empty() || surroundings_.settings.node_count == 1) {
    BeBlank();
    return;
  }
  Empty(identity_);
  lost_its_folder_ = true;
}

// As storage::AdoptIdentity and InstallIncoming do it.
void Server::BeginNewLife(const NewLife& next) {
  if (next.adopted) {
    const storage::Identity identity = *next.adopted;
    Crash();
    Empty(identity);
  } else {
    StateDisk::Image snapshot = snapshots_.TakeComplete();
    surroundings_.trace.Add(Happening::kInstall, place_ + 1, snapshot.meta.last_applied.value());
    Crash();
    state_.Replace(std::move(snapshot));
  }
  Start();
}

// --- Its life ---

void Server::Start() {
  assert(!up());
  assert(checker_ != nullptr);
  ++life_;
  const consensus::Recovered recovered = Recover();
  surroundings_.trace.Add(Happening::kStart, place_ + 1, recovered.hard_state.current_term.value(),
                          recovered.last_index.value(), recovered.last_applied.value());
  links_.clear();
  heard_at_.clear();
  if (in_cluster()) checker_->Started(place_, id(), recovered);
  process_ = std::make_unique<Process>(*this, in_cluster() ? checker_ : nullptr, random_.Next(),
                                       recovered);
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
  if (!meta.configuration.empty()) {
    recovered.configuration = *consensus::DecodeConfiguration(meta.configuration);
  }
  recovered.configuration_index = meta.configuration_index;
  recovered.joined = identity_.joined;
  return recovered;
}

void Server::Crash() {
  assert(up());
  surroundings_.trace.Add(Happening::kCrash, place_ + 1);
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
  if (surroundings_.events.now() / kHelloInterval != hello_slot_) {
    hello_slot_ = surroundings_.events.now() / kHelloInterval;
    SayHello();
  }
  // Nothing else is due: the round is over at once.
  if (!round_planned_) EndRound();
}

void Server::EndRound() {
  round_planned_ = false;
  bool again = process_->node.Flush();
  again |= ServeClients();
  NoteChanges();
  if (process_->checker != nullptr) process_->checker->EndRound(place_, process_->node);
  if (process_->node.new_life()) {
    BeginNewLife(*process_->node.new_life());
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
    surroundings_.trace.Add(Happening::kRole, place_ + 1, static_cast<uint64_t>(seen.role),
                            seen.term.value(), seen.leader.value_or(consensus::NodeId()).value());
  }
  if (raft.configuration_index() != configuration_index_) {
    configuration_index_ = raft.configuration_index();
    configuration_since_ = surroundings_.events.now();
  }
  if (raft.commit_index() != seen.commit_index) {
    seen.commit_index = raft.commit_index();
    surroundings_.trace.Add(Happening::kCommit, place_ + 1, seen.commit_index.value(),
                            process_->node.keys().last_applied().value());
  }
}

// --- Peers ---

// As PeerNetwork does.
void Server::SetPeers(const std::vector<Member>& peers) {
  links_.clear();
  for (const Member& peer : peers) {
    links_.push_back({consensus::NodeId(peer.id), peer.port, peer.folder});
  }
}

Address Server::AddressOf(const Link& link) const {
  return {identity_.cluster_id, id(), link.id, link.folder, port_, link.port};
}

void Server::SendTo(consensus::NodeId to, const consensus::Message& message) {
  for (const Link& link : links_) {
    if (link.id != to) continue;
    surroundings_.network.Send(place_, PlaceOf(link.port), AddressOf(link), message);
    return;
  }
}

// Connections are opened before there is anything to say. To one of the others, now and then: most
// of them are there already.
void Server::SayHello() {
  if (links_.empty() || surroundings_.settings.membership.interval == 0) return;
  const Link& link = random_.Pick(links_);
  surroundings_.network.SendHello(place_, PlaceOf(link.port), AddressOf(link));
}

// As PeerNetwork::OnHello does.
bool Server::Accepts(const Address& address) {
  Node& node = process_->node;
  if (address.to_port != port_) return false;
  switch (node.OfferMembership(address.cluster_id, address.to, address.folder)) {
    case Node::Offer::kTaken:
      return false;
    case Node::Offer::kOtherFolder:
      surroundings_.network.AnswerEmpty(place_, address, node.empty_folder());
      return false;
    case Node::Offer::kNone:
      break;
  }
  if (address.cluster_id != identity_.cluster_id || address.to != id() || address.from == id() ||
      node.was_removed(address.from)) {
    return false;
  }
  for (Link& link : links_) {
    if (link.id != address.from) continue;
    link.port = address.from_port;
    return true;
  }
  links_.push_back({address.from, address.from_port, 0});
  return true;
}

void Server::PeerIsEmpty(consensus::NodeId peer, uint64_t folder) {
  Enqueue([this, peer, folder] { process_->node.NameFolder(peer, folder); });
}

void Server::Receive(const Address& address, std::optional<consensus::Message> message) {
  Enqueue([this, address, message = std::move(message)]() mutable {
    if (!Accepts(address) || !message) return;
    const consensus::Term term =
        std::visit([](const auto& content) { return content.term; }, *message);
    process_->node.Receive(address.from, *std::move(message));
    if (term != process_->node.raft().current_term()) return;
    for (auto& [member, at] : heard_at_) {
      if (member != address.from) continue;
      at = surroundings_.events.now();
      return;
    }
    heard_at_.emplace_back(address.from, surroundings_.events.now());
  });
}

void Server::PeerGone(consensus::NodeId peer) {
  Enqueue([this, peer] { process_->node.PeerGone(peer); });
}

// --- Clients ---

bool Server::Accept(const std::shared_ptr<Connection>& connection) {
  // A node that is no member serves, too, but nobody has told the clients of it.
  if (!up() || !in_cluster()) return false;
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

Server* FindMachine(const std::vector<std::unique_ptr<Server>>& servers, consensus::NodeId member) {
  for (const auto& server : servers) {
    if (server->in_cluster() && server->id() == member && !server->lost_its_folder()) {
      return server.get();
    }
  }
  return nullptr;
}

}  // namespace quorate::simulation
