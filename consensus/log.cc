#include "consensus/log.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace quorate::consensus {

RaftLog::RaftLog(const Recovered& recovered, const LogReader& reader, size_t cached_bytes_max)
    : reader_(reader),
      cached_bytes_max_(cached_bytes_max),
      base_index_(recovered.base_index),
      base_term_(recovered.base_term),
      base_chain_(recovered.base_chain),
      last_index_(recovered.last_index),
      last_chain_(recovered.last_chain),
      runs_(recovered.terms),
      cache_first_(recovered.last_index + 1),
      submitted_(recovered.last_index),
      durable_index_(recovered.last_index) {
  assert(base_index_ <= last_index_);
  assert(runs_.empty() == (base_index_ == last_index_));
  assert(!runs_.empty() || last_chain_ == base_chain_);
  if (!runs_.empty()) {
    assert(runs_.front().first == base_index_ + 1);
    assert(runs_.front().term >= base_term_);
    assert(runs_.back().first <= last_index_);
  }
  for (size_t i = 1; i < runs_.size(); ++i) {
    assert(runs_[i - 1].first < runs_[i].first);
    assert(runs_[i - 1].term < runs_[i].term);
  }
}

std::optional<Term> RaftLog::TermAt(Index index) const {
  if (index < base_index_ || index > last_index_) {
    return std::nullopt;
  }
  if (index == base_index_) {
    return base_term_;
  }
  auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                [](Index i, const TermRun& run) { return i < run.first; });
  assert(after != runs_.begin());
  return std::prev(after)->term;
}

std::optional<Chain> RaftLog::ChainAt(Index index) const {
  if (index < base_index_ || index > last_index_) {
    return std::nullopt;
  }
  if (index == last_index_) {
    return last_chain_;
  }
  if (index == base_index_) {
    return base_chain_;
  }
  if (IsCached(index)) {
    return cache_[index.DistanceFrom(cache_first_)].chain;
  }
  if (index == last_read_index_) {
    return last_read_chain_;
  }
  return reader_.Read(index, index, 0).front().chain;
}

std::optional<Index> RaftLog::LastNotAbove(Index index, Term term) const {
  Index last = std::min(index, last_index_);
  if (last < base_index_) {
    return std::nullopt;
  }
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first <= last) {
      if (run->term <= term) {
        return last;
      }
      last = run->first - 1;
    }
  }
  if (base_term_ <= term) {
    return last;
  }
  return std::nullopt;
}

std::vector<Entry> RaftLog::Read(Index first, Index last, size_t bytes_max) const {
  assert(first > base_index_);
  assert(first <= last);
  assert(last <= last_index_);
  if (first < cache_first_) {
    std::vector<Entry> entries = reader_.Read(first, std::min(last, cache_first_ - 1), bytes_max);
    assert(!entries.empty());
    assert(entries.front().index == first);
    assert(entries.back().index == first + (entries.size() - 1));
    assert(entries.back().index <= last);
    last_read_index_ = entries.back().index;
    last_read_chain_ = entries.back().chain;
    return entries;
  }
  std::vector<Entry> entries;
  size_t bytes = 0;
  for (Index index = first; index <= last; ++index) {
    const Entry& entry = cache_[index.DistanceFrom(cache_first_)];
    bytes += entry.payload.size();
    if (bytes > bytes_max && !entries.empty()) {
      break;
    }
    entries.push_back(entry);
  }
  return entries;
}

void RaftLog::Append(Entry entry) {
  assert(entry.index == last_index_ + 1);
  assert(entry.term >= last_term());
  assert(entry.term > Term());
  if (runs_.empty() || runs_.back().term != entry.term) {
    runs_.push_back({entry.term, entry.index});
  }
  last_index_ = entry.index;
  last_chain_ = entry.chain = ExtendChain(last_chain_, entry);
  cached_bytes_ += CachedBytes(entry);
  cache_.push_back(std::move(entry));
}

void RaftLog::TruncateFrom(Index index) {
  assert(index > base_index_);
  assert(index <= last_index_);
  last_chain_ = *ChainAt(index - 1);
  last_read_index_ = Index();
  while (last_index_ >= index && !cache_.empty()) {
    cached_bytes_ -= CachedBytes(cache_.back());
    cache_.pop_back();
    last_index_ = last_index_ - 1;
  }
  last_index_ = index - 1;
  cache_first_ = std::min(cache_first_, index);
  while (!runs_.empty() && runs_.back().first >= index) {
    runs_.pop_back();
  }

  // Storage learns of it only if it was ever given one of these entries. The next write carries the
  // truncation, and the entries that take their place, if any.
  if (index <= submitted_) {
    assert(!truncate_from_ || index < *truncate_from_);
    truncate_from_ = index;
    submitted_ = index - 1;
  }
  // Say entries 5 to 8 were submitted in write 3, and the new leader now overwrites 7. When write 3
  // completes, 7 and 8 on disk are the old ones: it may vouch for 5 and 6, no more. The new 7
  // becomes durable with a later write.
  durable_index_ = std::min(durable_index_, index - 1);
  for (Write& write : writes_) {
    write.last_index = std::min(write.last_index, index - 1);
  }
}

void RaftLog::Submit(uint64_t now, Persist* persist) {
  assert(writes_.empty() || writes_.back().seq < persist->seq);
  persist->truncate_from = truncate_from_;
  truncate_from_.reset();
  if (submitted_ < last_index_) {
    assert(submitted_ + 1 >= cache_first_);  // what is not durable stays in memory
    auto first =
        cache_.begin() + static_cast<std::ptrdiff_t>((submitted_ + 1).DistanceFrom(cache_first_));
    persist->entries.assign(first, cache_.end());
    submitted_ = last_index_;
  }
  writes_.push_back({persist->seq, submitted_, now});
}

void RaftLog::Persisted(PersistSeq seq) {
  while (!writes_.empty() && writes_.front().seq <= seq) {
    durable_index_ = std::max(durable_index_, writes_.front().last_index);
    writes_.pop_front();
  }
  assert(durable_index_ <= submitted_);
  assert(submitted_ <= last_index_);
}

std::optional<uint64_t> RaftLog::oldest_write() const {
  if (writes_.empty()) {
    return std::nullopt;
  }
  return writes_.front().submitted_at;
}

void RaftLog::Compact(Index index) {
  assert(index >= base_index_);
  assert(index <= durable_index_);
  base_term_ = *TermAt(index);
  base_chain_ = *ChainAt(index);
  base_index_ = index;
  while (!cache_.empty() && cache_first_ <= index) {
    cached_bytes_ -= CachedBytes(cache_.front());
    cache_.pop_front();
    ++cache_first_;
  }
  auto kept = std::upper_bound(runs_.begin(), runs_.end(), index + 1,
                               [](Index i, const TermRun& run) { return i < run.first; });
  if (index == last_index_) {
    runs_.clear();
  } else {
    // `kept` is the first run that begins after the new first entry, so the one before holds that
    // entry.
    runs_.erase(runs_.begin(), std::prev(kept));
    runs_.front().first = index + 1;
  }
}

void RaftLog::Evict(Index committed) {
  Index limit = std::min(committed, durable_index_);
  while (cached_bytes_ > cached_bytes_max_ && !cache_.empty() && cache_first_ <= limit) {
    cached_bytes_ -= CachedBytes(cache_.front());
    cache_.pop_front();
    ++cache_first_;
  }
}

// Small entries cost their bookkeeping more than their payload.
size_t RaftLog::CachedBytes(const Entry& entry) { return sizeof(Entry) + entry.payload.size(); }

}  // namespace quorate::consensus
