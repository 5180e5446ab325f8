#include "tests/storage/support/workload.h"

#include <algorithm>
#include <cassert>
#include <thread>
#include <utility>

#include "storage/keyspace/database_view.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::Entry;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::PersistSeq;
using consensus::Term;

constexpr KeySpace::Limits kLimits{.memtable_bytes_max = 1 << 20, .memtable_keys_max = 400};
constexpr uint64_t kKeys = 2000;

uint64_t SeedOf(Index index, Term term) { return index.value() * 1'000'003 + term.value(); }

ThreadedLogWriter::Options WriterOptions(const Workload::Options& options) {
  ThreadedLogWriter::Options writer;
  writer.report = options.report;
  writer.fatal = options.fatal;
  // Often, so that the ends of processes fall between the journal and LMDB in every way.
  writer.merger.merge_bytes = 50'000;
  writer.merger.merge_age_ms = 5;
  return writer;
}

}  // namespace

Identity WorkloadIdentity() { return {.cluster_id = 5, .node_id = NodeId(1), .members = "m"}; }

Entry WorkloadEntry(Index index, Term term) {
  Random random(SeedOf(index, term));
  std::string bytes = std::to_string(index.value()) + "@" + std::to_string(term.value()) + ":";
  bytes += random.Bytes(random.OneIn(20) ? random.Below(20'000) : random.Below(300));
  return {.term = term,
          .index = index,
          .kind = consensus::EntryKind::kBatch,
          .payload = consensus::Payload(std::move(bytes))};
}

void ApplyWorkloadEntry(KeySpace& keys, Index index, Term term, Chain chain) {
  Random random(SeedOf(index, term) + 1);
  keys.BeginEntry(index, term, chain, static_cast<int64_t>(random.Below(1000)));
  for (uint64_t commands = 1 + random.Below(5); commands > 0; --commands) {
    keys.BeginCommand();
    const std::string key = "key:" + std::to_string(random.Below(kKeys));
    if (random.OneIn(4)) {
      keys.Delete(0, key);
    } else if (random.OneIn(3)) {
      // Depends on what was there: applied twice, or not at all, it shows.
      const std::optional<RecordView> old = keys.Find(0, key);
      std::string value = old ? std::string(old->value.substr(0, 2000)) : "";
      WriteView(keys, 0).PutString(key, value + std::to_string(index.value()));
    } else {
      WriteView(keys, 0).PutString(
          key, random.Bytes(random.OneIn(30) ? random.Below(9000) : random.Below(50)));
    }
  }
  keys.EndEntry();
}

Workload::Workload(OpenedStorage& storage, Acknowledged& acknowledged, const Options& options)
    : storage_(storage),
      acknowledged_(acknowledged),
      options_(options),
      random_(options.seed),
      keys_(*storage.state, kLimits),
      hard_state_(storage.recovered.hard_state),
      first_(storage.recovered.base_index),
      base_chain_(storage.recovered.base_chain),
      last_index_(storage.recovered.last_index),
      durable_index_(storage.recovered.last_index),
      committed_(std::max(Index(acknowledged.committed), storage.recovered.last_applied)),
      writer_(*storage.log, WriterOptions(options)),
      checkpointer_(*storage.state,
                    {.wake = nullptr, .fatal = options.fatal, .report = options.report}) {
  for (Index index = first_ + 1; index <= last_index_; ++index) {
    Term term;
    for (const consensus::TermRun& run : storage.recovered.terms) {
      if (run.first <= index) term = run.term;
    }
    terms_.push_back(term);
    chains_.push_back(storage.log->ChainAt(index).value());
  }
  acknowledged_.started = 1;
}

void Workload::Run() {
  for (uint64_t step = 0; step < options_.steps; ++step) Step();
  writer_.Stop();
  TakeDurable();
  if (options_.acknowledged) options_.acknowledged();
  checkpointer_.Stop();
}

void Workload::Step() {
  if (submitted_.size() < 20) SubmitWrite();
  TakeDurable();
  if (options_.acknowledged) options_.acknowledged();
  ApplyCommitted();
  if (checkpointer_.TakeFinished()) {
    keys_.CheckpointFinished();
    acknowledged_.checkpoint = keys_.checkpoint_index().value();
  }
  if (!keys_.checkpoint_under_way() && (keys_.full() || random_.OneIn(200))) {
    checkpointer_.Start(keys_.BeginCheckpoint());
  }
  if (random_.OneIn(50) && keys_.checkpoint_index() > writer_.trimmed()) {
    writer_.Trim(keys_.checkpoint_index());
  }
  acknowledged_.trimmed = writer_.trimmed().value();
  if (random_.OneIn(5)) std::this_thread::yield();
}

void Workload::SubmitWrite() {
  Persist write;
  write.seq = ++seq_;
  const bool is_new_term = hard_state_.current_term == Term() || random_.OneIn(100);
  if (is_new_term) {
    hard_state_ = {hard_state_.current_term + 1, NodeId(random_.Below(4))};
    write.hard_state = hard_state_;
    // A new leader's log conflicts somewhere behind what is committed.
    if (last_index_ > committed_) {
      const uint64_t kept = random_.Below(last_index_.DistanceFrom(committed_) + 1);
      if (committed_ + kept < last_index_) {
        last_index_ = committed_ + kept;
        write.truncate_from = last_index_ + 1;
        terms_.resize(last_index_.DistanceFrom(first_));
        chains_.resize(terms_.size());
        durable_index_ = std::min(durable_index_, last_index_);
        for (Submitted& earlier : submitted_) {
          earlier.last_index = std::min(earlier.last_index, last_index_);
        }
      }
    }
  } else if (hard_state_.voted_for == NodeId() && random_.OneIn(20)) {
    hard_state_.voted_for = NodeId(1 + random_.Below(3));
    write.hard_state = hard_state_;
  }
  for (uint64_t count = random_.Below(10); count > 0; --count) {
    ++last_index_;
    Entry entry = WorkloadEntry(last_index_, hard_state_.current_term);
    entry.chain = ExtendChain(chains_.empty() ? base_chain_ : chains_.back(), entry);
    chains_.push_back(entry.chain);
    write.entries.push_back(std::move(entry));
    terms_.push_back(hard_state_.current_term);
  }
  assert(last_index_ < Index(Acknowledged::kEntriesMax));
  submitted_.push_back({write.seq, last_index_, hard_state_});
  writer_.Submit(std::move(write));
}

void Workload::TakeDurable() {
  const PersistSeq durable = writer_.durable();
  while (!submitted_.empty() && submitted_.front().seq <= durable) {
    const Submitted& write = submitted_.front();
    durable_index_ = std::max(durable_index_, write.last_index);
    // The vote first goes, then the term comes, then its vote: a reader in between sees less, not
    // more.
    if (Term(acknowledged_.term) != write.hard_state.current_term) acknowledged_.vote = 0;
    acknowledged_.term = write.hard_state.current_term.value();
    acknowledged_.vote = write.hard_state.voted_for.value();
    submitted_.pop_front();
  }
  // Some way behind, as the other servers' acknowledgements are: what is between may be truncated.
  if (durable_index_ > committed_) {
    const Index commit = committed_ + random_.Below(durable_index_.DistanceFrom(committed_) + 1);
    for (Index index = committed_ + 1; index <= commit; ++index) {
      acknowledged_.terms[index.value()] = static_cast<uint32_t>(TermOf(index).value());
    }
    committed_ = commit;
    acknowledged_.committed = commit.value();
  }
}

void Workload::ApplyCommitted() {
  while (keys_.last_applied() < committed_ && !keys_.full()) {
    const Index next = keys_.last_applied() + 1;
    ApplyWorkloadEntry(keys_, next, TermOf(next), chains_[next.DistanceFrom(first_) - 1]);
  }
}

Term Workload::TermOf(Index index) const {
  assert(index > first_);
  return terms_[index.DistanceFrom(first_) - 1];
}

}  // namespace quorate::storage
