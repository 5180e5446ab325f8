// INFO (https://redis.io/docs/latest/commands/info/): the fields of Redis 7.0 that have a meaning
// here, with their meaning there, and a section `raft`.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/ascii.h"
#include "src/base/version.h"
#include "src/commands/families.h"
#include "src/commands/support.h"
#include "src/commands/table.h"
#include "src/node/instance.h"
#include "src/node/told_host.h"

namespace quorate {
namespace {

using enum CommandFlag;

// Collects lines of `name:value`.
class Lines {
 public:
  explicit Lines(const Session& client) : client_(client) {}

  template <typename Value>
  void Add(std::string_view name, const Value& value) {
    fmt::format_to(std::back_inserter(text_), "{}:{}\r\n", name, value);
  }
  void Begin(std::string_view section) {
    if (!text_.empty()) text_ += "\r\n";
    fmt::format_to(std::back_inserter(text_), "# {}\r\n", section);
  }
  const std::string& text() const { return text_; }
  // Who is going to read them.
  const Session& client() const { return client_; }

 private:
  const Session& client_;
  std::string text_;
};

// "1.50M", as Redis writes it.
std::string Human(uint64_t bytes) {
  constexpr std::array<char, 5> kUnits = {'B', 'K', 'M', 'G', 'T'};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{}B", bytes) : fmt::format("{:.2f}{}", value, kUnits[unit]);
}

void Server(const Instance& instance, Lines& lines) {
  utsname system{};
  uname(&system);
  const int64_t uptime_s =
      (instance.clock.monotonic_ms() - instance.statistics.started_at_ms) / 1000;
  lines.Add("redis_version", kRedisVersion);
  lines.Add("quorate_version", kVersion);
  lines.Add("redis_mode", "cluster");
  lines.Add("os", fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  lines.Add("arch_bits", 64);
  lines.Add("multiplexing_api", "epoll");
  lines.Add("gcc_version", fmt::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
  lines.Add("process_id", getpid());
  lines.Add("process_supervised", "no");
  lines.Add("run_id", instance.run_id);
  lines.Add("tcp_port", instance.config.port);
  lines.Add("server_time_usec", instance.clock.unix_us());
  lines.Add("uptime_in_seconds", uptime_s);
  lines.Add("uptime_in_days", uptime_s / 86400);
  lines.Add("hz", 1000 / Node::kTickMs);
  lines.Add("configured_hz", 1000 / Node::kTickMs);
  lines.Add("executable", instance.executable);
  lines.Add("config_file", instance.config_file);
}

void Clients(const Instance& instance, Lines& lines) {
  size_t input_max = 0;
  size_t output_max = 0;
  for (const auto& [id, session] : instance.sessions.all()) {
    input_max = std::max(input_max, session->input.size());
    output_max = std::max(output_max, session->reply_bytes());
  }
  lines.Add("connected_clients", instance.sessions.size());
  lines.Add("maxclients", instance.config.maxclients);
  lines.Add("client_recent_max_input_buffer", input_max);
  lines.Add("client_recent_max_output_buffer", output_max);
  lines.Add("blocked_clients", 0);
}

// A line of /proc/self/status, in bytes; 0 where there is none.
uint64_t ProcessBytes(std::string_view field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(field) && line[field.size()] == ':') {
      return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10) * 1024;
    }
  }
  return 0;
}

// used_memory is what the process has for itself; used_memory_rss counts in LMDB's pages too, which
// the kernel keeps as long as it has nothing better to do with the memory.
void Memory(const Instance& instance, Lines& lines) {
  const uint64_t used = ProcessBytes("RssAnon");
  const uint64_t rss = ProcessBytes("VmRSS");
  const uint64_t peak = ProcessBytes("VmHWM");
  const auto system =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  lines.Add("used_memory", used);
  lines.Add("used_memory_human", Human(used));
  lines.Add("used_memory_rss", rss);
  lines.Add("used_memory_rss_human", Human(rss));
  lines.Add("used_memory_peak", std::max(peak, used));
  lines.Add("used_memory_peak_human", Human(std::max(peak, used)));
  lines.Add("used_memory_memtable", instance.node.keys().memtable_bytes());
  lines.Add("total_system_memory", system);
  lines.Add("total_system_memory_human", Human(system));
  lines.Add("mem_clients_normal", instance.sessions.memory_bytes());
  lines.Add("maxmemory", 0);
  lines.Add("maxmemory_human", "0B");
  lines.Add("maxmemory_policy", "noeviction");
  lines.Add("mem_fragmentation_ratio",
            fmt::format("{:.2f}",
                        used == 0 ? 0.0 : static_cast<double>(rss) / static_cast<double>(used)));
}

// Redis's dumps are backups here. What is not in one is none the less on the disk, in the log and
// in checkpoints.
void Persistence(const Instance& instance, Lines& lines) {
  const storage::KeySpace& keys = instance.node.keys();
  const BackupStatistics& backups = instance.statistics.backups;
  const StorageStatistics storage = instance.storage_statistics();
  lines.Add("loading", 0);
  lines.Add("async_loading", 0);
  // The file may be of a cluster that got further than this one.
  lines.Add("rdb_changes_since_last_save",
            keys.revision() - std::min(keys.revision(), backups.last_revision));
  lines.Add("rdb_bgsave_in_progress", instance.backups.under_way() ? 1 : 0);
  lines.Add("rdb_last_save_time", backups.last_unix_s);
  lines.Add("rdb_last_bgsave_status", backups.last_ok ? "ok" : "err");
  lines.Add("rdb_last_bgsave_time_sec", backups.last_duration_s);
  lines.Add("rdb_current_bgsave_time_sec",
            instance.backups.under_way() ? instance.backups.age_s() : -1);
  lines.Add("rdb_saves", backups.completed);
  lines.Add("rdb_last_save_index", backups.last_index);
  lines.Add("aof_enabled", 1);
  lines.Add("aof_last_write_status", instance.node.DiskHasRoomFor(0) ? "ok" : "err");
  lines.Add("checkpoint_in_progress", keys.checkpoint_under_way() ? 1 : 0);
  lines.Add("checkpoint_status", storage.checkpoint_waits_for_space ? "no-space" : "ok");
  lines.Add("checkpoints", storage.checkpoints);
  lines.Add("checkpoint_pending_keys", keys.unsaved_keys());
  lines.Add("checkpoint_index", keys.checkpoint_index().value());
  lines.Add("checkpoint_last_usec", storage.last_checkpoint_us);
  lines.Add("log_commits", storage.log_commits);
  lines.Add("log_entries", storage.log_entries);
  lines.Add("log_bytes", storage.log_bytes);
  lines.Add("log_disk_bytes", storage.log_file_bytes);
  lines.Add("state_disk_bytes", storage.state_file_bytes);
}

void Stats(const Instance& instance, Lines& lines) {
  const Statistics& statistics = instance.statistics;
  uint64_t errors = 0;
  for (const auto& [code, count] : statistics.errors) errors += count;
  lines.Add("total_connections_received", statistics.connections_received);
  lines.Add("total_commands_processed", statistics.commands_processed);
  lines.Add("instantaneous_ops_per_sec", statistics.instantaneous_ops_per_second);
  lines.Add("total_net_input_bytes", statistics.input_bytes);
  lines.Add("total_net_output_bytes", statistics.output_bytes);
  lines.Add("rejected_connections", statistics.connections_rejected);
  lines.Add("evicted_clients", statistics.clients_evicted);
  lines.Add("expired_keys", 0);
  lines.Add("evicted_keys", 0);
  lines.Add("keyspace_hits", statistics.keyspace_hits);
  lines.Add("keyspace_misses", statistics.keyspace_misses);
  lines.Add("pubsub_channels", 0);
  lines.Add("pubsub_patterns", 0);
  lines.Add("total_error_replies", errors);
}

// Redis's word for how far a follower in touch is.
std::string_view StateOf(const Node& node, const consensus::PeerStatus& peer) {
  if (peer.health == consensus::Health::kOnline) return "online";
  const bool waits = peer.needs_snapshot && !node.sending_snapshot(peer.id);
  return waits ? "wait_bgsave" : "send_bulk";
}

// Redis's replication terms for Raft's: offsets are log indexes, the replication id is the
// cluster's.
void Replication(const Instance& instance, Lines& lines) {
  const Node& node = instance.node;
  const Member* leader = node.leader();
  const bool leads = leader == &node.self();
  lines.Add("role", leads ? "master" : "slave");
  if (!leads) {
    lines.Add("master_host", leader ? ReachableHost(lines.client(), *leader) : "");
    lines.Add("master_port", leader ? leader->port : 0);
    lines.Add("master_link_status", leader ? "up" : "down");
    const auto snapshot = node.receiving_snapshot();
    lines.Add("master_sync_in_progress", snapshot ? 1 : 0);
    if (snapshot) {
      lines.Add("master_sync_read_bytes", snapshot->bytes);
      const int64_t silence_ms = instance.clock.monotonic_ms() - snapshot->heard_at_ms;
      lines.Add("master_sync_last_io_seconds_ago", silence_ms / 1000);
    }
    lines.Add("slave_repl_offset", node.keys().last_applied().value());
    lines.Add("slave_read_only", 1);
  }
  std::vector<std::string> followers;
  if (leads) {
    const auto peers = node.raft().peers();
    for (const Member& member : node.members()) {
      for (const consensus::PeerStatus& peer : peers) {
        if (peer.id.value() != member.id || !peer.recently_active) continue;
        followers.push_back(fmt::format("ip={},port={},state={},offset={},lag={}",
                                        ReachableHost(lines.client(), member), member.port,
                                        StateOf(node, peer), peer.match_index.value(),
                                        peer.silent_ticks * Node::kTickMs / 1000));
      }
    }
  }
  lines.Add("connected_slaves", followers.size());
  for (size_t number = 0; number < followers.size(); ++number) {
    lines.Add(fmt::format("slave{}", number), followers[number]);
  }
  lines.Add("master_failover_state",
            node.raft().transferring_leadership() ? "failover-in-progress" : "no-failover");
  lines.Add("master_replid", fmt::format("{:016x}{:024x}", node.cluster_id(), 0));
  lines.Add("master_repl_offset", node.raft().commit_index().value());
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void Cpu(const Instance&, Lines& lines) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  lines.Add("used_cpu_sys", fmt::format("{:.6f}", Seconds(usage.ru_stime)));
  lines.Add("used_cpu_user", fmt::format("{:.6f}", Seconds(usage.ru_utime)));
}

void CommandStats(const Instance& instance, Lines& lines) {
  const auto& commands = instance.statistics.commands;
  for (size_t number = 0; number < commands.size(); ++number) {
    const CommandStatistics& command = commands[number];
    if (command.calls + command.rejected_calls == 0) continue;
    const double microseconds = static_cast<double>(command.nanoseconds) / 1000;
    lines.Add(
        fmt::format("cmdstat_{}", Commands().all()[number].full_name),
        fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
                    command.calls, command.nanoseconds / 1000,
                    command.calls == 0 ? 0.0 : microseconds / static_cast<double>(command.calls),
                    command.rejected_calls, command.failed_calls));
  }
}

void ErrorStats(const Instance& instance, Lines& lines) {
  for (const auto& [code, count] : instance.statistics.errors) {
    lines.Add(fmt::format("errorstat_{}", code), fmt::format("count={}", count));
  }
}

void Cluster(const Instance&, Lines& lines) { lines.Add("cluster_enabled", 1); }

void Keyspace(const Instance& instance, Lines& lines) {
  for (const auto& [number, database] : instance.node.keys().databases()) {
    if (database.key_count == 0) continue;
    lines.Add(fmt::format("db{}", number),
              fmt::format("keys={},expires={},avg_ttl=0", database.key_count, database.expires));
  }
}

void Raft(const Instance& instance, Lines& lines) {
  const Node& node = instance.node;
  const consensus::Raft& raft = node.raft();
  const StorageStatistics storage = instance.storage_statistics();
  constexpr std::array<std::string_view, 4> kRoles = {"follower", "pre-candidate", "candidate",
                                                      "leader"};
  lines.Add("raft_role", kRoles.at(static_cast<size_t>(raft.role())));
  lines.Add("raft_term", raft.current_term().value());
  lines.Add("raft_node_id", node.self().id);
  lines.Add("raft_leader_id", raft.leader().value_or(consensus::NodeId()).value());
  lines.Add("raft_cluster_id", fmt::format("{:016x}", node.cluster_id()));
  lines.Add("raft_founding_id", fmt::format("{:016x}", raft.founding().value()));
  lines.Add("raft_members", node.members().size());
  lines.Add("raft_voters", std::count_if(node.members().begin(), node.members().end(),
                                         [](const Member& member) { return member.voter; }));
  lines.Add("raft_feature_level", node.feature_level());
  lines.Add("raft_feature_level_known", node.feature_level_known());
  lines.Add("raft_waits_for_create", node.waits_for_create() ? 1 : 0);
  lines.Add("raft_lost_data", raft.has_lost_its_data() ? 1 : 0);
  const std::string& conviction = node.starts().own_conviction();
  lines.Add("raft_lost_data_reason", raft.has_lost_its_data() && conviction.empty()
                                         ? "its data folder was emptied, or is another's"
                                         : conviction);
  size_t lost = 0;
  for (const auto& [member, reason] : node.starts().convictions()) {
    lines.Add(fmt::format("raft_lost_data_peer{}", lost++),
              fmt::format("id={},reason={}", member.value(), reason));
  }
  lines.Add("raft_log_diverged", raft.has_diverged() ? 1 : 0);
  if (const auto& rivals = raft.rival_leaders()) {
    lines.Add("raft_rival_leaders", fmt::format("term={},first={},second={}", rivals->term.value(),
                                                rivals->first.value(), rivals->second.value()));
  }
  lines.Add("raft_commit_index", raft.commit_index().value());
  lines.Add("raft_last_applied", node.keys().last_applied().value());
  lines.Add("raft_first_log_index", raft.first_log_index().value());
  lines.Add("raft_last_log_index", raft.last_log_index().value());
  lines.Add("raft_durable_index", raft.durable_index().value());
  lines.Add("raft_snapshot_index", node.keys().checkpoint_index().value());
  lines.Add("raft_last_commit_usec", storage.last_commit_us);
  lines.Add("raft_state_digest", fmt::format("{:016x}", node.keys().digest()));
  lines.Add("raft_requests_in_flight", node.requests_in_flight());
  size_t number = 0;
  for (const consensus::PeerStatus& peer : raft.peers()) {
    for (const Member& member : node.members()) {
      if (member.id != peer.id.value()) continue;
      lines.Add(
          fmt::format("raft_peer{}", number++),
          fmt::format("id={},address={}:{},voter={},match_index={},next_index={},lag={},active={}"
                      ",feature_level={},snapshot_bytes_sent={}",
                      member.id, member.host, member.peer_port, member.voter ? 1 : 0,
                      peer.match_index.value(), peer.next_index.value(),
                      raft.last_log_index().DistanceFrom(peer.match_index),
                      peer.recently_active ? 1 : 0, peer.feature_level,
                      node.sending_snapshot(peer.id).value_or(SnapshotSender::Progress()).bytes));
    }
  }
}

struct Section {
  std::string_view title;
  void (*write)(const Instance&, Lines&);
  bool by_default = true;
};

constexpr Section kSections[] = {
    {"Server", &Server},
    {"Clients", &Clients},
    {"Memory", &Memory},
    {"Persistence", &Persistence},
    {"Stats", &Stats},
    {"Replication", &Replication},
    {"CPU", &Cpu},
    {"Commandstats", &CommandStats, false},
    {"Errorstats", &ErrorStats},
    {"Cluster", &Cluster},
    {"Keyspace", &Keyspace},
    {"Raft", &Raft},
};

void Info(LocalContext& context, Arguments arguments, resp::ReplyWriter& writer) {
  const Arguments wanted = arguments.subspan(1);
  const auto asks_for = [&](std::string_view name) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](std::string_view word) { return EqualsIgnoringCase(word, name); });
  };
  const bool everything = asks_for("all") || asks_for("everything");
  const bool defaults = wanted.empty() || asks_for("default");
  Lines lines(context.session);
  for (const Section& section : kSections) {
    if (everything || (defaults && section.by_default) || asks_for(section.title)) {
      lines.Begin(section.title);
      section.write(context.instance, lines);
    }
  }
  writer.VerbatimString("txt", lines.text());
}

}  // namespace

const Command kInfoCommand = {
    .name = "info",
    .arity = -1,
    .function = LocalFunction(&Info),
    .flags = {kLoading, kStale},
    .tips = "nondeterministic_output request_policy:all_shards response_policy:special",
    .categories = {Category::kDangerous},
    .group = "server",
    .since = "1.0.0",
    .summary = "Describes the state of the server, in sections.",
    .complexity = "O(N) for N connections",
    .syntax = "[section...]"};

}  // namespace quorate
