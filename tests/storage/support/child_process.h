// Child processes for tests of what a sudden end leaves behind. LMDB does not survive a fork: the
// parent must have no environment open, nor threads running, while it makes one.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <type_traits>

namespace quorate::storage {

class ChildProcess {
 public:
  // `body`'s result is the child's exit status. Nothing of the parent's is cleaned up in the child.
  explicit ChildProcess(const std::function<int()>& body) {
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ < 0) abort();
    if (pid_ == 0) {
      const int status = body();
      std::fflush(nullptr);
      _exit(status);
    }
  }
  ~ChildProcess() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void Kill() { kill(pid_, SIGKILL); }
  // The exit status; minus the signal's number when one has ended it.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

// For a child that opens damaged files. LMDB was not made for these, and may end the process by a
// signal, or never come to an end: then without a core file, and within that time. Without a
// sanitizer's handlers, either: what those report has an exit status of its own
// (CMakePresets.json), and is no such end.
inline void MayEndBySignal(unsigned seconds_max) {
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE}) signal(number, SIG_DFL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  alarm(seconds_max);
}

inline int RunChild(const std::function<int()>& body) { return ChildProcess(body).Wait(); }

// A T that the parent and its children share, zeroed at first.
template <typename T>
class Shared {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Shared() {
    void* memory =
        mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    value_ = new (memory) T();
  }
  ~Shared() { munmap(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

 private:
  T* value_;
};

}  // namespace quorate::storage
