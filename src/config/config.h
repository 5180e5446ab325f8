// What a server was told to be: the values of all directives, and what follows from them. The
// directives themselves, with names, bounds and help, are the table in
// src/config/config_directives.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/members/member.h"

namespace quorate {

// Redis's names. Quorate logs at each: kDebug internals, kVerbose connections, kNotice what an
// operator wants to see of a healthy server, kWarning what asks for attention.
enum class LogLevel : uint8_t { kDebug, kVerbose, kNotice, kWarning };

struct BindAddress {
  std::string host;  // as written: a name, an address, or a wildcard: "*", "0.0.0.0", "::*", "::"
  bool may_be_absent = false;  // written with '-' in front: starting without it is no error

  bool is_wildcard() const;
  // The address to give to the socket: `host`, with "0.0.0.0" for "*" and "::" for "::*".
  std::string numeric_host() const;

  bool operator==(const BindAddress&) const = default;
};

// A client whose unsent replies exceed hard_bytes at any moment, or soft_bytes for longer than
// soft_seconds, is disconnected. 0 bytes: no such limit.
struct OutputBufferLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  uint64_t soft_seconds = 0;

  bool operator==(const OutputBufferLimit&) const = default;
};

// The initial values are the defaults of the directives.
struct Config {
  // Network.
  uint16_t port = 6379;
  std::vector<BindAddress> bind = {{"127.0.0.1", false}, {"::1", true}};
  bool protected_mode = true;
  uint64_t tcp_backlog = 511;
  uint64_t tcp_keepalive_seconds = 300;  // 0: off

  // Clients.
  uint64_t maxclients = 10000;
  uint64_t timeout_seconds = 0;  // an idle client is disconnected after this; 0: never
  // The greatest key or value of a request. A value is held in memory several times over while it
  // is replicated, so the default is far below Redis's 512 MiB.
  uint64_t proto_max_bulk_len = uint64_t{16} << 20;
  // The greatest request as a whole. Always more than proto_max_bulk_len.
  uint64_t client_query_buffer_limit_bytes = uint64_t{128} << 20;
  // Redis has no limit for normal clients; these are the ones that it has for replicas.
  OutputBufferLimit client_output_buffer_limit = {uint64_t{256} << 20, uint64_t{64} << 20, 60};
  // All clients together: their requests that are not complete and their replies that are not
  // taken. Beyond it, those that take most are disconnected. Redis's default is 0: no limit.
  uint64_t maxmemory_clients_bytes = uint64_t{1} << 30;
  uint64_t request_timeout_ms = 5000;  // a write that is undecided for so long is answered -UNKNOWN

  // The process.
  std::string dir = "./data";
  bool require_data = false;                // an empty folder is an error
  std::string dbfilename = "dump.quorate";  // of backups, in `dir`
  LogLevel loglevel = LogLevel::kNotice;
  std::string logfile;  // empty: standard output
  std::string pidfile;  // empty: none

  // The cluster.
  uint64_t node_id = 0;         // 0: the one that the data folder belongs to, or else 1
  std::string initial_cluster;  // as written; `members` is what it says
  // The members of initial-cluster found their cluster without CLUSTER CREATE.
  bool initial_cluster_is_new = false;
  std::string initial_cluster_token = "quorate";
  std::string cluster_announce_ip;         // empty: see `members`
  uint16_t cluster_announce_port = 0;      // 0: `port`
  uint16_t cluster_port = 0;               // to listen on for peers; 0: see `members`
  uint16_t cluster_announce_bus_port = 0;  // 0: the port to listen on for peers
  std::string restore_from;       // path of a backup to begin a new cluster with; empty: none
  std::string force_new_cluster;  // id of the cluster to be given up; empty: none
  std::string join;  // host:port of a member that is to take this new node in; empty: none
  // How much of the log stays for followers that were away, behind what a restart needs.
  uint64_t repl_backlog_size = uint64_t{64} << 20;
  uint64_t repl_backlog_entries = 100'000;
  uint64_t feature_level_max = 0;  // 0: as this version knows
  uint64_t heartbeat_interval_ms = 50;
  uint64_t election_timeout_ms = 500;  // at least kElectionTimeoutPerHeartbeat heartbeat intervals
  uint64_t checkpoint_interval_ms = 3000;

  // Not directives, but what follows from them. Filled in by ParseCommandLine.
  // The initial cluster by ascending id, this server among them; alone, its own id is node_id, and
  // its host is empty where it listens on all addresses and none is announced.
  std::vector<Member> members;
  std::string
      config_file;  // absolute path of the file on the command line; empty: none, or standard input

  // This server's entry in `members`. Precondition: ParseCommandLine made this Config.
  const Member& self() const;
  // The port to listen on for peers. Likewise.
  uint16_t peer_port() const;

  bool operator==(const Config&) const = default;
};

// With fewer heartbeats than this in an election timeout, one lost message would depose a leader.
inline constexpr uint64_t kElectionTimeoutPerHeartbeat = 3;

// The directives that CONFIG GET returns for `patterns`, each once and with its value, in the order
// of the table. The patterns are globs without regard to case.
std::vector<std::pair<std::string, std::string>> ConfigGet(
    const Config& config, std::span<const std::string_view> patterns);

// CONFIG SET: gives new values to directives that may change at run time, to all of them or, if
// there is an error, to none. The error is Redis's reply without the leading '-'. Whoever calls
// this on the running server's Config makes the new values take effect.
std::optional<std::string> ConfigSet(
    Config& config, std::span<const std::pair<std::string_view, std::string_view>> settings);

}  // namespace quorate
