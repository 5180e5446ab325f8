// A disk for tests: holds what storage would hold, makes writes durable only when told to, and
// loses the others in a crash.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/types.h"

namespace quorate::consensus {

class MemoryDisk : public LogReader {
 public:
  // --- What is durable ---
  const HardState& hard_state() const { return hard_state_; }
  Index base_index() const { return base_index_; }
  Index last_index() const { return base_index_ + entries_.size(); }
  // The term at base_index .. last_index.
  Term TermAt(Index index) const;
  Chain ChainAt(Index index) const;
  std::vector<Entry> Read(Index first, Index last, size_t bytes_max) const override;
  // As a restart would find it.
  Recovered Recover(Index last_applied) const;

  // --- Setting up: durable at once ---
  void SetHardState(HardState hard_state) { hard_state_ = hard_state; }
  void SetBase(Index index, Term term);
  // What the cluster began with.
  void SetConfiguration(Configuration configuration) { configuration_ = std::move(configuration); }
  // The server joined a cluster that had begun without it.
  void SetJoined() { joined_ = true; }
  // The rules for a cluster's first election, of servers with nothing in their logs, do not apply
  // whatever this log holds.
  void SetBegun() { begun_ = true; }
  void Append(Entry entry);
  // Changes what lies on the disk, as no server would. Precondition: nothing is queued.
  void Replace(Entry entry);

  // --- Writing ---
  // Checks that the write fits what will then be on the disk.
  void Submit(Persist persist);
  size_t queued() const { return queue_.size(); }
  const std::deque<Persist>& queue() const { return queue_; }
  // Makes the oldest queued write durable, or the oldest ones up to `seq`. Nothing when none is
  // queued.
  std::optional<PersistSeq> CompleteNext();
  std::optional<PersistSeq> CompleteUpTo(PersistSeq seq);
  std::optional<PersistSeq> CompleteAll();
  // What was not durable is gone.
  void Crash();
  void Trim(Index index);
  // The log begins anew after `snapshot`'s last_applied, with its configuration, unless the entry
  // there is the same: as a server does that has installed a snapshot.
  void Install(const Recovered& snapshot, Term term, Chain chain);

  FoundingId founding() const { return founding_; }

  // How often Read was called.
  size_t reads() const { return reads_; }

 private:
  void Apply(const Persist& persist);

  HardState hard_state_;
  Index base_index_;
  Term base_term_;
  Chain base_chain_;
  FoundingId founding_;
  Configuration configuration_;  // as of base_index_
  Index configuration_index_;
  bool joined_ = false;
  bool begun_ = false;
  std::deque<Entry> entries_;
  std::deque<Persist> queue_;
  PersistSeq last_seq_;
  mutable size_t reads_ = 0;
};

}  // namespace quorate::consensus
