#include "tests/consensus/random_cluster.h"

#include <algorithm>
#include <cassert>

#include "consensus/encoding.h"

namespace quorate::consensus {

namespace {

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
  std::string data;
  Put(server.disk.ChainAt(server.checkpoint).value(), &data);
  part.data = Payload(data + Encode(state.configuration));
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
  Taker data(part.data.bytes());
  const Chain chain(data.Take<uint64_t>());
  snapshot.configuration = *DecodeConfiguration(part.data.bytes().substr(sizeof(uint64_t)));
  snapshot.configuration_index = Index(part.transfer - 1);
  // The process begins anew with it.
  if (Chance(500)) {
    server.disk.CompleteAll();
  }
  server.raft.reset();
  server.durable.reset();
  server.reads.clear();
  server.disk.Crash();
  server.disk.Install(snapshot, part.last_included_term, chain);
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

}  // namespace quorate::consensus
