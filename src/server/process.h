// What belongs to the process and not to the node in it: its clock, its random numbers, what the
// system allows it, and its end.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/clock.h"
#include "src/config/config.h"

namespace quorate {

class SystemClock : public Clock {
 public:
  int64_t monotonic_ns() const override;
  int64_t boot_ns() const override;
  int64_t unix_us() const override;
};

// Descriptors 0, 1 and 2 are open afterwards, on nothing where they were closed: else files of the
// server's would get them, and whatever writes to standard output would write into these. Once,
// before any file is opened.
void OpenStandardDescriptors();

// Those that are to end nothing. Once, before anything else.
void IgnoreSignals();
// Whether SIGHUP has come since the last call: the log's file is to be opened anew.
bool TakeHangUp();

uint64_t RandomSeed();
// 40 hex digits.
std::string RandomRunId();
// Absolute; empty if the system does not tell.
std::string ExecutablePath();
// What a file takes on the disk: LMDB's files have holes. 0: there is none.
uint64_t FileBytes(const std::string& path);

// As many open files as so many clients need. How many clients that is enough for: fewer, where the
// system does not give them.
uint64_t RaiseOpenFileLimit(uint64_t clients);

// Ends the process, with the reason in the log. Nothing is tidied up: what is on the disk is what
// counts. Any thread.
[[noreturn]] void EndProcess(const std::string& text);

// Writes the pid for as long as the server runs.
class PidFile {
 public:
  // An empty path: none.
  explicit PidFile(const std::string& path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  const std::string path_;
};

}  // namespace quorate
