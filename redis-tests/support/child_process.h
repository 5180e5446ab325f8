// Programs that a test starts.
#pragma once

#include <sys/types.h>

#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quorate::redis_tests {

// How a process ended: `exit_code`, or the signal that killed it (then `exit_code` is -1).
struct ProcessEnd {
  int exit_code = -1;
  int signal = 0;
  bool operator==(const ProcessEnd&) const = default;
};
std::ostream& operator<<(std::ostream& out, const ProcessEnd& end);

// A program that this one has started. It never outlives it: the destructor kills it with SIGKILL,
// and the kernel does when the thread that called Start ends, however that comes about; so Start is
// for threads that live as long as the child shall.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> arguments;  // The program's path, or its name in PATH, comes first.
    std::string working_folder;          // Empty: this program's.
    int input = -1;  // Descriptors for stdin, stdout and stderr; -1 is /dev/null.
    int output = -1;
    int error = -1;
    int network_namespace = -1;  // As setns(2) takes it; -1: this program's.
  };

  // The child's end says if the program could not be run: exit code 127.
  static std::unique_ptr<ChildProcess> Start(const Options& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool running() { return !WaitForEnd(0).has_value(); }
  void Signal(int signal);
  // Empty when it still runs after `timeout_ms`.
  std::optional<ProcessEnd> WaitForEnd(int timeout_ms);

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;
  std::optional<ProcessEnd> end_;
};

// What a program that ran to its end has left.
struct ProgramResult {
  std::optional<ProcessEnd> end;  // Empty: it was killed at the time limit.
  std::string output;
  std::string error;
};

// Runs a program to its end, with `input` as its stdin, in the network namespace of this program or
// in another.
ProgramResult RunProgram(const std::vector<std::string>& arguments, const std::string& input,
                         int timeout_ms, const std::string& working_folder = "",
                         int network_namespace = -1);

}  // namespace quorate::redis_tests
