// Everything that a running server consists of besides its sockets, for the commands that look at
// it or change it. Loop thread; owns nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "src/base/clock.h"
#include "src/config/config.h"
#include "src/node/backups.h"
#include "src/node/node.h"
#include "src/requests/session.h"
#include "src/requests/statistics.h"

namespace quorate {

struct Instance {
  Config& config;
  Node& node;
  Sessions& sessions;
  Statistics& statistics;
  Clock& clock;
  Backups& backups;
  // Figures that only storage has; called for INFO.
  std::function<StorageStatistics()> storage_statistics;
  // Applies directives changed by CONFIG SET to what is already running (log level, timeouts). The
  // error where that cannot be done: then nothing was.
  std::function<std::optional<std::string>()> config_changed;
  std::string executable;       // absolute path
  std::string config_file;      // absolute path, or empty
  bool stop_requested = false;  // by a command or a signal; cannot be taken back
  std::string run_id;           // 40 hex digits, drawn anew at each start
};

}  // namespace quorate
