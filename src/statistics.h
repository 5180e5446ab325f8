// What the server counts, for INFO. Plain numbers, written and read on the loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace quorate {

struct CommandStatistics {
  uint64_t calls = 0;           // executed, on the node that answered
  uint64_t microseconds = 0;    // in the command's own function
  uint64_t rejected_calls = 0;  // refused before it ran: arity, syntax, redirect
  uint64_t failed_calls = 0;    // ran and answered an error
};

struct Statistics {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;  // maxclients
  uint64_t commands_processed = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t instantaneous_ops_per_second = 0;    // over the last second or so
  std::vector<CommandStatistics> commands;      // by CommandNumber
  std::map<std::string, uint64_t> errors;       // by the reply's prefix: "ERR", "MOVED"; bounded in number
  int64_t started_at_unix_us = 0;
  int64_t started_at_ms = 0;  // monotonic
};

}  // namespace quorate
