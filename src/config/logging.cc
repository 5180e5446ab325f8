#include "src/config/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>

namespace quorate {
namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::trace;
    case LogLevel::kVerbose:
      return spdlog::level::debug;
    case LogLevel::kNotice:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
  }
  return spdlog::level::info;
}

// Before it is known which node this is, lines go without.
std::string Pattern(uint64_t node_id) {
  const std::string node = node_id == 0 ? "" : " node=" + std::to_string(node_id);
  return "%Y-%m-%d %H:%M:%S.%e" + node + " %l: %v";
}

}  // namespace

std::optional<std::string> StartLogging(const Config& config) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  if (config.logfile.empty()) {
    sink = std::make_shared<spdlog::sinks::stdout_sink_mt>();
  } else {
    // spdlog would create missing folders and retry; a mistyped path is better refused.
    FILE* const file = std::fopen(config.logfile.c_str(), "ab");
    if (file == nullptr) {
      return "Can't open the log file '" + config.logfile + "': " + std::strerror(errno);
    }
    std::fclose(file);
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.logfile);
    } catch (const std::exception& error) {
      return "Can't open the log file: " + std::string(error.what());
    }
  }
  const auto logger = std::make_shared<spdlog::logger>("quorate", std::move(sink));
  logger->set_pattern(Pattern(config.node_id));
  logger->set_level(SpdlogLevel(config.loglevel));
  // Each line goes out at once, by the thread that logs it. A queue and a thread would spare that
  // thread the write, but lose the last lines of a process that stops itself, which are the ones
  // that say why.
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(logger);
  return std::nullopt;
}

void SetLogNode(uint64_t node_id) { spdlog::set_pattern(Pattern(node_id)); }

void SetLogLevel(LogLevel level) { spdlog::set_level(SpdlogLevel(level)); }

}  // namespace quorate
