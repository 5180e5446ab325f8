#include "src/config/logging.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "src/config/log_output.h"

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

// Of the logger that StartLogging has made; for SIGHUP.
std::weak_ptr<LogOutput> current_output;

}  // namespace

std::optional<std::string> StartLogging(const Config& config) {
  std::shared_ptr<LogOutput> output;
  if (config.logfile.empty()) {
    output = LogOutput::ToDescriptor(STDOUT_FILENO);
  } else {
    output = LogOutput::ToFile(config.logfile);
    if (!output) return "Can't open the log file '" + config.logfile + "': " + std::strerror(errno);
  }
  current_output = output;
  const auto logger = std::make_shared<spdlog::logger>("quorate", std::move(output));
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

void ReopenLog() {
  if (const auto output = current_output.lock()) output->Reopen();
}

void SetLogLevel(LogLevel level) { spdlog::set_level(SpdlogLevel(level)); }

}  // namespace quorate
