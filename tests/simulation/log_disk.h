// A node's log on its disk. Writes that are queued while the disk is busy become durable together,
// as the log writer thread does it (group commit). A crash loses what is not durable; of a commit
// that is under way it leaves all or nothing, as LMDB does. On a full disk it writes what the
// journal has blocks for.
//
// Outlives the lives of its node. Its clock and its chance are the simulation's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "consensus/types.h"
#include "storage/keyspace/state_store.h"
#include "storage/log/log_sizes.h"
#include "storage/log/log_writer.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/random.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/trace.h"

namespace quorate::simulation {

// Stands for a log up to and including an entry: equal for equal logs. For the checks alone, by a
// formula of their own: the nodes' consensus::Chain is one of the things that are checked.
using Chain = uint64_t;
Chain Extend(Chain chain, const consensus::Entry& entry);

class LogDisk : public storage::LogWriter, public consensus::LogReader {
 public:
  LogDisk(consensus::NodeId id, EventQueue& events, Trace& trace, Random random,
          const DiskSettings& settings);

  // `on_durable` is called when writes have become durable. Until the next Crash.
  void Open(std::function<void()> on_durable);
  // As Open has found it.
  consensus::Recovered Recover(consensus::Index last_applied) const;
  void Crash();
  // Whether the log holds that entry, or begins right behind it. Between two lives, as is the next.
  bool Contains(consensus::Index index, consensus::Term term) const;
  // As storage::OpenStorage does for a snapshot that does not follow from the log: nothing is left
  // of it but the hard state. `chain`: of the log up to each index, from 0 to `index`.
  void BeginAfter(consensus::Index index, consensus::Term term, consensus::Chain base_chain,
                  std::vector<Chain> chain);

  // All of it is gone. Between two lives.
  void Wipe();
  // What is durable at one moment, in a life or between two.
  struct Image {
    consensus::HardState hard_state;
    consensus::FoundingId founding;
    std::string ledger;
    consensus::Index base_index;
    consensus::Term base_term;
    consensus::Chain base_chain;
    std::deque<consensus::Entry> entries;
    std::vector<Chain> chain;

    // Whether a start takes the two for one folder, as storage::OpenStorage decides it.
    bool Fits(const storage::StateMeta& state) const;
  };
  Image Copy() const {
    return {hard_state_, founding_,   ledger_,  base_index_,
            base_term_,  base_chain_, entries_, chain_};
  }
  // Between two lives.
  void PutBack(Image image);
  // The latest that is durable; nothing where the log holds none.
  std::optional<consensus::Configuration> NewestConfiguration() const;

  // --- storage::LogWriter and consensus::LogReader ---
  void Submit(consensus::Persist persist) override;
  void Trim(consensus::Index index) override;
  consensus::PersistSeq durable() const override { return durable_seq_; }
  consensus::Index trimmed() const override { return base_index_; }
  size_t log_bytes() const override { return sizes_.bytes(); }
  size_t room_bytes() const override;
  consensus::Index StartOfTail(size_t payload_bytes_max) const override {
    return sizes_.StartOfTail(payload_bytes_max);
  }
  std::vector<consensus::Entry> Read(consensus::Index first, consensus::Index last,
                                     size_t bytes_max) const override;

  // --- Faults ---
  // No commit completes before then.
  void StallUntil(Time when);
  // Commits take that many times as long. 1: as usual.
  void set_slowness(uint32_t slowness) { slowness_ = slowness; }
  // Until then, every commit fails: instead of completing it, `on_failure` is called.
  void FailUntil(Time when, std::function<void()> on_failure) {
    fails_until_ = when;
    on_failure_ = std::move(on_failure);
  }
  // Called instead of completing the next commit.
  void set_commit_trap(std::function<void()> trap) { commit_trap_ = std::move(trap); }

  // Until then there is no space on the disk, whatever becomes of the node. `room_bytes`: what is
  // left by its own account; `journal_bytes`: what it takes nevertheless. A commit beyond them, and
  // any trim, waits for space.
  void FillUntil(Time when, size_t room_bytes, size_t journal_bytes);
  bool full() const { return events_.now() < full_until_; }
  // A start has no space to take over what only the journal has.
  bool start_waits() const { return full() && journal_used_; }

  // None of the others is at work, and if the disk is full, there is room for votes and terms.
  bool works() const {
    return events_.now() >= stalled_until_ && events_.now() >= fails_until_ && slowness_ == 1 &&
           !commit_trap_ && (!full() || journal_bytes_ >= kJournalBytesForElections);
  }
  // None of these is at work.
  bool healthy() const { return works() && !full(); }

  // --- What is durable, for checks ---
  const consensus::HardState& hard_state() const { return hard_state_; }
  const std::string& ledger() const { return ledger_; }
  consensus::Index base_index() const { return base_index_; }
  consensus::Index last_index() const { return base_index_ + entries_.size(); }
  // Of the log up to each index, from 0 on.
  const std::vector<Chain>& chain() const { return chain_; }

 private:
  void StartCommit();
  void FinishCommit(uint64_t life);
  void Apply(const consensus::Persist& persist);
  void ApplyTrim();
  bool MustTrim() const { return trim_to_ > base_index_ && !full(); }
  bool FindsSpace();
  Time CommitDuration();

  static constexpr size_t kJournalBytesForElections = 1 << 20;

  const consensus::NodeId id_;
  EventQueue& events_;
  Trace& trace_;
  Random random_;
  const DiskSettings& settings_;

  // Durable.
  consensus::HardState hard_state_;
  consensus::FoundingId founding_;
  std::string ledger_;
  consensus::Index base_index_;
  consensus::Term base_term_;
  consensus::Chain base_chain_;
  std::deque<consensus::Entry> entries_;
  storage::LogSizes sizes_;  // of entries_
  std::vector<Chain> chain_ = {0};

  // Of this life.
  uint64_t life_ = 0;
  std::function<void()> on_durable_;
  std::deque<consensus::Persist> queue_;
  std::vector<consensus::Persist> committing_;
  bool busy_ = false;
  consensus::PersistSeq submitted_;
  consensus::PersistSeq durable_seq_;
  consensus::Index trim_to_;

  Time stalled_until_ = 0;
  Time fails_until_ = 0;
  std::function<void()> on_failure_;
  Time full_until_ = 0;
  size_t room_bytes_ = 0;
  size_t journal_bytes_ = 0;   // left
  bool journal_used_ = false;  // since the disk is full
  bool waits_for_space_ = false;
  uint32_t slowness_ = 1;
  std::function<void()> commit_trap_;
};

}  // namespace quorate::simulation
