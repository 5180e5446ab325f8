// The log of the server, for its operator. Everything logs through spdlog's default logger; nothing
// logs per command.
//
// Redis has four levels, and Quorate's directive loglevel names these. They stand for spdlog's as
// follows, so that spdlog::info is what an operator sees by default:
//   debug    spdlog::trace           what helps its developers
//   verbose  spdlog::debug           connections coming and going
//   notice   spdlog::info            elections, terms, peers, start and stop
//   warning  spdlog::warn and above  what asks for attention
#pragma once

#include <optional>
#include <string>

#include "src/config/config.h"

namespace quorate {

// Sends the log to config.logfile (appended to), or to standard output. Called once by main, before
// any other thread runs; afterwards any thread may log. The reason if the file cannot be opened:
// the server must not start then.
std::optional<std::string> StartLogging(const Config& config);

// Which node the lines are of, from now on. While no other thread logs.
void SetLogNode(uint64_t node_id);

// Goes on in the file of the configured name, where another program has moved the one that is
// written to. So do lines, without it. Any thread may call it.
void ReopenLog();

// Any thread may call it.
void SetLogLevel(LogLevel level);

}  // namespace quorate
