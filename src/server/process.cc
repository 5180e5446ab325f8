#include "src/server/process.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>

namespace quorate {
namespace {

// File descriptors beside those of clients: the ports, the peers, LMDB, the log.
constexpr rlim_t kReservedDescriptors = 96;

volatile std::sig_atomic_t hung_up = 0;

}  // namespace

int64_t SystemClock::monotonic_ns() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int64_t SystemClock::boot_ns() const {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);  // fails on no Linux that this runs on
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int64_t SystemClock::unix_us() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void OpenStandardDescriptors() {
  // Each open gets the lowest number that is free.
  int opened = 0;
  do {
    opened = open("/dev/null", O_RDWR);
  } while (opened >= 0 && opened <= STDERR_FILENO);
  if (opened >= 0) close(opened);
}

void IgnoreSignals() {
  // A peer or client that has gone is an error of write(), and so is a file that may not grow: the
  // same as a full disk.
  for (const int number : {SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);
  // Noted in every life of the node, and between two of them, when libuv would let it end the
  // process.
  std::signal(SIGHUP, [](int) { hung_up = 1; });
}

bool TakeHangUp() {
  if (hung_up == 0) return false;
  hung_up = 0;
  return true;
}

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::string RandomRunId() {
  return fmt::format("{:016x}{:016x}{:08x}", RandomSeed(), RandomSeed(),
                     static_cast<uint32_t>(RandomSeed()));
}

std::string ExecutablePath() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

uint64_t FileBytes(const std::string& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0 ? static_cast<uint64_t>(facts.st_blocks) * 512 : 0;
}

uint64_t RaiseOpenFileLimit(uint64_t clients) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return clients;
  const rlim_t wanted = clients + kReservedDescriptors;
  if (limit.rlim_cur >= wanted) return clients;
  rlimit raised = limit;
  raised.rlim_cur = wanted;
  raised.rlim_max = std::max(limit.rlim_max, wanted);
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return clients;
  raised = {limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) != 0) raised = limit;
  if (raised.rlim_cur >= wanted) return clients;
  return raised.rlim_cur > kReservedDescriptors ? raised.rlim_cur - kReservedDescriptors : 1;
}

void EndProcess(const std::string& text) {
  spdlog::critical("{}", text);
  spdlog::critical("this node cannot go on and stops; nothing is acknowledged after this");
  spdlog::default_logger()->flush();
  std::_Exit(1);
}

PidFile::PidFile(const std::string& path) : path_(path) {
  if (path_.empty()) return;
  std::ofstream file(path_);
  file << getpid() << '\n';
  if (!file.flush()) spdlog::warn("could not write the pidfile {}", path_);
}

PidFile::~PidFile() {
  if (!path_.empty()) std::remove(path_.c_str());
}

}  // namespace quorate
