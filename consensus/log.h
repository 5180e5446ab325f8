// A server's log as consensus sees it: what terms the entries have, the newest entries themselves,
// and how much of it is on this server's disk. Older entries are read back through LogReader.
//
// A write goes through three stages: appended (in memory), submitted (in a Persist that storage
// has), durable. So base_index <= durable_index <= submitted <= last_index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "consensus/types.h"

namespace quorate::consensus {

class RaftLog {
 public:
  // `reader` must outlive the log. Everything that was recovered is durable.
  RaftLog(const Recovered& recovered, const LogReader& reader, size_t cached_bytes_max);

  Index base_index() const { return base_index_; }
  Index last_index() const { return last_index_; }
  Term last_term() const { return runs_.empty() ? base_term_ : runs_.back().term; }
  Chain last_chain() const { return last_chain_; }
  Index durable_index() const { return durable_index_; }

  // The term of the entry at `index`; nothing outside of base_index .. last_index. Never reads the
  // disk.
  std::optional<Term> TermAt(Index index) const;

  // The chain at base_index .. last_index; nothing outside. Reads the disk where the entry is
  // neither cached nor an end of the log nor the last one read.
  std::optional<Chain> ChainAt(Index index) const;

  // The last entry that is neither past `index` nor of a term above `term`; the base counts as an
  // entry. Nothing when that would lie before the base.
  std::optional<Index> LastNotAbove(Index index, Term term) const;

  bool IsCached(Index index) const { return index >= cache_first_ && index <= last_index_; }

  // Entries from `first` on: at least one, then until `last` or `bytes_max` of payload is reached,
  // and either all from memory or all from disk. Precondition: base_index < first <= last <=
  // last_index.
  std::vector<Entry> Read(Index first, Index last, size_t bytes_max) const;

  // Computes the entry's chain. Precondition: the entry follows last_index and its term is not
  // below last_term.
  void Append(Entry entry);

  // Drops all entries from `index` on. What was durable of them no longer counts as durable, nor
  // will it when a write of them that is still under way completes. Precondition: base_index <
  // index.
  void TruncateFrom(Index index);

  // --- Durability ---

  bool has_unsubmitted() const { return truncate_from_.has_value() || submitted_ < last_index_; }
  // Puts all that is not submitted into `persist`, whose seq is set, and remembers the write, at
  // tick `now`, until it is durable.
  void Submit(uint64_t now, Persist* persist);
  // Completes all writes up to and including `seq`.
  void Persisted(PersistSeq seq);
  // The tick at which the oldest write that is not yet durable was submitted.
  std::optional<uint64_t> oldest_write() const;

  // --- Size ---

  // The log now begins after `index`. Precondition: base_index <= index <= durable_index.
  void Compact(Index index);
  // Lets go of the oldest entries in memory while there are more than cached_bytes_max of them:
  // none past `committed`, and none that is not durable.
  void Evict(Index committed);
  size_t cached_bytes() const { return cached_bytes_; }

 private:
  struct Write {
    PersistSeq seq;
    Index last_index;  // when it is durable, the log is on disk up to here
    uint64_t submitted_at;
  };

  static size_t CachedBytes(const Entry& entry);

  const LogReader& reader_;
  const size_t cached_bytes_max_;

  Index base_index_;
  Term base_term_;
  Chain base_chain_;
  Index last_index_;
  Chain last_chain_;
  std::vector<TermRun> runs_;  // of base_index_ + 1 .. last_index_, terms rising

  std::deque<Entry> cache_;  // the entries cache_first_ .. last_index_
  Index cache_first_;
  // The last entry that was read from the disk: the next one sent to a server that is behind
  // follows it. 0: none.
  mutable Index last_read_index_;
  mutable Chain last_read_chain_;
  size_t cached_bytes_ = 0;

  Index submitted_;
  Index durable_index_;
  std::optional<Index> truncate_from_;  // what storage has to drop and has not been told
  std::deque<Write> writes_;            // submitted and not durable, oldest first
};

}  // namespace quorate::consensus
