#include "src/config/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace quorate {
namespace {

int OpenFile(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
}

}  // namespace

std::shared_ptr<LogOutput> LogOutput::ToFile(const std::string& path) {
  const int descriptor = OpenFile(path);
  if (descriptor < 0) return nullptr;
  return std::shared_ptr<LogOutput>(new LogOutput(descriptor, Kind::kFile, path));
}

std::shared_ptr<LogOutput> LogOutput::ToDescriptor(int descriptor) {
  struct stat facts {};
  const bool known = fstat(descriptor, &facts) == 0;
  if (known && (S_ISFIFO(facts.st_mode) || S_ISCHR(facts.st_mode))) {
    // Not to wait is a property of what was opened, and others write to it, too: a shell, other
    // servers. So this process opens it for itself.
    const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
    const int own = open(name.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (own >= 0) return std::shared_ptr<LogOutput>(new LogOutput(own, Kind::kOwn, ""));
  }
  const Kind kind = known && S_ISREG(facts.st_mode)    ? Kind::kFile
                    : known && S_ISSOCK(facts.st_mode) ? Kind::kSocket
                                                       : Kind::kShared;
  return std::shared_ptr<LogOutput>(new LogOutput(fcntl(descriptor, F_DUPFD_CLOEXEC, 0), kind, ""));
}

LogOutput::~LogOutput() {
  if (descriptor_ >= 0) close(descriptor_);
}

void LogOutput::Reopen() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ReopenIfMoved();
}

void LogOutput::ReopenIfMoved() {
  if (path_.empty()) return;
  struct stat named {};
  struct stat written {};
  if (stat(path_.c_str(), &named) == 0 && fstat(descriptor_, &written) == 0 &&
      named.st_ino == written.st_ino && named.st_dev == written.st_dev) {
    return;
  }
  // Where that fails, as when the folder is gone, the lines go on to where they went.
  const int descriptor = OpenFile(path_);
  if (descriptor < 0) return;
  FinishLine();
  rest_.clear();
  close(std::exchange(descriptor_, descriptor));
}

void LogOutput::sink_it_(const spdlog::details::log_msg& message) {
  ReopenIfMoved();
  spdlog::memory_buf_t line;
  if (lost_ > 0) {
    const std::string text = fmt::format("{} lines of the log were lost: nobody took them", lost_);
    formatter_->format(
        spdlog::details::log_msg(message.time, {}, message.logger_name, spdlog::level::warn, text),
        line);
    if (!Offer({line.data(), line.size()})) {
      ++lost_;
      return;
    }
    lost_ = 0;
    line.clear();
  }
  formatter_->format(message, line);
  if (!Offer({line.data(), line.size()})) ++lost_;
}

bool LogOutput::Offer(std::string_view line) {
  if (!FinishLine()) return false;
  const size_t taken = Write(line);
  if (taken == 0) return false;
  rest_ = line.substr(taken);
  return true;
}

bool LogOutput::FinishLine() {
  if (!rest_.empty()) rest_.erase(0, Write(rest_));
  return rest_.empty();
}

size_t LogOutput::Write(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const std::string_view next = bytes.substr(taken);
    ssize_t count = 0;
    if (kind_ == Kind::kSocket) {
      count = send(descriptor_, next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind_ == Kind::kShared) {
      // What polls as ready takes so much at once.
      pollfd ready{descriptor_, POLLOUT, 0};
      if (poll(&ready, 1, 0) != 1) return taken;
      count = write(descriptor_, next.data(), std::min<size_t>(next.size(), PIPE_BUF));
    } else {
      count = write(descriptor_, next.data(), next.size());
    }
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return taken;
    taken += static_cast<size_t>(count);
  }
  return taken;
}

}  // namespace quorate
