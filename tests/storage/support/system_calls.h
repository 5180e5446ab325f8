// The system calls by which this program changes what is on the disk, LMDB's among them, can be
// watched and made to fail. Each works in the process that asks for it, from then on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace quorate::storage::system_calls {

// fsync, fdatasync, pwrite, writev, rename, mkdir, unlink, unlinkat, remove: ends the process with
// the given exit status before the call of that number, counted from now, the first being 1. 0: it
// goes on.
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

// Calls that before the next pwrite, once: what another process does at that moment.
void BeforeNextWrite(std::function<void()> call);

// By pwrite and writev, to all files, since the program began.
uint64_t BytesWritten();

// What has been done to the files and folders below a folder. They are told apart by their inodes,
// since their names change.
struct Event {
  enum class Kind : uint8_t {
    kCreateFile,    // `file` appears in `folder` as `name`
    kCreateFolder,  // the same
    kRename,        // `file`, of `folder`, is no longer `name` but `new_name`
    kRemove,        // `name` vanishes from `folder`
    kWrite,         // `bytes` at `offset` of `file`
    kResize,        // `file` ends at `offset`
    kSync,          // of `file`, or of a folder, whose names it concerns
    kMark,          // see Mark
  };
  Kind kind;
  uint64_t file = 0;
  uint64_t folder = 0;
  uint64_t offset = 0;
  bool durable_at_once = false;  // a write through a descriptor with O_DSYNC
  std::string name;
  std::string new_name;
  std::string bytes;  // of a write, or a mark
};

// Begins to record what this process does below the folder, and what the child processes do that it
// makes from now on, one at a time. What is written through a map is not seen.
void Record(const std::string& folder);
// Notes that something has happened, such as that a commit has returned.
void Mark(const std::string& what = "");
// All so far; recording ends.
std::vector<Event> TakeRecord();

}  // namespace quorate::storage::system_calls
