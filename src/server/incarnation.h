// One life of the node in the process: from opening the data folder to an orderly end, or to the
// point where the folder has become another's (the node was taken in by a cluster) or holds another
// state (a snapshot was installed). Then everything is built anew from the folder, as after a
// crash: there is one way to begin, and every restart tests it.
#pragma once

#include <string>
#include <vector>

#include "resp/request_parser.h"
#include "src/base/clock.h"
#include "src/clients/client_listener.h"
#include "src/config/config.h"
#include "src/requests/session.h"
#include "src/requests/statistics.h"

namespace quorate {

// What stays from one life to the next. Must outlive them.
struct ProcessFacts {
  Config& config;
  Clock& clock;
  Statistics& statistics;
  std::string executable;  // absolute path
  std::string run_id;      // 40 hex digits, drawn anew at each start of the process
  resp::Limits& limits;    // of what `sessions` take
  Sessions& sessions;
  std::vector<KeptClient> clients = {};  // that the next life goes on with
};

struct LifeEnd {
  bool again = false;  // live once more; `exit_code` means nothing
  int exit_code = 0;
};

// Serves until it is over. What keeps it from beginning is logged, and told on standard error.
LifeEnd Live(ProcessFacts& process);

}  // namespace quorate
