// The system calls by which this program changes what is on the disk, LMDB's among them, can be
// watched and made to fail. Each works in the process that asks for it, from then on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quorate::storage::system_calls {

// fsync, fdatasync, pwrite, writev, rename, mkdir: ends the process with the given exit status
// before the call of that number, counted from now, the first being 1.
void EndProcessBefore(uint64_t call, int exit_status);

// From the sync of that number on, the first being 1, every sync fails with EIO and syncs nothing.
// 0: none does.
void FailSyncsFrom(uint64_t sync);

// From now on the disk has no space: pwrite and writev fail with ENOSPC, or write only half of what
// they are given, as the last write before that does. Synchronous descriptors are not concerned:
// LMDB writes its meta pages through them, which have their space.
enum class Space { kEnough, kNone, kHalf };
void SetSpace(Space space);

// flock takes every lock, also one that another process has: as on a file system without locks.
void IgnoreLocks();

// By pwrite and writev, to all files, since the program began.
uint64_t BytesWritten();

// What has been done to one of the files.
struct Event {
  enum class Kind { kWrite, kSync, kMark };
  Kind kind;
  uint64_t offset = 0;
  std::string bytes;             // of a write
  bool durable_at_once = false;  // a write through a descriptor with O_DSYNC
  size_t file = 0;               // which, in the order of the calls of Record
};

// Begins to record what is done to the file (by any descriptor), beside those before.
void Record(const std::string& path);
// Notes that something has happened, such as that a commit has returned.
void Mark();
// All so far.
std::vector<Event> TakeRecord();

}  // namespace quorate::storage::system_calls
