#include "src/server/incarnation.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

#include "consensus/founding.h"
#include "consensus/raft.h"
#include "src/base/version.h"
#include "src/commands/table.h"
#include "src/config/config_completion.h"
#include "src/config/logging.h"
#include "src/members/member_address.h"
#include "src/net/loop.h"
#include "src/node/backups.h"
#include "src/node/instance.h"
#include "src/node/node.h"
#include "src/peers/peer_network.h"
#include "src/requests/session.h"
#include "src/server/cluster_identity.h"
#include "src/server/folder_preparation.h"
#include "src/server/process.h"
#include "src/server/server.h"
#include "storage/checkpoint/state_verifier.h"
#include "storage/checkpoint/threaded_checkpointer.h"
#include "storage/folder/data_directory.h"
#include "storage/folder/folder_changes.h"
#include "storage/folder/folder_making.h"
#include "storage/log/threaded_log_writer.h"
#include "storage/snapshot/backup.h"
#include "storage/snapshot/lmdb_snapshot_store.h"

namespace quorate {
namespace {

// A disk is taken for stalled when a commit takes longer than this many election timeouts.
constexpr uint32_t kDiskStallElectionTimeouts = 4;

// Arguments of a request, as in Redis up to 6.2: a read of many more keys would hold up the loop
// for longer than an election timeout.
constexpr size_t kArgumentsMax = 1024 * 1024;

// How often a start that found no space on the disk is tried again: each time the log is read.
constexpr std::chrono::milliseconds kStartInterval(250);

consensus::Config RaftConfig(const Config& config, const ChosenIdentity& chosen,
                             const storage::StateMeta& state) {
  consensus::Config raft;
  raft.id = chosen.identity.node_id;
  raft.seed = RandomSeed();
  const auto ticks = [](uint64_t ms) {
    return static_cast<uint32_t>(std::max<uint64_t>(1, ms / Node::kTickMs));
  };
  raft.heartbeat_ticks = ticks(config.heartbeat_interval_ms);
  raft.election_timeout_ticks = ticks(config.election_timeout_ms);
  raft.feature_level = consensus::kFeatureLevel;
  if (config.feature_level_max > 0 && config.feature_level_max < consensus::kFeatureLevel) {
    raft.feature_level = static_cast<uint32_t>(config.feature_level_max);
  }
  raft.founds_unasked = config.initial_cluster_is_new;
  raft.founding = consensus::Payload(Encode(storage::FoundingOfNext(state)));
  raft.disk_stall_ticks = kDiskStallElectionTimeouts * raft.election_timeout_ticks;
  return raft;
}

NodeOptions MakeNodeOptions(const Config& config, const ChosenIdentity& chosen,
                            const storage::StateMeta& state) {
  NodeOptions options;
  options.raft = RaftConfig(config, chosen, state);
  options.feature_level_known = consensus::kFeatureLevel;
  options.cluster_id = chosen.identity.cluster_id;
  options.self = {chosen.identity.node_id.value(), chosen.address.host, chosen.address.port,
                  chosen.address.peer_port};
  options.may_be_adopted = MayBeAdopted(chosen.identity);
  options.may_be_created = BeganWithInitialCluster(chosen.identity);
  options.is_to_join = !config.join.empty() && options.may_be_adopted;
  options.fatal = &EndProcess;
  options.request_timeout_ms = static_cast<int64_t>(config.request_timeout_ms);
  options.checkpoint_interval_ms = static_cast<int64_t>(config.checkpoint_interval_ms);
  options.backlog_bytes = config.repl_backlog_size;
  options.backlog_entries = config.repl_backlog_entries;
  options.snapshots.first_transfer = RandomSeed() | 1;
  return options;
}

PeerNetwork::Options NetworkOptions(const Config& config, const ChosenIdentity& chosen) {
  PeerNetwork::Options options;
  options.cluster_id = chosen.identity.cluster_id;
  options.node_id = chosen.identity.node_id.value();
  options.process = RandomSeed();
  options.own_address =
      MemberAddress({0, chosen.address.host, chosen.address.port, chosen.address.peer_port});
  options.bind = config.bind;
  options.port = chosen.listen_peer_port;
  options.send_timeout_ms = static_cast<unsigned>(2 * config.election_timeout_ms);
  return options;
}

// With the host of a member where this node is to join a cluster, and has not.
JoinRequest::Options JoinOptions(const Config& config, const ChosenIdentity& chosen) {
  JoinRequest::Options options;
  options.cluster_id = chosen.identity.cluster_id;
  if (!config.join.empty() && MayBeAdopted(chosen.identity)) {
    const auto member = std::get<Member>(ParseMemberAddress(config.join));  // checked at the start
    options.host = member.host;
    options.port = member.port;
  }
  options.own_host = config.cluster_announce_ip;
  if (const std::string& host = config.self().host; !host.empty()) {
    options.listens_on.push_back(host);
    for (const BindAddress& address : config.bind) options.listens_on.push_back(address.host);
  }
  options.own_port = chosen.address.port;
  options.own_peer_port = chosen.address.peer_port;
  return options;
}

// To whoever started the server, and into the log where that is somewhere else.
int Fail(const Config& config, const std::string& text) {
  if (!config.logfile.empty()) spdlog::critical("{}", text);
  std::cerr << "quorate-server: " << text << std::endl;
  return 1;
}

void ReportError(const std::string& text) { spdlog::error("{}", text); }

void ReportVerified(uint64_t keys, int64_t duration_usec) {
  spdlog::info("the state is intact: {} keys verified in {} ms", keys, duration_usec / 1000);
}

storage::ThreadedLogWriter::Options WriterOptions(std::function<void()> wake) {
  storage::ThreadedLogWriter::Options options;
  options.wake = std::move(wake);
  options.report = &ReportError;
  options.fatal = &EndProcess;
  options.slow_commit = [](const storage::CommitReport& commit) {
    spdlog::warn("slow disk: a commit of {} entries, {} bytes, to the log took {} ms",
                 commit.entries, commit.bytes, commit.duration_usec / 1000);
  };
  return options;
}

StorageStatistics StorageFigures(const storage::ThreadedLogWriter& log_writer,
                                 const storage::ThreadedCheckpointer& checkpointer,
                                 const storage::OpenedStorage& data) {
  const auto log = log_writer.statistics();
  const auto checkpoints = checkpointer.statistics();
  StorageStatistics figures;
  figures.log_commits = log.commits;
  figures.log_entries = log.entries;
  figures.log_bytes = log.bytes;
  figures.last_commit_us = static_cast<uint64_t>(log.last_commit_usec);
  figures.checkpoints = checkpoints.checkpoints;
  figures.last_checkpoint_us = static_cast<uint64_t>(checkpoints.last_duration_usec);
  figures.log_file_bytes = FileBytes(data.log->file());
  figures.checkpoint_waits_for_space = checkpointer.disk_full();
  figures.state_file_bytes = FileBytes(data.state->file());
  return figures;
}

std::string BackupPath(const Config& config) { return config.dir + "/" + config.dbfilename; }

// Precondition: the folder is locked.
void LookAtBackups(ProcessFacts& process) {
  const std::string path = BackupPath(process.config);
  const storage::Status removed = storage::RemoveUnfinishedBackup(path);
  if (!removed.ok()) spdlog::warn("{}", removed.error());
  BackupStatistics& backups = process.statistics.backups;
  const bool first_life = backups.last_unix_s == 0;
  if (first_life) backups = FindLastBackup(path, process.statistics.started_at_unix_us);
}

// Through which storage's threads wake the server, which begins after them and ends before them.
class Waker {
 public:
  void Wake() {
    const std::lock_guard lock(mutex_);
    if (server_ != nullptr) server_->WakeUp();
  }
  // Null: there is nobody to wake any more, and nobody is being woken when this returns.
  void set_server(Server* server) {
    const std::lock_guard lock(mutex_);
    server_ = server;
  }

 private:
  std::mutex mutex_;
  Server* server_ = nullptr;
};

// As later on, a full disk is waited for; a signal ends the process meanwhile.
storage::Result<storage::OpenedStorage> OpenFolder(const std::string& folder,
                                                   const storage::Identity& identity,
                                                   const storage::StorageOptions& options) {
  for (bool first = true;; first = false) {
    auto opened = storage::OpenStorage(folder, identity, options);
    if (!opened.disk_full()) return opened;
    if (first) spdlog::error("{}; the start waits for space", opened.error());
    std::this_thread::sleep_for(kStartInterval);
  }
}

// The part of a life in which the loop and the storage threads run.
Server::End Serve(ProcessFacts& process, const ChosenIdentity& chosen,
                  const storage::StorageOptions& options, storage::OpenedStorage& data) {
  Config& config = process.config;
  Loop loop;
  resp::Limits& limits = process.limits;
  limits.bulk_bytes_max = config.proto_max_bulk_len;
  limits.multibulk_count_max = kArgumentsMax;
  Sessions& sessions = process.sessions;
  Server::End end;
  {
    // The threads may finish something before the server is there; it looks for itself once it is.
    Waker waker;
    const auto wake = [&waker] { waker.Wake(); };
    storage::ThreadedLogWriter log_writer(*data.log, WriterOptions(wake));
    storage::ThreadedCheckpointer checkpointer(*data.state, {wake, &EndProcess, &ReportError});
    const storage::StateVerifier verifier(*data.state, {&ReportVerified, &EndProcess});
    storage::LmdbSnapshotStore snapshots(*data.state, config.dir, storage::StateOptions(options),
                                         wake);
    PeerNetwork peers(loop.uv(), NetworkOptions(config, chosen));
    Node node(MakeNodeOptions(config, chosen, data.state->meta()), data.recovered,
              {log_writer, log_writer, *data.state, checkpointer, snapshots, peers, process.clock,
               process.statistics, sessions, Commands()});
    peers.Attach(node);

    Backups backups(node, sessions, process.statistics, process.clock, [&]() -> Backups::Task {
      const auto writer = std::make_shared<storage::BackupWriter>(
          *data.state, BackupPath(config), storage::BackupWriter::Options{wake});
      return [writer] { return writer->TakeFinished(); };
    });

    Instance instance{
        config, node, sessions, process.statistics, process.clock, backups, {}, {}, {}, {}, {}, {}};
    instance.executable = process.executable;
    instance.config_file = config.config_file;
    instance.run_id = process.run_id;
    const auto bound_clients = [&] {
      sessions.set_bounds(
          {config.client_output_buffer_limit.hard_bytes, config.maxmemory_clients_bytes});
    };
    bound_clients();
    instance.config_changed = [&, bound_clients]() -> std::optional<std::string> {
      if (const uint64_t possible = RaiseOpenFileLimit(config.maxclients);
          possible < config.maxclients) {
        return fmt::format(
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating "
            "system is not able to handle the specified number of clients, try with {}",
            possible);
      }
      SetLogLevel(config.loglevel);
      bound_clients();
      limits.bulk_bytes_max = config.proto_max_bulk_len;
      node.set_request_timeout_ms(static_cast<int64_t>(config.request_timeout_ms));
      node.set_backlog(config.repl_backlog_size, config.repl_backlog_entries);
      return std::nullopt;
    };
    instance.storage_statistics = [&] { return StorageFigures(log_writer, checkpointer, data); };

    Server server(loop, instance, peers, JoinOptions(config, chosen));
    if (const auto error = server.Listen()) {
      end.exit_code = Fail(config, *error);
    } else {
      const PidFile pid_file(config.pidfile);
      waker.set_server(&server);
      server.Attach(std::exchange(process.clients, {}));
      end = server.Run();
      waker.set_server(nullptr);
    }
    log_writer.Stop();
    checkpointer.Stop();
  }
  return end;
}

// That the cluster has for this node, as far as its own disk knows. Empty: none.
std::string NotedHost(const consensus::Recovered& recovered, consensus::NodeId self) {
  const consensus::Configuration& newest = recovered.configurations.empty()
                                               ? recovered.configuration
                                               : recovered.configurations.back().second;
  const consensus::ConfigurationMember* noted = consensus::FindMember(newest, self);
  if (noted == nullptr) return "";
  const Parsed<Member> member = ParseMemberAddress(noted->address, HostPart::kMayBeUnknown);
  return std::holds_alternative<Member>(member) ? std::get<Member>(member).host : "";
}

}  // namespace

LifeEnd Live(ProcessFacts& process) {
  Config& config = process.config;
  storage::StorageOptions options;
  options.fatal = &EndProcess;
  auto preparation = PrepareFolder(config, options);
  if (const auto* error = std::get_if<std::string>(&preparation)) {
    return {false, Fail(config, *error)};
  }
  auto& chosen = std::get<ChosenIdentity>(preparation);
  Server::End end;
  {
    auto opened = OpenFolder(config.dir, chosen.identity, options);
    if (!opened.ok()) return {false, Fail(config, opened.error())};
    storage::OpenedStorage& data = opened.value();
    if (chosen.address.host.empty()) {
      chosen.address.host =
          HostAfterMove(config, NotedHost(data.recovered, chosen.identity.node_id));
    }
    LookAtBackups(process);
    if (const uint64_t possible = RaiseOpenFileLimit(config.maxclients);
        possible < config.maxclients) {
      spdlog::warn(
          "the system does not allow that many open files: maxclients is reduced from {} "
          "to {}",
          config.maxclients, possible);
      config.maxclients = possible;
    }
    SetLogNode(chosen.identity.node_id.value());
    spdlog::info("Quorate {} started: {}, data in {}", kVersion, storage::Describe(chosen.identity),
                 config.dir);
    spdlog::info("the log holds entries {} to {}, {} of them to be applied again",
                 data.recovered.base_index.value() + 1, data.recovered.last_index.value(),
                 data.recovered.last_index.value() - data.recovered.last_applied.value());
    if (data.log_begun_anew) spdlog::info("the state is that of a snapshot; the log follows it");
    end = Serve(process, chosen, options, data);
  }
  if (!end.new_life) return {false, end.exit_code};
  process.clients = std::move(end.clients);
  if (const std::optional<storage::Identity>& adopted = end.new_life->adopted) {
    const storage::Status status =
        storage::AdoptIdentity(config.dir, *adopted, end.new_life->discards_data, options);
    if (!status.ok()) return {false, Fail(config, status.error())};
  } else {
    const storage::Status status = storage::InstallIncoming(config.dir, options);
    if (!status.ok()) return {false, Fail(config, status.error())};
  }
  return {true, 0};
}

}  // namespace quorate
