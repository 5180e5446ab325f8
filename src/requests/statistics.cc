#include "src/requests/statistics.h"

#include <utility>

namespace quorate {
namespace {

// Redis bounds its table of error codes likewise; Quorate has some twenty.
constexpr size_t kErrorKindsMax = 128;

}  // namespace

void Statistics::Reset() {
  Statistics fresh;
  fresh.commands.resize(commands.size());
  fresh.started_at_unix_us = started_at_unix_us;
  fresh.started_at_ms = started_at_ms;
  fresh.backups = backups;
  fresh.backups.completed = 0;
  *this = std::move(fresh);
}

void CountCall(Statistics& statistics, size_t command_number, std::string_view reply,
               int64_t nanoseconds) {
  ++statistics.commands_processed;
  CommandStatistics& command = statistics.commands[command_number];
  ++command.calls;
  command.nanoseconds += static_cast<uint64_t>(nanoseconds);
  if (reply.empty() || reply[0] != '-') return;
  ++command.failed_calls;
  CountError(statistics, reply.substr(1));
}

void CountError(Statistics& statistics, std::string_view error) {
  const std::string code(error.substr(0, error.find_first_of(" \r")));
  auto known = statistics.errors.find(code);
  if (known != statistics.errors.end()) {
    ++known->second;
  } else if (statistics.errors.size() < kErrorKindsMax) {
    statistics.errors.emplace(code, 1);
  }
}

}  // namespace quorate
