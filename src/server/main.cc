// quorate-server: reads what it is told, and lives.
#include <iostream>
#include <variant>

#include "src/config/command_line.h"
#include "src/config/logging.h"
#include "src/server/incarnation.h"
#include "src/server/process.h"
#include "storage/snapshot/backup.h"

namespace quorate {
namespace {

// Tells whether a backup is intact, and what it holds.
int Check(const std::string& path) {
  const auto verified = storage::VerifyBackup(path);
  if (!verified.ok()) {
    std::cerr << "quorate-server: " << verified.error() << std::endl;
    return 1;
  }
  const storage::StateMeta& meta = verified.value();
  std::cout << path << ": intact, " << meta.key_count() << " keys as of log entry "
            << meta.last_applied.value() << std::endl;
  return 0;
}

int Main(int argc, char** argv) {
  OpenStandardDescriptors();
  IgnoreSignals();
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
  if (const auto* check = std::get_if<CheckBackup>(&parsed)) return Check(check->path);
  auto& config = std::get<Config>(parsed);
  if (const auto error = StartLogging(config)) {
    std::cerr << "quorate-server: " << *error << std::endl;
    return 1;
  }
  SystemClock clock;
  Statistics statistics;
  statistics.started_at_ms = clock.monotonic_ms();
  statistics.started_at_unix_us = clock.unix_us();
  resp::Limits limits;
  Sessions sessions(&limits);
  ProcessFacts process{config,        clock,  statistics, ExecutablePath(),
                       RandomRunId(), limits, sessions};
  LifeEnd end;
  do {
    end = Live(process);
  } while (end.again);
  return end.exit_code;
}

}  // namespace
}  // namespace quorate

int main(int argc, char** argv) { return quorate::Main(argc, argv); }
