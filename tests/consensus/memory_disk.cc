#include "tests/consensus/memory_disk.h"

#include <cassert>
#include <limits>
#include <utility>

#include "consensus/configuration.h"
#include "consensus/founding.h"

namespace quorate::consensus {

Term MemoryDisk::TermAt(Index index) const {
  assert(index >= base_index_);
  assert(index <= last_index());
  return index == base_index_ ? base_term_ : entries_[index.DistanceFrom(base_index_) - 1].term;
}

Chain MemoryDisk::ChainAt(Index index) const {
  assert(index >= base_index_);
  assert(index <= last_index());
  return index == base_index_ ? base_chain_ : entries_[index.DistanceFrom(base_index_) - 1].chain;
}

std::vector<Entry> MemoryDisk::Read(Index first, Index last, size_t bytes_max) const {
  assert(base_index_ < first);
  assert(first <= last);
  assert(last <= last_index());
  ++reads_;
  std::vector<Entry> entries;
  size_t bytes = 0;
  for (Index index = first; index <= last; ++index) {
    const Entry& entry = entries_[index.DistanceFrom(base_index_) - 1];
    bytes += entry.payload.size();
    if (bytes > bytes_max && !entries.empty()) {
      break;
    }
    entries.push_back(entry);
  }
  return entries;
}

Recovered MemoryDisk::Recover(Index last_applied) const {
  Recovered recovered{.hard_state = hard_state_,
                      .base_index = base_index_,
                      .base_term = base_term_,
                      .base_chain = base_chain_,
                      .last_index = last_index(),
                      .last_chain = ChainAt(last_index()),
                      .terms = {},
                      .last_applied = last_applied,
                      .configuration = configuration_,
                      .configuration_index = configuration_index_,
                      .joined = joined_,
                      .founding = founding_};
  if (begun_) {
    recovered.origin_index = Index(std::numeric_limits<uint64_t>::max());
  }
  for (const Entry& entry : entries_) {
    if (recovered.terms.empty() || recovered.terms.back().term != entry.term) {
      recovered.terms.push_back({entry.term, entry.index});
    }
    if (entry.kind == EntryKind::kFounding) {
      recovered.founding_entry =
          FoundingEntry{entry.index, DecodeFounding(entry.payload.bytes())->id};
    }
    if (entry.kind != EntryKind::kConfiguration) {
      continue;
    }
    Configuration configuration = *DecodeConfiguration(entry.payload.bytes());
    if (entry.index <= last_applied) {
      recovered.configuration = std::move(configuration);
      recovered.configuration_index = entry.index;
    } else {
      recovered.configurations.emplace_back(entry.index, std::move(configuration));
    }
  }
  return recovered;
}

void MemoryDisk::SetBase(Index index, Term term) {
  assert(entries_.empty());
  base_index_ = index;
  base_term_ = term;
}

void MemoryDisk::Append(Entry entry) {
  assert(entry.index == last_index() + 1);
  assert(entry.term >= TermAt(last_index()));
  const Chain chain = ExtendChain(ChainAt(last_index()), entry);
  assert(entry.chain == Chain() || entry.chain == chain);
  entry.chain = chain;
  entries_.push_back(std::move(entry));
}

void MemoryDisk::Replace(Entry entry) {
  assert(queue_.empty());
  for (Entry& old : std::exchange(entries_, {})) {
    Entry kept = old.index == entry.index ? entry : std::move(old);
    kept.chain = Chain();
    Append(std::move(kept));
  }
}

void MemoryDisk::Submit(Persist persist) {
  assert(last_seq_ == PersistSeq() || persist.seq == last_seq_ + 1);
  assert(persist.hard_state || persist.truncate_from || !persist.entries.empty() ||
         persist.founding || persist.ledger);
  last_seq_ = persist.seq;
  queue_.push_back(std::move(persist));
}

std::optional<PersistSeq> MemoryDisk::CompleteNext() {
  return queue_.empty() ? std::nullopt : CompleteUpTo(queue_.front().seq);
}

std::optional<PersistSeq> MemoryDisk::CompleteAll() {
  return queue_.empty() ? std::nullopt : CompleteUpTo(queue_.back().seq);
}

std::optional<PersistSeq> MemoryDisk::CompleteUpTo(PersistSeq seq) {
  std::optional<PersistSeq> completed;
  while (!queue_.empty() && queue_.front().seq <= seq) {
    Apply(queue_.front());
    completed = queue_.front().seq;
    queue_.pop_front();
  }
  return completed;
}

void MemoryDisk::Crash() {
  queue_.clear();
  last_seq_ = PersistSeq();
}

void MemoryDisk::Trim(Index index) {
  assert(index >= base_index_);
  assert(index <= last_index());
  base_term_ = TermAt(index);
  base_chain_ = ChainAt(index);
  while (base_index_ < index) {
    const Entry& entry = entries_.front();
    if (entry.kind == EntryKind::kConfiguration) {
      configuration_ = *DecodeConfiguration(entry.payload.bytes());
      configuration_index_ = entry.index;
    }
    entries_.pop_front();
    ++base_index_;
  }
}

void MemoryDisk::Install(const Recovered& snapshot, Term term, Chain chain) {
  assert(queue_.empty());
  Index index = snapshot.last_applied;
  assert(index > base_index_);
  if (index <= last_index() && TermAt(index) == term) {
    return;
  }
  entries_.clear();
  base_index_ = index;
  base_term_ = term;
  base_chain_ = chain;
  configuration_ = snapshot.configuration;
  configuration_index_ = snapshot.configuration_index;
  if (hard_state_.current_term < term) {
    hard_state_ = {term, NodeId()};
  }
}

void MemoryDisk::Apply(const Persist& persist) {
  if (persist.hard_state) {
    assert(persist.hard_state->current_term >= hard_state_.current_term);
    hard_state_ = *persist.hard_state;
  }
  if (persist.founding) {
    founding_ = *persist.founding;
  }
  if (persist.truncate_from) {
    assert(*persist.truncate_from > base_index_);
    assert(*persist.truncate_from <= last_index());
    while (last_index() >= *persist.truncate_from) {
      entries_.pop_back();
    }
  }
  for (const Entry& entry : persist.entries) {
    Append(entry);
  }
}

}  // namespace quorate::consensus
