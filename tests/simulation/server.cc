#include "tests/simulation/server.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "consensus/configuration.h"
#include "src/members/membership.h"
#include "tests/simulation/server_process.h"

namespace quorate::simulation {
namespace {

// What the folder notes of the members that the cluster began with.
constexpr const char* kFirstMembers = "first";
// How often a node opens a connection to one of its peers.
constexpr Time kHelloInterval = 100 * kMillisecond;
// How often a start that finds no space on the disk is tried again.
constexpr Time kStartInterval = 250 * kMillisecond;

}  // namespace

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

bool Server::healthy() const { return healthy_or_full() && !full(); }

bool Server::healthy_or_full() const {
  return up() && !paused() && !lost_its_folder_ && log_.works() && !state_.stalled() &&
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
  return up() ? process_->node.raft().configuration() : durable_configuration();
}

consensus::Configuration Server::durable_configuration() const {
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
    const Member alone = MemberAt(identity_.node_id, port_);
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

void Server::PutBack(Copy copy) {
  assert(!up());
  assert(copy.identity == identity_);
  lost_its_folder_ = true;
  log_.PutBack(std::move(copy.log));
  state_.Replace(std::move(copy.state));
  surroundings_.network.DropSentTo(place_);
  checker_->Emptied(place_);
  surroundings_.trace.Add(Happening::kEmptied, place_ + 1, identity_.node_id.value(), 2);
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
  if (log_.start_waits()) {
    surroundings_.events.After(kStartInterval, [this] {
      if (!up()) Start();
    });
    return;
  }
  ++life_;
  const consensus::Recovered recovered = Recover();
  surroundings_.trace.Add(Happening::kStart, place_ + 1, recovered.hard_state.current_term.value(),
                          recovered.last_index.value(), recovered.last_applied.value());
  links_.clear();
  callers_.clear();
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
    log_.BeginAfter(found.last_applied, found.last_applied_term, found.last_applied_chain,
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
  DialAll();
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
  Introduce();
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

// --- Faults ---

void Server::TransferLeadership(std::optional<consensus::NodeId> target) {
  Enqueue([this, target] { process_->node.TransferLeadership(target); });
}

void Server::BeginCheckpoint() {
  Enqueue([this] { process_->node.BeginCheckpoint(); });
}

void Server::FillLogUntil(Time when, size_t room_bytes, size_t journal_bytes) {
  log_.FillUntil(when, room_bytes, journal_bytes);
  full_until_ = std::max(full_until_, when);
}

void Server::FillStateUntil(Time when) {
  state_.FillUntil(when);
  full_until_ = std::max(full_until_, when);
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
