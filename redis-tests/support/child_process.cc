#include "redis-tests/support/child_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cassert>
#include <ostream>

#include "redis-tests/support/eventually.h"

namespace quorate::redis_tests {

namespace {

constexpr int kCannotRunExitCode = 127;

// Runs in the child between fork and exec, in a copy of a process that may have had other threads:
// system calls only, nothing that allocates or locks.
[[noreturn]] void RunInChild(const ChildProcess::Options& options, char* const* arguments,
                             pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(kCannotRunExitCode);  // The parent ended before prctl took effect.
  }
  if (options.network_namespace >= 0 && setns(options.network_namespace, CLONE_NEWNET) != 0) {
    _exit(kCannotRunExitCode);
  }
  const int null = open("/dev/null", O_RDWR);
  dup2(options.input >= 0 ? options.input : null, STDIN_FILENO);
  dup2(options.output >= 0 ? options.output : null, STDOUT_FILENO);
  dup2(options.error >= 0 ? options.error : null, STDERR_FILENO);
  if (!options.working_folder.empty() && chdir(options.working_folder.c_str()) != 0) {
    _exit(kCannotRunExitCode);
  }
  execvp(arguments[0], arguments);
  _exit(kCannotRunExitCode);
}

// A file without a name, in memory.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("redis-tests", MFD_CLOEXEC)) { assert(descriptor_ >= 0); }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }

  void Write(const std::string& bytes) {
    size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t count = write(descriptor_, bytes.data() + written, bytes.size() - written);
      assert(count > 0);
      written += static_cast<size_t>(count);
    }
    lseek(descriptor_, 0, SEEK_SET);
  }

  std::string ReadAll() {
    std::string bytes;
    char buffer[64 * 1024];
    ssize_t count = 0;
    while ((count = pread(descriptor_, buffer, sizeof buffer, static_cast<off_t>(bytes.size()))) >
           0) {
      bytes.append(buffer, static_cast<size_t>(count));
    }
    return bytes;
  }

 private:
  int descriptor_;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const ProcessEnd& end) {
  return end.signal != 0 ? out << "killed by signal " << end.signal
                         : out << "exit code " << end.exit_code;
}

std::unique_ptr<ChildProcess> ChildProcess::Start(const Options& options) {
  std::vector<char*> arguments;
  for (const std::string& argument : options.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  assert(pid >= 0);
  if (pid == 0) {
    RunInChild(options, arguments.data(), parent);
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid));
}

ChildProcess::~ChildProcess() {
  Signal(SIGKILL);
  while (!WaitForEnd(1000).has_value()) {
  }
}

void ChildProcess::Signal(int signal) {
  // Once its end is known, the process id may be another program's.
  if (!end_.has_value()) {
    kill(pid_, signal);
  }
}

std::optional<ProcessEnd> ChildProcess::WaitForEnd(int timeout_ms) {
  Eventually(timeout_ms, [this] {
    int status = 0;
    if (!end_.has_value() && waitpid(pid_, &status, WNOHANG) == pid_) {
      end_ =
          WIFEXITED(status) ? ProcessEnd{WEXITSTATUS(status), 0} : ProcessEnd{-1, WTERMSIG(status)};
    }
    return end_.has_value();
  });
  return end_;
}

ProgramResult RunProgram(const std::vector<std::string>& arguments, const std::string& input,
                         int timeout_ms, const std::string& working_folder, int network_namespace) {
  MemoryFile in;
  MemoryFile out;
  MemoryFile error;
  in.Write(input);
  auto child = ChildProcess::Start({arguments, working_folder, in.descriptor(), out.descriptor(),
                                    error.descriptor(), network_namespace});
  ProgramResult result;
  result.end = child->WaitForEnd(timeout_ms);
  child.reset();
  result.output = out.ReadAll();
  result.error = error.ReadAll();
  return result;
}

}  // namespace quorate::redis_tests
