#include "tests/simulation/log_disk.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "consensus/configuration.h"
#include "consensus/founding.h"

namespace quorate::simulation {
namespace {

constexpr Time kSpaceInterval = 100 * kMillisecond;
// What a write takes in the journal beside its payload.
constexpr size_t kWriteBytes = 100;

}  // namespace

using consensus::Entry;
using consensus::Index;
using consensus::Persist;

Chain Extend(Chain chain, const Entry& entry) {
  uint64_t mixed = chain;
  for (const uint64_t part : {entry.term.value(), static_cast<uint64_t>(entry.kind),
                              uint64_t{entry.payload.crc32c()}, uint64_t{entry.payload.size()}}) {
    mixed = (mixed ^ part) * 0x9e3779b97f4a7c15;
    mixed ^= mixed >> 29;
  }
  return mixed;
}

LogDisk::LogDisk(consensus::NodeId id, EventQueue& events, Trace& trace, Random random,
                 const DiskSettings& settings)
    : id_(id), events_(events), trace_(trace), random_(random), settings_(settings) {}

void LogDisk::Open(std::function<void()> on_durable) {
  assert(!busy_);
  assert(queue_.empty());
  on_durable_ = std::move(on_durable);
  trim_to_ = base_index_;
}

consensus::Recovered LogDisk::Recover(Index last_applied) const {
  consensus::Recovered recovered;
  recovered.hard_state = hard_state_;
  recovered.ledger = ledger_;
  recovered.base_index = base_index_;
  recovered.founding = founding_;
  recovered.base_term = base_term_;
  recovered.base_chain = base_chain_;
  recovered.last_chain = entries_.empty() ? base_chain_ : entries_.back().chain;
  recovered.last_index = last_index();
  recovered.last_applied = last_applied;
  for (const Entry& entry : entries_) {
    if (recovered.terms.empty() || recovered.terms.back().term != entry.term) {
      recovered.terms.push_back({entry.term, entry.index});
    }
    if (entry.kind == consensus::EntryKind::kFounding) {
      const auto founding = consensus::DecodeFounding(entry.payload.bytes());
      recovered.founding_entry = consensus::FoundingEntry{entry.index, founding->id};
    }
    if (entry.kind == consensus::EntryKind::kConfiguration && entry.index > last_applied) {
      recovered.configurations.emplace_back(entry.index,
                                            *consensus::DecodeConfiguration(entry.payload.bytes()));
    }
  }
  return recovered;
}

void LogDisk::Crash() {
  ++life_;
  // The commit that was under way may just have made it to the disk, without anybody being told.
  if (!committing_.empty() && !waits_for_space_ && random_.Chance(500)) {
    for (const Persist& persist : committing_) Apply(persist);
  }
  queue_.clear();
  committing_.clear();
  busy_ = false;
  on_durable_ = nullptr;
  submitted_ = {};
  durable_seq_ = {};
  stalled_until_ = 0;
  commit_trap_ = nullptr;
  waits_for_space_ = false;
}

bool LogDisk::Contains(Index index, consensus::Term term) const {
  if (index == base_index_) return term == base_term_;
  return index > base_index_ && index <= last_index() &&
         entries_[index.DistanceFrom(base_index_) - 1].term == term;
}

void LogDisk::BeginAfter(Index index, consensus::Term term, consensus::Chain base_chain,
                         std::vector<Chain> chain) {
  assert(!busy_);
  assert(chain.size() == index.value() + 1);
  base_index_ = index;
  base_term_ = term;
  base_chain_ = base_chain;
  entries_.clear();
  chain_ = std::move(chain);
  sizes_.Reset(index);
}

void LogDisk::Wipe() {
  assert(!busy_);
  hard_state_ = {};
  founding_ = {};
  ledger_.clear();
  base_index_ = {};
  base_term_ = {};
  base_chain_ = {};
  entries_.clear();
  chain_ = {0};
  sizes_.Reset(base_index_);
  journal_used_ = false;
}

bool LogDisk::Image::Fits(const storage::StateMeta& state) const {
  const Index applied = state.last_applied;
  const bool is_snapshot = state.snapshot_index == applied;
  if (applied < base_index) return false;
  if (applied > base_index + entries.size()) return is_snapshot;
  const Entry* const entry =
      applied == base_index ? nullptr : &entries[applied.DistanceFrom(base_index) - 1];
  if ((entry != nullptr ? entry->term : base_term) != state.last_applied_term) return is_snapshot;
  return (entry != nullptr ? entry->chain : base_chain) == state.last_applied_chain;
}

void LogDisk::PutBack(Image image) {
  Wipe();
  hard_state_ = image.hard_state;
  founding_ = image.founding;
  ledger_ = std::move(image.ledger);
  base_index_ = image.base_index;
  base_term_ = image.base_term;
  base_chain_ = image.base_chain;
  entries_ = std::move(image.entries);
  chain_ = std::move(image.chain);
  sizes_.Reset(base_index_);
  for (const Entry& entry : entries_) sizes_.Append(entry.payload.size());
}

std::optional<consensus::Configuration> LogDisk::NewestConfiguration() const {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->kind == consensus::EntryKind::kConfiguration) {
      return consensus::DecodeConfiguration(entry->payload.bytes());
    }
  }
  return std::nullopt;
}

void LogDisk::Submit(Persist persist) {
  assert(persist.seq == submitted_ + 1);
  assert(persist.hard_state || persist.truncate_from || !persist.entries.empty() ||
         persist.founding || persist.ledger);
  submitted_ = persist.seq;
  queue_.push_back(std::move(persist));
  if (!busy_) StartCommit();
}

void LogDisk::Trim(Index index) {
  assert(index >= trim_to_);
  trim_to_ = index;
  if (!busy_ && MustTrim()) StartCommit();
}

std::vector<Entry> LogDisk::Read(Index first, Index last, size_t bytes_max) const {
  assert(base_index_ < first);
  assert(first <= last);
  assert(last <= last_index());
  std::vector<Entry> entries;
  size_t bytes = 0;
  for (Index index = first; index <= last; ++index) {
    const Entry& entry = entries_[index.DistanceFrom(base_index_) - 1];
    bytes += entry.payload.size();
    if (bytes > bytes_max && !entries.empty()) break;
    entries.push_back(entry);
  }
  return entries;
}

void LogDisk::StallUntil(Time when) { stalled_until_ = std::max(stalled_until_, when); }

size_t LogDisk::room_bytes() const { return full() ? room_bytes_ : LogWriter::room_bytes(); }

void LogDisk::FillUntil(Time when, size_t room_bytes, size_t journal_bytes) {
  if (!full()) journal_used_ = false;
  full_until_ = when;
  room_bytes_ = room_bytes;
  journal_bytes_ = journal_bytes;
}

// For the commit that is under way.
bool LogDisk::FindsSpace() {
  if (!full() || committing_.empty()) return true;
  size_t bytes = 0;
  for (const Persist& persist : committing_) {
    bytes += kWriteBytes;
    for (const Entry& entry : persist.entries) bytes += entry.payload.size();
  }
  if (bytes > journal_bytes_) return false;
  journal_bytes_ -= bytes;
  journal_used_ = true;
  return true;
}

Time LogDisk::CommitDuration() {
  Time duration = random_.Between(settings_.commit_min, settings_.commit_max);
  if (random_.Chance(settings_.spike_permille)) duration += random_.Between(0, settings_.spike_max);
  return duration * slowness_;
}

void LogDisk::StartCommit() {
  assert(!busy_);
  busy_ = true;
  while (!queue_.empty()) {
    committing_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  events_.After(CommitDuration(), [this, life = life_] { FinishCommit(life); });
}

void LogDisk::FinishCommit(uint64_t life) {
  if (life != life_) return;
  if (events_.now() < stalled_until_) {
    events_.At(stalled_until_, [this, life] { FinishCommit(life); });
    return;
  }
  waits_for_space_ = !FindsSpace();
  if (waits_for_space_) {
    events_.After(kSpaceInterval, [this, life] { FinishCommit(life); });
    return;
  }
  if (commit_trap_ && !committing_.empty()) {
    std::exchange(commit_trap_, nullptr)();
    return;
  }
  if (events_.now() < fails_until_ && !committing_.empty()) {
    on_failure_();
    return;
  }
  for (const Persist& persist : committing_) {
    Apply(persist);
    durable_seq_ = persist.seq;
  }
  if (!committing_.empty()) trace_.Add(Happening::kDurable, id_.value(), durable_seq_.value());
  committing_.clear();
  ApplyTrim();
  busy_ = false;
  if (!queue_.empty() || MustTrim()) StartCommit();
  on_durable_();
}

void LogDisk::Apply(const Persist& persist) {
  if (persist.hard_state) {
    assert(persist.hard_state->current_term >= hard_state_.current_term);
    hard_state_ = *persist.hard_state;
  }
  if (persist.founding) founding_ = *persist.founding;
  if (persist.ledger) ledger_ = *persist.ledger;
  if (persist.truncate_from) {
    assert(*persist.truncate_from > base_index_);
    assert(*persist.truncate_from <= last_index());
    while (last_index() >= *persist.truncate_from) {
      entries_.pop_back();
      chain_.pop_back();
    }
    sizes_.Truncate(*persist.truncate_from);
  }
  for (const Entry& entry : persist.entries) {
    assert(entry.index == last_index() + 1);
    entries_.push_back(entry);
    chain_.push_back(Extend(chain_.back(), entry));
    sizes_.Append(entry.payload.size());
  }
}

void LogDisk::ApplyTrim() {
  if (!MustTrim()) return;
  assert(trim_to_ <= last_index());
  const Index to = std::min(trim_to_, base_index_ + settings_.trim_entries_max);
  while (base_index_ < to) {
    base_term_ = entries_.front().term;
    base_chain_ = entries_.front().chain;
    entries_.pop_front();
    ++base_index_;
  }
  sizes_.Trim(base_index_);
  trace_.Add(Happening::kTrim, id_.value(), base_index_.value());
}

}  // namespace quorate::simulation
