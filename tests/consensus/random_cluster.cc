#include "tests/consensus/random_cluster.h"

#include <algorithm>
#include <cassert>

namespace quorate::consensus {

namespace {

constexpr size_t kServersMax = 9;

template <typename... Ts>
uint64_t OneOf(Random& random, Ts... choices) {
  const uint64_t all[] = {static_cast<uint64_t>(choices)...};
  return all[random.Below(sizeof...(choices))];
}

}  // namespace

RandomCluster::RandomCluster(uint64_t seed, size_t servers) : seed_(seed), random_(seed) {
  config_.heartbeat_ticks = static_cast<uint32_t>(1 + random_.Below(3));
  config_.election_timeout_ticks = static_cast<uint32_t>(8 + random_.Below(8));
  config_.disk_stall_ticks = static_cast<uint32_t>(15 + random_.Below(10));
  config_.append_bytes_max = OneOf(random_, 1, 40, 1000);
  config_.inflight_bytes_max = OneOf(random_, 1, 100, 10000);
  config_.inflight_messages_max = OneOf(random_, 1, 3, 100);
  config_.cached_bytes_max = OneOf(random_, 0, 300, 1 << 20);
  loss_ = OneOf(random_, 0, 10, 50, 200);
  duplication_ = OneOf(random_, 0, 20, 100);
  long_delay_ = OneOf(random_, 0, 10, 50);
  crash_ = OneOf(random_, 0, 1, 3, 8);
  stall_ = OneOf(random_, 0, 1, 5);
  pause_ = OneOf(random_, 0, 2, 5);
  peer_gone_ = OneOf(random_, 0, 1, 5);
  transfer_ = OneOf(random_, 0, 3, 10);
  proposal_ = OneOf(random_, 50, 300, 800);
  round_at_once_ = OneOf(random_, 0, 500, 1000);

  change_ = OneOf(random_, 0, 5, 30);
  wipes_left_ = random_.Below((servers + 1) / 2);

  cut_.assign(kServersMax, std::vector<bool>(kServersMax, false));
  committed_.push_back({});
  for (size_t i = 0; i < servers; ++i) {
    first_configuration_.members.push_back({NodeId(i + 1), true, ""});
  }
  first_configuration_.next_id = NodeId(servers + 1);
  servers_.reserve(kServersMax);
  for (size_t i = 0; i < servers; ++i) {
    AddServer(false);
  }
  for (Server& server : servers_) {
    Start(server);
  }
}

void RandomCluster::AddServer(bool joined) {
  assert(servers_.size() < kServersMax);
  Server& server = servers_.emplace_back();
  server.id = NodeId(servers_.size());
  server.chain.push_back(0);
  if (joined) {
    server.disk.SetJoined();
  } else {
    server.disk.SetConfiguration(first_configuration_);
  }
}

// --- Faults and inputs ---

void RandomCluster::Start(Server& server) {
  Config config = config_;
  config.id = server.id;
  config.seed = seed_ * 1000003 + ++start_count_;
  server.disk.Crash();
  server.write_due.clear();
  const Recovered recovered = server.disk.Recover(server.checkpoint);
  server.raft = std::make_unique<Raft>(config, recovered, server.disk);
  server.applied = server.checkpoint;
  server.configuration = recovered.configuration;
  // What was truncated in memory alone is back.
  server.chain.resize(server.disk.base_index().value() + 1);
  for (Index index = server.disk.base_index(); index < server.disk.last_index();) {
    ++index;
    server.chain.push_back(
        ExtendChain(server.chain.back(), server.disk.Read(index, index, 0).front()));
  }
  Round(server);
}

void RandomCluster::Crash(Server& server) {
  server.raft.reset();
  server.durable.reset();
  server.reads.clear();
  server.restart_at = now_ + 1 + random_.Below(60);
  bool noticed = Chance(700);
  for (Server& other : servers_) {
    if (noticed && other.raft && Chance(900)) {
      other.raft->PeerGone(server.id);
      Touched(other);
    }
  }
}

// The folder is empty. Nothing that was sent to the server before reaches it.
void RandomCluster::Wipe(Server& server) {
  --wipes_left_;
  server.wiped = true;
  server.lost = server.chain;
  server.lost.resize(std::min<size_t>(server.lost.size(), server.disk.last_index().value() + 1));
  Crash(server);
  server.disk = MemoryDisk();
  server.disk.SetConfiguration(first_configuration_);
  server.checkpoint = Index();
  server.chain.assign(1, 0);
  std::erase_if(network_, [&](const InFlight& message) { return message.to == server.id; });
}

bool RandomCluster::CanServe(const Configuration& configuration) const {
  size_t live = 0;
  for (const ConfigurationMember& member : configuration.members) {
    live += member.voter && IsLive(servers_[member.id.value() - 1]) ? 1 : 0;
  }
  return 2 * live > VoterCount(configuration);
}

void RandomCluster::ChangeMembers(Server& server) {
  Configuration before = server.raft->configuration();
  if (before.members.empty()) {
    return;
  }
  const ConfigurationMember& any = before.members[random_.Below(before.members.size())];
  Change change = UpdateAddress{any.id, "moved " + std::to_string(++next_payload_)};
  switch (random_.Below(4)) {
    case 0:
      if (before.next_id.value() <= kServersMax && server.raft->is_leader()) {
        change = AddLearner{"new " + std::to_string(before.next_id.value())};
      }
      break;
    case 1:
    case 2:
      if (before.members.size() > 1) {
        change = RemoveMember{any.id};
      }
      break;
    default:
      break;
  }
  auto changed = Changed(before, change);
  auto* after = std::get_if<Configuration>(&changed);
  // A member that was emptied only now passes for a live one.
  if (after == nullptr || !CanServe(*after)) {
    return;
  }
  if (std::holds_alternative<RemoveMember>(change) || Chance(500)) {
    server.raft->ProposeChange(change, false);
  } else {
    server.raft->RequestChange(change, false);
  }
  Touched(server);
}

// As a transport does: an id that was given out and is none of a member's any more was removed.
bool RandomCluster::IsKeptOut(const Server& to, NodeId from) const {
  return from < to.configuration.next_id && FindMember(to.configuration, from) == nullptr;
}

// --- Snapshots: in one part, of what is in the checkpoint ---

void RandomCluster::SendSnapshot(Server& server, NodeId to) {
  if (server.checkpoint == Index()) {
    return;
  }
  const Recovered state = server.disk.Recover(server.checkpoint);
  InstallSnapshot part;
  part.transfer = state.configuration_index.value() + 1;
  part.last_included_index = server.checkpoint;
  part.last_included_term = server.disk.TermAt(server.checkpoint);
  part.done = true;
  part.data = Payload(Encode(state.configuration));
  server.raft->SendSnapshotPart(to, std::move(part));
  server.needs_round = true;
}

void RandomCluster::TakeSnapshotMessage(Server& server, const SnapshotMessage& message) {
  if (const auto* reply = std::get_if<InstallSnapshotReply>(&message.part)) {
    if (reply->installed) {
      server.raft->SnapshotSent(message.from);
    }
    return;
  }
  const auto& part = std::get<InstallSnapshot>(message.part);
  if (part.last_included_index <= server.raft->commit_index()) {
    return;  // another of the same round was installed
  }
  Recovered snapshot;
  snapshot.last_applied = part.last_included_index;
  snapshot.configuration = *DecodeConfiguration(part.data.bytes());
  snapshot.configuration_index = Index(part.transfer - 1);
  // The process begins anew with it.
  if (Chance(500)) {
    server.disk.CompleteAll();
  }
  server.raft.reset();
  server.durable.reset();
  server.reads.clear();
  server.disk.Crash();
  server.disk.Install(snapshot, part.last_included_term);
  server.checkpoint = part.last_included_index;
  server.chain.clear();
  for (uint64_t index = 0; index <= server.disk.base_index().value(); ++index) {
    server.chain.push_back(committed_[index].chain);
  }
  ++installed_;
  Start(server);
  InstallSnapshotReply reply;
  reply.transfer = part.transfer;
  reply.installed = true;
  server.raft->SendSnapshotPart(message.from, std::move(reply));
  server.needs_round = true;
}

void RandomCluster::DrawPartition() {
  for (auto& row : cut_) {
    row.assign(servers_.size(), false);
  }
  switch (random_.Below(5)) {
    case 0: {  // one alone
      size_t alone = random_.Below(servers_.size());
      for (size_t other = 0; other < servers_.size(); ++other) {
        cut_[alone][other] = cut_[other][alone] = true;
      }
      break;
    }
    case 1: {  // two sides
      uint64_t side = random_.Next();
      for (size_t from = 0; from < servers_.size(); ++from) {
        for (size_t to = 0; to < servers_.size(); ++to) {
          cut_[from][to] = ((side >> from) & 1) != ((side >> to) & 1);
        }
      }
      break;
    }
    case 2:  // some links, one way
      for (auto& row : cut_) {
        for (size_t to = 0; to < row.size(); ++to) {
          row[to] = Chance(250);
        }
      }
      break;
    default:  // none
      break;
  }
}

void RandomCluster::RunWithFaults(uint64_t ticks) {
  for (uint64_t end = now_ + ticks; now_ < end && violation_.empty();) {
    if (Chance(15)) {
      DrawPartition();
    }
    Step();
  }
}

void RandomCluster::Step() {
  ++now_;
  // After a pause, what a server hears first may be its clock or a client, or all that has waited.
  if (Chance(500)) {
    DeliverDue();
    RunServers();
  } else {
    RunServers();
    DeliverDue();
  }
}

void RandomCluster::RunServers() {
  for (Server& server : servers_) {
    if (!server.raft) {
      if (now_ >= server.restart_at) {
        Start(server);
      }
      continue;
    }
    CompleteWrites(server);
    if (now_ < server.paused_until) {
      continue;
    }
    TellDurable(server);
    TickServer(server);
    ServeClients(server);
    Checkpoint(server);
    if (faults_) {
      DrawFaults(server);
    }
    if (server.raft && server.needs_round) {
      Round(server);
    }
  }
}

void RandomCluster::DeliverDue() {
  std::vector<InFlight> due;
  std::deque<InFlight> later;
  for (InFlight& message : network_) {
    if (message.due <= now_) {
      due.push_back(std::move(message));
    } else {
      later.push_back(std::move(message));
    }
  }
  network_ = std::move(later);
  for (size_t i = due.size(); faults_ && i > 1; --i) {
    std::swap(due[i - 1], due[random_.Below(i)]);
  }
  for (InFlight& message : due) {
    if (faults_ && Chance(duplication_)) {
      InFlight again = message;
      again.due = now_ + 1 + random_.Below(Chance(300) ? 400 : 5);
      network_.push_back(std::move(again));
    }
    bool cut = cut_[message.from.value() - 1][message.to.value() - 1];
    Server& to = At(message.to);
    if (now_ < to.paused_until && !cut) {
      message.due = to.paused_until;
      network_.push_back(std::move(message));
      continue;
    }
    if (cut || !to.raft || IsKeptOut(to, message.from) || (faults_ && Chance(loss_))) {
      continue;
    }
    to.raft->Receive(message.from, std::move(message.message));
    Touched(to);
  }
}

void RandomCluster::CompleteWrites(Server& server) {
  if (now_ < server.disk_stalled_until) {
    return;
  }
  while (!server.write_due.empty() && server.write_due.front() <= now_) {
    server.write_due.pop_front();
    server.durable = server.disk.CompleteNext();
  }
}

void RandomCluster::TellDurable(Server& server) {
  if (!server.durable || (faults_ && Chance(200))) {
    return;
  }
  server.raft->Persisted(*server.durable);
  server.durable.reset();
  Touched(server);
}

void RandomCluster::TickServer(Server& server) {
  // Clocks do not run at the same speed.
  uint64_t ticks = faults_ && Chance(100) ? random_.Below(3) : 1;
  for (uint64_t i = 0; i < ticks; ++i) {
    server.raft->Tick();
    Touched(server);
  }
}

void RandomCluster::ServeClients(Server& server) {
  if (Chance(proposal_)) {
    Propose(server);
  }
  if (Chance(read_)) {
    RequestRead(server);
  }
  if (Chance(100)) {
    // A driver may apply between two rounds.
    Apply(server);
  }
}

void RandomCluster::Checkpoint(Server& server) {
  if (!Chance(50)) {
    return;
  }
  server.checkpoint = server.applied;
  Index trim = server.checkpoint - std::min(server.checkpoint.value(), random_.Below(30));
  if (server.disk.base_index() < trim) {
    server.raft->Compacted(trim);
    server.disk.Trim(trim);
    Touched(server);
  }
}

void RandomCluster::DrawFaults(Server& server) {
  NodeId any = NodeId(1 + random_.Below(servers_.size()));
  if (Chance(change_)) {
    ChangeMembers(server);
  }
  if (Chance(transfer_)) {
    server.raft->TransferLeadership(any);
    server.raft->TransferLeadership();
    server.raft->RequestLeadership();
    Touched(server);
  }
  if (Chance(peer_gone_)) {
    server.raft->PeerGone(any);
    Touched(server);
  }
  if (Chance(stall_)) {
    server.disk_stalled_until = now_ + random_.Below(80);
  }
  if (Chance(pause_)) {
    server.paused_until = now_ + random_.Below(60);
  }
  if (Chance(crash_)) {
    const bool is_first = FindMember(first_configuration_, server.id) != nullptr;
    Configuration latest = server.raft->configuration();
    Crash(server);
    if (wipes_left_ > 0 && committed() > 0 && is_first && !server.wiped && Chance(200)) {
      server.wiped = true;
      // Those that are down keep what is in their logs.
      const bool can_serve =
          std::all_of(servers_.begin(), servers_.end(), [&](const Server& other) {
            return other.in_force.members.empty() || CanServe(other.in_force);
          });
      server.wiped = false;
      if (can_serve && CanServe(latest)) {
        Wipe(server);
      }
    }
  }
}

bool RandomCluster::Propose(Server& server) {
  std::string bytes = std::to_string(++next_payload_);
  bytes.append(random_.Below(30), '.');
  if (!server.raft->Propose(Payload(bytes))) {
    return false;
  }
  Touched(server);
  return true;
}

bool RandomCluster::RequestRead(Server& server) {
  uint64_t token = ++next_token_;
  if (!server.raft->RequestRead(ReadToken(token))) {
    return false;
  }
  OpenRead read{.floor = Index(committed()), .barrier = std::nullopt};
  if (server.raft->is_leader()) {
    read.barrier = server.raft->last_log_index();
  }
  server.reads.emplace(token, read);
  Touched(server);
  return true;
}

void RandomCluster::Touched(Server& server) {
  server.needs_round = true;
  if (Chance(round_at_once_)) {
    Round(server);
  }
}

void RandomCluster::Round(Server& server) {
  server.needs_round = false;
  Effects effects = server.raft->TakeEffects();
  if (effects.persist) {
    TakeWrite(server, *effects.persist);
    uint64_t delay = Chance(50) ? random_.Below(20) : random_.Below(3);
    uint64_t due = now_ + (faults_ ? delay : random_.Below(2));
    if (!server.write_due.empty()) {
      due = std::max(due, server.write_due.back());
    }
    server.write_due.push_back(due);
    server.disk.Submit(std::move(*effects.persist));
  }
  CheckLeader(server);
  CheckCommit(server);
  CheckReads(server, effects);
  server.in_force = server.raft->configuration();
  while (servers_.size() + 1 < server.in_force.next_id.value()) {
    AddServer(true);
    Start(servers_.back());
  }
  for (Envelope& envelope : effects.messages) {
    CheckMessage(server, envelope);
    uint64_t delay = faults_ ? random_.Below(4) : 1;
    if (faults_ && Chance(long_delay_)) {
      delay = random_.Below(200);
    }
    network_.push_back({server.id, envelope.to, now_ + delay, std::move(envelope.message)});
  }
  Apply(server);
  for (NodeId needy : effects.needs_snapshot) {
    SendSnapshot(server, needy);
  }
  for (const SnapshotMessage& message : effects.snapshot_messages) {
    TakeSnapshotMessage(server, message);
  }
}

void RandomCluster::Apply(Server& server) {
  if (faults_ && Chance(300)) {
    return;  // the state machine is slow
  }
  for (;;) {
    std::vector<Entry> entries = server.raft->NextCommitted(1 + random_.Below(100));
    if (entries.empty()) {
      return;
    }
    for (const Entry& entry : entries) {
      if (entry.index != server.applied + 1) {
        Violate("applied out of order");
      }
      server.applied = entry.index;
      if (entry.kind == EntryKind::kConfiguration) {
        server.configuration = *DecodeConfiguration(entry.payload.bytes());
      }
      uint64_t index = entry.index.value();
      if (index > committed()) {
        Violate("applied what is not committed");
        return;
      }
      // State Machine Safety.
      if (ExtendChain(committed_[index - 1].chain, entry) != committed_[index].chain) {
        Violate("State Machine Safety: another entry was applied at " + std::to_string(index));
      }
      if (entry.index > server.disk.last_index()) {
        Violate("applied what is not durable here");
      }
      for (const auto& [token, read] : server.reads) {
        if (read.barrier && entry.index > *read.barrier) {
          Violate("entry " + std::to_string(index) + " handed out before read " +
                  std::to_string(token) + " was reported");
        }
      }
    }
  }
}

// --- Liveness ---

void RandomCluster::StepUntil(uint64_t tick) {
  while (now_ < tick && violation_.empty()) {
    Step();
  }
}

RandomCluster::Server* RandomCluster::EstablishedLeader() {
  for (Server& server : servers_) {
    if (server.raft && server.raft->leader_is_established()) {
      return &server;
    }
  }
  return nullptr;
}

// Whether it is to answer clients once all faults are over.
bool RandomCluster::Serves(const Server& server, const Server& leader) const {
  return IsLive(server) && FindMember(leader.raft->configuration(), server.id) != nullptr;
}

void RandomCluster::HealAndServe() {
  if (!violation_.empty()) {
    return;
  }
  faults_ = false;
  for (auto& row : cut_) {
    row.assign(servers_.size(), false);
  }
  uint64_t longest_log = 0;
  for (Server& server : servers_) {
    server.disk_stalled_until = 0;
    server.paused_until = 0;
    server.restart_at = now_;
    longest_log = std::max<uint64_t>(longest_log, server.chain.size());
  }
  // The smallest windows let one entry through each round trip.
  uint64_t patience = 12ULL * config_.election_timeout_ticks + 6 * longest_log;
  proposal_ = 0;
  StepUntil(now_ + patience);
  Server* leader = EstablishedLeader();
  if (leader == nullptr) {
    Violate("no leader after healing");
    return;
  }

  // It stays, and every proposal and every read from now on succeeds.
  Term term = leader->raft->current_term();
  uint64_t expected = committed();
  uint64_t expected_reads = proven_reads_;
  read_ = 0;
  for (int i = 0; i < 10 && violation_.empty(); ++i) {
    ++expected;
    if (!Propose(*leader)) {
      Violate("a proposal refused in a healthy cluster");
    }
    for (Server& server : servers_) {
      if (!Serves(server, *leader)) {
        continue;
      }
      ++expected_reads;
      if (!RequestRead(server)) {
        Violate("a read refused in a healthy cluster");
      }
    }
    StepUntil(now_ + 3);
  }
  StepUntil(now_ + 12ULL * config_.election_timeout_ticks);
  if (committed() != expected) {
    Violate("proposals that were not committed after healing");
  }
  if (proven_reads_ < expected_reads) {
    Violate("reads that were not proven after healing");
  }
  for (Server& server : servers_) {
    if (!Serves(server, *leader)) {
      continue;
    }
    if (server.raft->current_term() != term || server.raft->leader() != leader->id) {
      Violate("the leader changed in a healthy cluster");
    }
    if (server.applied != leader->raft->last_log_index()) {
      Violate("server " + std::to_string(server.id.value()) + " has applied " +
              std::to_string(server.applied.value()) + " of " +
              std::to_string(leader->raft->last_log_index().value()));
    }
    if (!server.reads.empty()) {
      Violate("a read without an answer");
    }
  }
  for (const PeerStatus& peer : leader->raft->peers()) {
    if (IsLive(At(peer.id)) && !peer.voter) {
      Violate("a learner that is not made a voter");
    }
    if (IsLive(At(peer.id)) && peer.match_index != leader->raft->last_log_index()) {
      Violate("a follower that is not known to match");
    }
  }
}

}  // namespace quorate::consensus
