// Where consensus's writes go: made durable in the background, in order, many at a time.
#pragma once

#include <cstddef>
#include <limits>

#include "consensus/types.h"

namespace quorate::storage {

class LogWriter {
 public:
  virtual ~LogWriter() = default;
  // Queues a write. Never blocks. A write that finds no space on the disk waits until there is
  // some; one that fails ends the process: nothing is acknowledged after it.
  virtual void Submit(consensus::Persist persist) = 0;
  // Entries up to and including `index` may be deleted, from now on and whenever it suits: they
  // must not be read any more, so consensus is told first. Never goes back.
  virtual void Trim(consensus::Index index) = 0;
  // All writes up to and including this one are durable. Any thread.
  virtual consensus::PersistSeq durable() const = 0;
  // The log has been trimmed up to and including this entry, durably. Any thread.
  virtual consensus::Index trimmed() const = 0;
  // The payload of all entries that the log holds, durably. Any thread.
  virtual size_t log_bytes() const = 0;
  // What to trim to so that the newest entries are kept which have no more than that much payload
  // together. Any thread. See LogSizes.
  virtual consensus::Index StartOfTail(size_t payload_bytes_max) const = 0;
  // About how many bytes more its disk has room for: what is submitted beyond them may have to wait
  // for space. Any thread.
  virtual size_t room_bytes() const { return std::numeric_limits<size_t>::max(); }
};

}  // namespace quorate::storage
