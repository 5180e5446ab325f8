// How large the entries of a log are, without a look at the disk: for whoever decides how much of
// it is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "consensus/types.h"

namespace quorate::storage {

// 8 bytes an entry, in memory. Any thread; one of them changes it.
class LogSizes {
 public:
  // Of an empty log behind `base`.
  void Reset(consensus::Index base);
  // The next entry.
  void Append(size_t payload_bytes);
  // Precondition of both: base index <= the index <= last index (+ 1).
  void Truncate(consensus::Index from);
  void Trim(consensus::Index to);

  // Payload of all entries.
  size_t bytes() const;
  // The entry before the newest ones that have no more than that together, as many of them as
  // there are: the last entry when not even one fits, the base when all do.
  consensus::Index StartOfTail(size_t payload_bytes_max) const;

 private:
  uint64_t end() const { return ends_.empty() ? base_end_ : ends_.back(); }

  mutable std::mutex mutex_;
  consensus::Index base_;
  uint64_t base_end_ = 0;      // payload that was ever before the first entry
  std::deque<uint64_t> ends_;  // for each entry, the payload up to its end
};

}  // namespace quorate::storage
