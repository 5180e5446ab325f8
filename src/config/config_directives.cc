#include "src/config/config_directives.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <system_error>

#include "src/base/ascii.h"
#include "src/config/config_values.h"

namespace quorate {
namespace {

constexpr uint64_t kInt32Max = std::numeric_limits<int32_t>::max();
constexpr uint64_t kUint32Max = std::numeric_limits<uint32_t>::max();
constexpr uint64_t kMebibyte = uint64_t{1} << 20;
constexpr uint64_t kTebibyte = uint64_t{1} << 40;
constexpr uint64_t kMinuteMs = uint64_t{60} * 1000;
constexpr uint64_t kHourMs = 60 * kMinuteMs;

constexpr DirectiveGroup kNetwork = DirectiveGroup::kNetwork;
constexpr DirectiveGroup kClients = DirectiveGroup::kClients;
constexpr DirectiveGroup kProcess = DirectiveGroup::kProcess;
constexpr DirectiveGroup kCluster = DirectiveGroup::kCluster;
constexpr DirectiveGroup kFixed = DirectiveGroup::kFixed;
constexpr bool kChangeable = true;
constexpr bool kAtStart = false;

// A name that redis.conf has keeps its meaning there, and its bounds but where the comment says
// otherwise.
constexpr std::array kDirectives = {
    Directive{"port", kNetwork, kAtStart, PortKind{&Config::port}, "PORT", "Port for clients"},
    Directive{"bind", kNetwork, kAtStart, AddressesKind{&Config::bind}, "ADDRESS ...",
              "Addresses to listen on, for clients and peers; one with '-' in front may be absent"},
    Directive{"protected-mode", kNetwork, kChangeable, YesNoKind{&Config::protected_mode}, "yes|no",
              "Refuse clients from other machines, as long as there is no password"},
    Directive{"tcp-backlog", kNetwork, kAtStart, NumberKind{&Config::tcp_backlog, 0, kInt32Max},
              "N", "Connections that wait to be accepted"},
    Directive{"tcp-keepalive", kNetwork, kChangeable,
              NumberKind{&Config::tcp_keepalive_seconds, 0, kInt32Max}, "SECONDS",
              "Probe idle connections this often; 0: never"},

    Directive{"maxclients", kClients, kChangeable, NumberKind{&Config::maxclients, 1, kUint32Max},
              "N", "Clients connected at the same time"},
    Directive{"timeout", kClients, kChangeable, NumberKind{&Config::timeout_seconds, 0, kInt32Max},
              "SECONDS", "Disconnect clients that are idle for so long; 0: never"},
    // At most 64 MiB, where Redis allows any size: one write travels to every member as one
    // message, ahead of the next heartbeats.
    Directive{"proto-max-bulk-len", kClients, kAtStart,
              MemoryKind{&Config::proto_max_bulk_len, kMebibyte, 64 * kMebibyte}, "BYTES",
              "Greatest value of a key; at most 64mb"},
    Directive{"client-query-buffer-limit", kClients, kAtStart,
              MemoryKind{&Config::client_query_buffer_limit_bytes, kMebibyte, 1024 * kMebibyte},
              "BYTES", "Greatest request; at most 1gb"},
    Directive{"client-output-buffer-limit", kClients, kChangeable,
              OutputBufferLimitKind{&Config::client_output_buffer_limit},
              "normal HARD SOFT SECONDS",
              "Disconnect a client with more than HARD bytes of unread replies, or with more than "
              "SOFT for SECONDS; 0: no limit"},
    // Redis also takes a percentage of maxmemory, which is 0 here.
    Directive{"maxmemory-clients", kClients, kChangeable,
              MemoryKind{&Config::maxmemory_clients_bytes, 0, kTebibyte}, "BYTES",
              "Disconnect the clients that take most when all take more than this; 0: never"},
    Directive{"request-timeout", kClients, kChangeable,
              NumberKind{&Config::request_timeout_ms, 1, kHourMs}, "MS",
              "Answer -UNKNOWN to a write that is undecided for so long"},

    Directive{"dir", kProcess, kAtStart, PathKind{&Config::dir}, "DIR", "Folder of all data"},
    Directive{"require-data", kProcess, kAtStart, YesNoKind{&Config::require_data}, "yes|no",
              "End with an error if that folder holds no data, as when its disk is not mounted. "
              "For every start but the first"},
    Directive{"dbfilename", kProcess, kAtStart, TextKind{&Config::dbfilename, false}, "FILE",
              "Name of the file in that folder which BGSAVE and SAVE write"},
    Directive{"loglevel", kProcess, kChangeable, LogLevelKind{&Config::loglevel}, "LEVEL",
              "Least level to log: debug, verbose, notice or warning"},
    Directive{"logfile", kProcess, kAtStart, TextKind{&Config::logfile, true}, "FILE",
              "File to append the log to; \"\": standard output"},
    Directive{"pidfile", kProcess, kAtStart, TextKind{&Config::pidfile, true}, "FILE",
              "File to write the process id to; \"\": none"},

    // 32 bits, so that an id fits any number that a client's language may have for it.
    Directive{"node-id", kCluster, kAtStart, NumberKind{&Config::node_id, 0, kUint32Max}, "ID",
              "Which of the cluster's members this server is; 0: as the data folder says, or else "
              "1"},
    Directive{"initial-cluster", kCluster, kAtStart, TextKind{&Config::initial_cluster, true},
              "ID=HOST:PORT[@PEERPORT],...",
              "All members of a new cluster; \"\": this server alone. The peer port defaults to "
              "the port plus 10000"},
    Directive{
        "initial-cluster-state", kCluster, kAtStart,
        ClusterStateKind{&Config::initial_cluster_is_new}, "new|existing",
        "existing: its members wait for CLUSTER CREATE, sent once to one of them. new: they "
        "begin the cluster by themselves, and a new one whenever all their folders are empty"},
    Directive{"initial-cluster-token", kCluster, kAtStart,
              TextKind{&Config::initial_cluster_token, false}, "TEXT",
              "A name that keeps servers of different clusters apart"},
    Directive{"cluster-announce-ip", kCluster, kAtStart,
              TextKind{&Config::cluster_announce_ip, true}, "HOST",
              "Where clients and peers reach this server; \"\": as initial-cluster or bind say"},
    Directive{"cluster-announce-port", kCluster, kAtStart, PortKind{&Config::cluster_announce_port},
              "PORT", "The port for clients as seen from outside; 0: port"},
    Directive{"cluster-port", kCluster, kAtStart, PortKind{&Config::cluster_port}, "PORT",
              "Port for peers; 0: as initial-cluster says, or the port plus 10000"},
    Directive{"cluster-announce-bus-port", kCluster, kAtStart,
              PortKind{&Config::cluster_announce_bus_port}, "PORT",
              "The port for peers as seen from outside; 0: the one listened on"},
    Directive{"restore-from", kCluster, kAtStart, TextKind{&Config::restore_from, true}, "FILE",
              "Begin a new cluster with this backup; all its first members are started with the "
              "same file. Of no effect on a folder that was begun with one"},
    Directive{
        "force-new-cluster", kCluster, kAtStart, TextKind{&Config::force_new_cluster, true},
        "CLUSTER-ID",
        "The majority of that cluster is lost for good: make this survivor the only member of "
        "a new one. Of no effect once that is done"},
    Directive{
        "join", kCluster, kAtStart, TextKind{&Config::join, true}, "HOST:PORT",
        "Have the cluster of the member with that client address take this new, empty node in"},
    Directive{"repl-backlog-size", kCluster, kChangeable,
              MemoryKind{&Config::repl_backlog_size, 0, kTebibyte}, "BYTES",
              "How much of the log to keep for followers that were away; one that lacks more gets "
              "a snapshot"},
    Directive{"repl-backlog-entries", kCluster, kChangeable,
              NumberKind{&Config::repl_backlog_entries, 0, kUint32Max}, "N",
              "How many entries of the log to keep for them at most"},
    Directive{"feature-level-max", kCluster, kAtStart,
              NumberKind{&Config::feature_level_max, 0, kUint32Max}, "LEVEL",
              "Hold the cluster's feature level here, so that members can still go back to an "
              "older version; 0: let it rise when all members know more"},
    // Consensus counts time in ticks of 10 ms, so less than that would be none.
    Directive{"heartbeat-interval", kCluster, kAtStart,
              NumberKind{&Config::heartbeat_interval_ms, 10, kMinuteMs}, "MS",
              "How often a leader shows that it is there"},
    Directive{"election-timeout", kCluster, kAtStart,
              NumberKind{&Config::election_timeout_ms, 30, kHourMs}, "MS",
              "How long to miss the leader before an election; at least 3 heartbeat intervals"},
    Directive{"checkpoint-interval", kCluster, kAtStart,
              NumberKind{&Config::checkpoint_interval_ms, 10, kHourMs}, "MS",
              "How often applied writes move from the log to the state on disk"},

    Directive{"appendonly", kFixed, kChangeable,
              FixedKind{"yes",
                        "only 'yes' is possible: every write is on disk before it is acknowledged"},
              "", "Every write is on disk before it is acknowledged"},
    Directive{"save", kFixed, kChangeable,
              FixedKind{"",
                        "only \"\" is possible: every write is on disk before it is acknowledged, "
                        "and there are no scheduled dumps"},
              "", "There are no scheduled dumps"},
    Directive{"databases", kFixed, kAtStart,
              FixedKind{"16", "only '16' is possible: all nodes must have the same databases"}, "",
              "There are 16 databases, numbered from 0 on"},
    Directive{
        "cluster-enabled", kFixed, kAtStart,
        FixedKind{"yes", "only 'yes' is possible: clients are always answered as by a cluster"}, "",
        "Clients are always answered as by a cluster"},
    Directive{"replica-read-only", kFixed, kChangeable,
              FixedKind{"yes", "only 'yes' is possible: writes go to the leader"}, "",
              "Writes go to the leader"},
    Directive{"maxmemory", kFixed, kChangeable,
              FixedKind{"0", "a memory limit is not supported by this version"}, "",
              "There is no memory limit for data"},
    Directive{"maxmemory-policy", kFixed, kChangeable,
              FixedKind{"noeviction", "only 'noeviction' is possible: no key is ever evicted"}, "",
              "No key is ever evicted"},
    Directive{"requirepass", kFixed, kChangeable,
              FixedKind{"", "a password is not supported by this version"}, "",
              "There are no passwords in this version"},
    Directive{"daemonize", kFixed, kAtStart,
              FixedKind{"no", "daemonizing is not supported: use a service manager, or '&'"}, "",
              "Use a service manager, or '&'"},
    Directive{"supervised", kFixed, kAtStart,
              FixedKind{"no", "only 'no' is supported: in a systemd unit, use Type=exec"}, "",
              "In a systemd unit, use Type=exec"},
};

// Stores a value that has been parsed, or passes on why it could not be.
template <typename Value, typename Member>
std::optional<std::string> Store(Parsed<Value> parsed, Member& member) {
  if (BadValue* bad = std::get_if<BadValue>(&parsed)) {
    return std::move(bad->reason);
  }
  member = static_cast<Member>(std::move(std::get<Value>(parsed)));
  return std::nullopt;
}

std::optional<std::string> StoreText(const std::string& text, bool may_be_empty,
                                     std::string& member) {
  // These texts become names of files and hosts for the operating system, where a NUL would cut
  // them.
  if (text.find('\0') != std::string::npos) {
    return "argument must not contain a NUL byte";
  }
  if (text.empty() && !may_be_empty) {
    return "argument must not be empty";
  }
  member = text;
  return std::nullopt;
}

std::string Join(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) {
    text.append(&word == &words.front() ? "" : " ").append(word);
  }
  return text;
}

std::vector<std::string> SplitAtBlanks(std::string_view text) {
  std::vector<std::string> words;
  size_t start = text.find_first_not_of(' ');
  while (start != std::string_view::npos) {
    const size_t end = std::min(text.find(' ', start), text.size());
    words.emplace_back(text.substr(start, end - start));
    start = text.find_first_not_of(' ', end);
  }
  return words;
}

bool TakesList(const DirectiveKind& kind) {
  return std::holds_alternative<AddressesKind>(kind) ||
         std::holds_alternative<OutputBufferLimitKind>(kind) ||
         std::holds_alternative<FixedKind>(kind);
}

// Reads the arguments of one directive into a Config. Precondition: exactly one argument, but for
// kinds that take a list.
class Setter {
 public:
  Setter(std::span<const std::string> arguments, Config& config)
      : arguments_(arguments), config_(config) {}

  std::optional<std::string> operator()(const YesNoKind& kind) const {
    return Store(ParseYesNo(arguments_[0]), config_.*kind.member);
  }
  std::optional<std::string> operator()(const ClusterStateKind& kind) const {
    return Store(ParseClusterState(arguments_[0]), config_.*kind.is_new);
  }
  std::optional<std::string> operator()(const PortKind& kind) const {
    constexpr uint64_t kPortMax = std::numeric_limits<uint16_t>::max();
    return Store(ParseNumber(arguments_[0], 0, kPortMax), config_.*kind.member);
  }
  std::optional<std::string> operator()(const NumberKind& kind) const {
    return Store(ParseNumber(arguments_[0], kind.min, kind.max), config_.*kind.member);
  }
  std::optional<std::string> operator()(const MemoryKind& kind) const {
    return Store(ParseMemory(arguments_[0], kind.min, kind.max), config_.*kind.member);
  }
  std::optional<std::string> operator()(const LogLevelKind& kind) const {
    return Store(ParseLogLevel(arguments_[0]), config_.*kind.member);
  }
  std::optional<std::string> operator()(const TextKind& kind) const {
    return StoreText(arguments_[0], kind.may_be_empty, config_.*kind.member);
  }
  std::optional<std::string> operator()(const PathKind& kind) const {
    return StoreText(arguments_[0], false, config_.*kind.member);
  }
  std::optional<std::string> operator()(const AddressesKind& kind) const {
    return Store(ParseBindAddresses(arguments_), config_.*kind.member);
  }
  std::optional<std::string> operator()(const OutputBufferLimitKind& kind) const {
    return Store(ParseOutputBufferLimit(arguments_), config_.*kind.member);
  }
  std::optional<std::string> operator()(const FixedKind& kind) const {
    if (!EqualsIgnoringCase(Join(arguments_), kind.value)) {
      return std::string(kind.refusal);
    }
    return std::nullopt;
  }

 private:
  std::span<const std::string> arguments_;
  Config& config_;
};

// Writes the value of one directive as CONFIG GET shows it.
class Getter {
 public:
  explicit Getter(const Config& config) : config_(config) {}

  std::string operator()(const YesNoKind& kind) const { return FormatYesNo(config_.*kind.member); }
  std::string operator()(const ClusterStateKind& kind) const {
    return FormatClusterState(config_.*kind.is_new);
  }
  std::string operator()(const PortKind& kind) const {
    return std::to_string(config_.*kind.member);
  }
  std::string operator()(const NumberKind& kind) const {
    return std::to_string(config_.*kind.member);
  }
  std::string operator()(const MemoryKind& kind) const {
    return std::to_string(config_.*kind.member);
  }
  std::string operator()(const LogLevelKind& kind) const {
    return FormatLogLevel(config_.*kind.member);
  }
  std::string operator()(const TextKind& kind) const { return config_.*kind.member; }
  std::string operator()(const PathKind& kind) const {
    std::error_code error;
    const std::filesystem::path path = std::filesystem::absolute(config_.*kind.member, error);
    return error ? config_.*kind.member : path.lexically_normal().string();
  }
  std::string operator()(const AddressesKind& kind) const {
    return FormatBindAddresses(config_.*kind.member);
  }
  std::string operator()(const OutputBufferLimitKind& kind) const {
    return FormatOutputBufferLimit(config_.*kind.member);
  }
  std::string operator()(const FixedKind& kind) const { return std::string(kind.value); }

 private:
  const Config& config_;
};

}  // namespace

std::string_view Heading(DirectiveGroup group) {
  switch (group) {
    case DirectiveGroup::kNetwork:
      return "Network";
    case DirectiveGroup::kClients:
      return "Clients";
    case DirectiveGroup::kProcess:
      return "Process";
    case DirectiveGroup::kCluster:
      return "Cluster";
    case DirectiveGroup::kFixed:
      return "Directives of Redis with one possible value";
  }
  return "";
}

std::span<const Directive> Directives() { return kDirectives; }

const Directive* FindDirective(std::string_view name) {
  const auto* const found = std::find_if(
      kDirectives.begin(), kDirectives.end(),
      [&](const Directive& directive) { return EqualsIgnoringCase(directive.name, name); });
  return found == kDirectives.end() ? nullptr : found;
}

std::optional<std::string> SetDirective(const Directive& directive,
                                        std::span<const std::string> arguments, Config& config) {
  if (arguments.empty() || (arguments.size() > 1 && !TakesList(directive.kind))) {
    return "wrong number of arguments";
  }
  if (arguments.size() == 1 && TakesList(directive.kind)) {
    const std::vector<std::string> words = SplitAtBlanks(arguments[0]);
    return std::visit(Setter(words, config), directive.kind);
  }
  return std::visit(Setter(arguments, config), directive.kind);
}

std::string GetDirective(const Directive& directive, const Config& config) {
  return std::visit(Getter(config), directive.kind);
}

std::string DefaultOf(const Directive& directive, const Config& defaults) {
  const auto* path = std::get_if<PathKind>(&directive.kind);
  return path != nullptr ? defaults.*path->member : GetDirective(directive, defaults);
}

}  // namespace quorate
