// quorate-server: reads what it is told, opens its data folder, and puts the parts together.
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <variant>

#include "consensus/raft.h"
#include "src/clock.h"
#include "src/cluster_identity.h"
#include "src/command_line.h"
#include "src/instance.h"
#include "src/logging.h"
#include "src/node.h"
#include "src/peer_network.h"
#include "src/server.h"
#include "src/version.h"
#include "storage/data_directory.h"
#include "storage/threaded_checkpointer.h"
#include "storage/threaded_log_writer.h"

namespace quorate {
namespace {

// A disk is taken for stalled when a commit takes longer than this many election timeouts.
constexpr uint32_t kDiskStallElectionTimeouts = 4;

// File descriptors beside those of clients: the ports, the peers, LMDB, the log.
constexpr rlim_t kReservedDescriptors = 96;

class SystemClock : public Clock {
 public:
  int64_t monotonic_ns() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  int64_t unix_us() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::string RandomRunId() {
  return fmt::format("{:016x}{:016x}{:08x}", RandomSeed(), RandomSeed(),
                     static_cast<uint32_t>(RandomSeed()));
}

std::string ExecutablePath() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

uint64_t FileBytes(const std::string& path) {
  struct stat facts {};
  // What it takes on the disk: LMDB's files have holes.
  return stat(path.c_str(), &facts) == 0 ? static_cast<uint64_t>(facts.st_blocks) * 512 : 0;
}

// As many descriptors as maxclients asks for; fewer clients where the system does not give them.
void AdjustOpenFileLimit(Config& config) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = config.maxclients + kReservedDescriptors;
  if (limit.rlim_cur >= wanted) return;
  rlimit raised = limit;
  raised.rlim_cur = wanted;
  raised.rlim_max = std::max(limit.rlim_max, wanted);
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  raised = {limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) != 0) raised = limit;
  if (raised.rlim_cur >= wanted) return;
  const uint64_t possible =
      raised.rlim_cur > kReservedDescriptors ? raised.rlim_cur - kReservedDescriptors : 1;
  spdlog::warn("the system allows {} open files: maxclients is reduced from {} to {}",
               raised.rlim_cur, config.maxclients, possible);
  config.maxclients = possible;
}

consensus::Config RaftConfig(const Config& config) {
  consensus::Config raft;
  raft.id = consensus::NodeId(config.node_id);
  raft.seed = RandomSeed();
  const auto ticks = [](uint64_t ms) {
    return static_cast<uint32_t>(std::max<uint64_t>(1, ms / Node::kTickMs));
  };
  raft.heartbeat_ticks = ticks(config.heartbeat_interval_ms);
  raft.election_timeout_ticks = ticks(config.election_timeout_ms);
  raft.disk_stall_ticks = kDiskStallElectionTimeouts * raft.election_timeout_ticks;
  return raft;
}

// Any thread. Nothing is tidied up: what is on the disk is what counts.
[[noreturn]] void EndProcess(const std::string& text) {
  spdlog::critical("{}", text);
  spdlog::critical("this node cannot go on and stops; nothing is acknowledged after this");
  spdlog::default_logger()->flush();
  std::_Exit(1);
}

// To whoever started the server, and into the log where that is somewhere else.
int Fail(const Config& config, const std::string& text) {
  if (!config.logfile.empty()) spdlog::critical("{}", text);
  std::cerr << "quorate-server: " << text << std::endl;
  return 1;
}

// Writes the pid for as long as the server runs.
class PidFile {
 public:
  explicit PidFile(const std::string& path) : path_(path) {
    if (path_.empty()) return;
    std::ofstream file(path_);
    file << getpid() << '\n';
    if (!file.flush()) spdlog::warn("could not write the pidfile {}", path_);
  }
  ~PidFile() {
    if (!path_.empty()) std::remove(path_.c_str());
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  const std::string path_;
};

int Serve(Config config) {
  storage::StorageOptions storage_options;
  storage_options.fatal = &EndProcess;
  auto stored = storage::ReadIdentity(config.dir, storage_options);
  if (!stored.ok()) return Fail(config, stored.error());
  const auto chosen = ChooseIdentity(config, stored.value());
  if (const auto* error = std::get_if<std::string>(&chosen)) return Fail(config, *error);
  const auto& identity = std::get<storage::Identity>(chosen);
  auto opened = storage::OpenStorage(config.dir, identity, storage_options);
  if (!opened.ok()) return Fail(config, opened.error());
  storage::OpenedStorage& data = opened.value();
  AdjustOpenFileLimit(config);

  spdlog::info("Quorate {} started: node {} of cluster {:016x} with {} member(s), data in {}",
               kVersion, config.node_id, identity.cluster_id, config.members.size(), config.dir);
  spdlog::info("the log holds entries {} to {}, {} of them to be applied again",
               data.recovered.base_index.value() + 1, data.recovered.last_index.value(),
               data.recovered.last_index.value() - data.recovered.last_applied.value());

  uv_loop_t loop;
  uv_loop_init(&loop);
  SystemClock clock;
  Statistics statistics;
  statistics.started_at_ms = clock.monotonic_ms();
  statistics.started_at_unix_us = clock.unix_us();
  resp::Limits limits;
  limits.bulk_bytes_max = config.proto_max_bulk_len;
  Sessions sessions(&limits);

  int exit_code = 0;
  {
    // The threads may finish something before the server is there; it looks for itself once it is.
    std::atomic<Server*> awake{nullptr};
    const auto wake = [&awake] {
      if (Server* running = awake.load()) running->WakeUp();
    };
    const auto report = [](const std::string& text) { spdlog::error("{}", text); };
    storage::ThreadedLogWriter::Options writer_options;
    writer_options.wake = wake;
    writer_options.report = report;
    writer_options.fatal = &EndProcess;
    writer_options.slow_commit = [](const storage::CommitReport& commit) {
      spdlog::warn("slow disk: a commit of {} entries, {} bytes, to the log took {} ms",
                   commit.entries, commit.bytes, commit.duration_usec / 1000);
    };
    storage::ThreadedLogWriter log_writer(*data.log, writer_options);
    storage::ThreadedCheckpointer checkpointer(*data.state, {wake, &EndProcess, report});
    PeerNetwork peers(&loop, config, identity.cluster_id);

    NodeOptions options;
    options.raft = RaftConfig(config);
    options.cluster_id = identity.cluster_id;
    options.members = config.members;
    options.request_timeout_ms = static_cast<int64_t>(config.request_timeout_ms);
    options.checkpoint_interval_ms = static_cast<int64_t>(config.checkpoint_interval_ms);
    Node node(
        options, data.recovered,
        {log_writer, log_writer, *data.state, checkpointer, peers, clock, statistics, sessions});
    peers.Attach(node);

    Instance instance{config, node, sessions, statistics, clock, {}, {}, {}, {}, {}, {}};
    instance.executable = ExecutablePath();
    instance.config_file = config.config_file;
    instance.run_id = RandomRunId();
    instance.config_changed = [&] {
      SetLogLevel(config.loglevel);
      limits.bulk_bytes_max = config.proto_max_bulk_len;
      node.set_request_timeout_ms(static_cast<int64_t>(config.request_timeout_ms));
    };
    instance.storage_statistics = [&] {
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
    };

    Server server(&loop, instance, peers);
    if (const auto error = server.Listen()) {
      exit_code = Fail(config, *error);
    } else {
      const PidFile pid_file(config.pidfile);
      awake = &server;
      exit_code = server.Run();
      awake = nullptr;
    }
    // No thread may wake a server that is gone.
    log_writer.Stop();
    checkpointer.Stop();
  }
  uv_run(&loop, UV_RUN_DEFAULT);  // what the sockets had left to say
  uv_loop_close(&loop);
  return exit_code;
}

int Main(int argc, char** argv) {
  CommandLine parsed = ParseCommandLine(argc, argv, std::cin);
  if (const auto* help = std::get_if<HelpText>(&parsed)) {
    std::cout << help->text;
    return 0;
  }
  if (const auto* version = std::get_if<VersionText>(&parsed)) {
    std::cout << version->text;
    return 0;
  }
  if (const auto* error = std::get_if<ConfigError>(&parsed)) {
    std::cerr << error->Message();
    return 1;
  }
  Config config = std::get<Config>(std::move(parsed));
  if (const auto error = StartLogging(config)) {
    std::cerr << "quorate-server: " << *error << std::endl;
    return 1;
  }
  return Serve(std::move(config));
}

}  // namespace
}  // namespace quorate

int main(int argc, char** argv) { return quorate::Main(argc, argv); }
