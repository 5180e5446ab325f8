#include "tests/src/node/node_support.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "resp/command_encoder.h"
#include "src/commands/table.h"
#include "storage/keyspace/key_slot.h"

namespace quorate {

void TestDisk::Complete() {
  for (; !queue_.empty(); queue_.pop_front()) {
    consensus::Persist& persist = queue_.front();
    if (persist.hard_state) hard_state_ = *persist.hard_state;
    if (persist.founding) founding_ = *persist.founding;
    if (persist.ledger) ledger_ = *persist.ledger;
    if (persist.truncate_from) {
      log_.erase(log_.lower_bound(*persist.truncate_from), log_.end());
      sizes_.Truncate(*persist.truncate_from);
    }
    for (consensus::Entry& entry : persist.entries) {
      log_.insert_or_assign(entry.index, entry);
      sizes_.Append(entry.payload.size());
    }
    durable_ = persist.seq;
  }
}

void TestDisk::PutBack(const Image& copy) {
  Crash();
  hard_state_ = copy.hard_state;
  founding_ = copy.founding;
  ledger_ = copy.ledger;
  log_ = copy.log;
  sizes_.Truncate(log_.empty() ? consensus::Index(1) : log_.rbegin()->first + 1);
}

consensus::Recovered TestDisk::Recover() const {
  consensus::Recovered recovered;
  recovered.hard_state = hard_state_;
  recovered.founding = founding_;
  recovered.ledger = ledger_;
  for (const auto& [index, entry] : log_) {
    if (recovered.terms.empty() || recovered.terms.back().term != entry.term) {
      recovered.terms.push_back({entry.term, index});
    }
    recovered.last_index = index;
    recovered.last_chain = entry.chain;
    if (entry.kind == consensus::EntryKind::kConfiguration) {
      recovered.configurations.emplace_back(
          index, consensus::DecodeConfiguration(entry.payload.bytes()).value());
    }
  }
  return recovered;
}

void TestDisk::Crash() {
  queue_.clear();
  durable_ = {};
}

std::optional<storage::RecordView> TestState::Find(storage::DatabaseId database,
                                                   std::string_view key) const {
  const auto found = rows_.find({database, std::string(key)});
  if (found == rows_.end()) return std::nullopt;
  return found->second.view();
}

storage::DatabaseSums TestState::LoadSlotSums() const {
  storage::DatabaseSums sums;
  for (const auto& [place, row] : rows_) {
    const auto& [database, key] = place;
    sums[database].Add(storage::KeySlot(key), storage::HeaderDigest(key, row.view().header));
  }
  return sums;
}

void TestState::Refresh() {
  if (!started_) return;
  started_->changes->VisitAll([this](const storage::Memtable::Change& change) {
    if (change.deleted()) {
      rows_.erase({change.database(), std::string(change.key())});
    } else {
      rows_.insert_or_assign(std::pair(change.database(), std::string(change.key())),
                             storage::OwnedRecord(change.view()));
    }
  });
  meta_ = started_->meta;
  started_.reset();
}

void TestNetwork::Send(consensus::NodeId to, consensus::Message message) {
  cluster->Deliver(from, to, std::move(message));
}

void TestNetwork::Probe(const Member& place, int64_t timeout_ms, Probed done) {
  cluster->Probe(from, place, timeout_ms, std::move(done));
}

TestMember::TestMember(TestCluster* cluster, const NodeOptions& node_options,
                       const std::vector<Member>& members, uint64_t id)
    : options(node_options), clock(cluster->clock()) {
  network.cluster = cluster;
  network.from = id;
  config.node_id = id;
  config.members = members;
  options.raft.id = consensus::NodeId(id);
  options.raft.seed = 1000 + id;
  options.self = members[id - 1];
  state.BeginWith(members);
  Start();
}

void TestMember::Start() {
  dispatcher.reset();
  instance.reset();
  backups.reset();
  consensus::Recovered recovered = disk.Recover();
  recovered.configuration = InitialConfiguration(config.members);
  recovered.last_applied = state.meta().last_applied;
  node = std::make_unique<Node>(options, recovered,
                                Node::Parts{disk, disk, state, state, snapshots, network, clock,
                                            statistics, sessions, Commands()});
  backups = std::make_unique<Backups>(*node, sessions, statistics, clock, [this] {
    ++backups_begun;
    return [this] { return std::exchange(backup_end, std::nullopt); };
  });
  instance = std::make_unique<Instance>(
      Instance{config, *node, sessions, statistics, clock, *backups, {}, {}, {}, {}, {}, {}});
  instance->storage_statistics = [] { return StorageStatistics{}; };
  instance->config_changed = [] { return std::nullopt; };
  dispatcher = std::make_unique<Dispatcher>(*instance);
}

TestCluster::TestCluster(size_t members, const NodeOptions& options) {
  spdlog::set_level(spdlog::level::off);
  NodeOptions shared = options;
  shared.cluster_id = 7;
  std::vector<Member> all;
  for (uint64_t id = 1; id <= members; ++id) {
    const auto port = static_cast<uint16_t>(7000 + id);
    all.push_back({id, "127.0.0.1", port, static_cast<uint16_t>(port + 10000)});
  }
  for (uint64_t id = 1; id <= members; ++id) {
    members_.emplace(id, std::make_unique<TestMember>(this, shared, all, id));
  }
}

void TestCluster::Deliver(uint64_t from, consensus::NodeId to, consensus::Message message) {
  sent_.push_back({from, to.value(), std::move(message)});
}

void TestCluster::Probe(uint64_t from, const Member& place, int64_t timeout_ms,
                        Network::Probed done) {
  probes_.push_back({from, place.port, clock_.now_ms + timeout_ms, std::move(done)});
}

ProbeAnswer TestCluster::FindOut(uint16_t port) const {
  if (const auto other = others.find(port); other != others.end()) return other->second;
  for (const auto& [id, member] : members_) {
    if (port != 7000 + id) continue;
    if (!member->connected)
      return {.kind = ProbeAnswer::Kind::kNobody, .text = "connection refused"};
    return {ProbeAnswer::Kind::kMember, id};
  }
  return {ProbeAnswer::Kind::kEmpty};
}

void TestCluster::Restart(uint64_t id) {
  std::erase_if(probes_, [id](const OpenProbe& probe) { return probe.from == id; });
  member(id).disk.Crash();
  member(id).state.Crash();
  member(id).Start();
}

void TestCluster::Step() {
  for (auto& [id, member] : members_) {
    member->node->Flush();
    member->backups->Run();
  }
  for (std::deque<Sent> arriving = std::exchange(sent_, {}); !arriving.empty();
       arriving.pop_front()) {
    Sent& sent = arriving.front();
    if (!members_.contains(sent.to)) {  // one that was added
      if (const auto* heartbeat = std::get_if<consensus::Heartbeat>(&sent.message);
          heartbeat && newcomers_follow && member(sent.from).connected) {
        node(sent.from).Receive(
            consensus::NodeId(sent.to),
            consensus::HeartbeatReply{heartbeat->term, heartbeat->read_round, false});
      }
      continue;
    }
    if (!member(sent.from).connected || !member(sent.to).connected) continue;
    node(sent.to).Receive(consensus::NodeId(sent.from), std::move(sent.message));
  }
  for (auto& [id, member] : members_) {
    if (member->disk_works) member->disk.Complete();
  }
  for (OpenProbe& probe : std::exchange(probes_, {})) {
    const ProbeAnswer answer = FindOut(probe.port);
    if (answer.kind != ProbeAnswer::Kind::kNobody || clock_.now_ms >= probe.deadline_ms) {
      probe.done(answer);
    } else {
      probes_.push_back(std::move(probe));
    }
  }
}

void TestCluster::Tick() {
  clock_.now_ms += Node::kTickMs;
  for (auto& [id, member] : members_) member->node->Tick();
  Steps(4);
}

uint64_t TestCluster::WaitForLeader() {
  for (int ticks = 0; ticks < 2000; ++ticks) {
    Tick();
    for (auto& [id, member] : members_) {
      if (member->connected && member->node->raft().leader_is_established()) return id;
    }
  }
  ADD_FAILURE() << "no leader";
  return 0;
}

void TestCluster::MakeLeader(uint64_t id) {
  for (int attempts = 0; attempts < 100; ++attempts) {
    if (WaitForLeader() == id) return;
    node(id).TransferLeadership(std::nullopt);
    for (int ticks = 0; ticks < 10; ++ticks) Tick();
  }
  FAIL() << "member " << id << " does not become leader";
}

std::shared_ptr<Session> TestCluster::Connect(uint64_t id) {
  return member(id).sessions.Open("127.0.0.1:50000", "127.0.0.1:7000", clock_.monotonic_ms());
}

std::string Request(const std::vector<std::string_view>& arguments) {
  std::string bytes;
  resp::AppendCommand(arguments, &bytes);
  return bytes;
}

}  // namespace quorate
