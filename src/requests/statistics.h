// What the server counts, for INFO. Plain numbers, written and read on the loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace quorate {

struct CommandStatistics {
  uint64_t calls = 0;           // executed, on the node that answered
  uint64_t nanoseconds = 0;     // in the command's own function
  uint64_t rejected_calls = 0;  // refused before it ran: arity, syntax, redirect
  uint64_t failed_calls = 0;    // ran and answered an error
};

// Backups asked for by clients.
struct BackupStatistics {
  uint64_t completed = 0;        // since the start
  int64_t last_unix_s = 0;       // the last complete one: its time, ...
  uint64_t last_index = 0;       // ... the log entry that it was made at; 0: there is none
  uint64_t last_revision = 0;    // ... and the write commands up to it, in the cluster's life
  bool last_ok = true;           // how the last one that was begun has ended
  int64_t last_duration_s = -1;  // -1: there was none
};

struct Statistics {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;  // maxclients
  uint64_t clients_evicted = 0;       // maxmemory-clients
  uint64_t commands_processed = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t instantaneous_ops_per_second = 0;  // over the last second or so
  std::vector<CommandStatistics> commands;    // by Command::number
  std::map<std::string, uint64_t>
      errors;  // by the reply's prefix: "ERR", "MOVED"; bounded in number
  int64_t started_at_unix_us = 0;
  int64_t started_at_ms = 0;  // monotonic
  BackupStatistics backups;

  // CONFIG RESETSTAT: all but the time of the start, and what is known of backups.
  void Reset();
};

// Notes a command that ran on this node for a client, with the reply that it gave.
void CountCall(Statistics& statistics, size_t command_number, std::string_view reply,
               int64_t nanoseconds);
// Notes an error reply, by its code; those of a client's making are bounded in kinds.
void CountError(Statistics& statistics, std::string_view error);

// What the storage threads count; a copy, taken when asked for.
struct StorageStatistics {
  uint64_t log_commits = 0;
  uint64_t log_entries = 0;
  uint64_t log_bytes = 0;
  uint64_t last_commit_us = 0;  // how long the log's last durable commit took
  uint64_t checkpoints = 0;
  uint64_t last_checkpoint_us = 0;
  uint64_t log_file_bytes = 0;  // on disk
  uint64_t state_file_bytes = 0;
  bool checkpoint_waits_for_space = false;
};

}  // namespace quorate
