#include "storage/keyspace/key_space.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "storage/keyspace/key_slot.h"

namespace quorate::storage {

KeySpace::KeySpace(StateReader& reader, const Limits& limits)
    : reader_(reader),
      limits_(limits),
      meta_(reader.meta()),
      sums_(reader.LoadSlotSums()),
      older_index_(reader.meta().last_applied) {
  assert(sums_.key_count() == meta_.key_count);
  sums_.ForgetChanges();
}

std::optional<RecordView> KeySpace::Find(std::string_view key) const {
  if (const Memtable::Change* change = FindChanged(Memtable::Key(key))) {
    if (change->deleted()) return std::nullopt;
    return change->view();
  }
  return reader_.Find(key);
}

const Memtable::Change* KeySpace::FindChanged(const Memtable::Key& key) const {
  if (const Memtable::Change* change = active_.Find(key)) return change;
  return older_ ? older_->Find(key) : nullptr;
}

void KeySpace::PrefetchEarly(std::string_view key) const {
  const Memtable::Key hashed(key);
  active_.PrefetchBucket(hashed);
  if (older_) older_->PrefetchBucket(hashed);
}

void KeySpace::PrefetchLate(std::string_view key) const {
  const Memtable::Key hashed(key);
  active_.PrefetchChange(hashed);
  if (older_) older_->PrefetchChange(hashed);
}

std::optional<KeySpace::Before> KeySpace::BeforeOf(const Memtable::Key& key) const {
  if (const Memtable::Change* change = FindChanged(key)) {
    if (change->deleted()) return std::nullopt;
    return Before{HeaderDigest(key.bytes(), change->view().header), change->digest(),
                  key.bytes().size() + change->view().value.size()};
  }
  const std::optional<RecordView> record = reader_.Find(key.bytes());
  if (!record) return std::nullopt;
  const uint64_t header_digest = HeaderDigest(key.bytes(), record->header);
  return Before{header_digest, RecordDigest(header_digest, record->value),
                key.bytes().size() + record->value.size()};
}

void KeySpace::BeginEntry(consensus::Index index, consensus::Term term, consensus::Chain chain,
                          int64_t clock_ms) {
  assert(!open_entry_);
  assert(index == meta_.last_applied + 1);
  assert(term >= meta_.last_applied_term);
  open_entry_ = OpenEntry{index, term, chain};
  meta_.clock_ms = std::max(meta_.clock_ms, clock_ms);
}

void KeySpace::PutString(std::string_view key_bytes, std::string_view value) {
  assert(open_entry_);
  const Memtable::Key key(key_bytes);
  const std::optional<Before> before = BeforeOf(key);
  if (MaySplitLeaf(before, key_bytes.size() + value.size())) ++splitting_puts_;
  const RecordView record{{ValueType::kString, meta_.revision, 0}, value};
  const uint64_t header_digest = HeaderDigest(key_bytes, record.header);
  const uint64_t digest = RecordDigest(header_digest, value);
  if (before) {
    assert(meta_.key_count > 0);
    meta_.digest -= before->digest;
    sums_.Replace(KeySlot(key_bytes), before->header_digest, header_digest);
  } else {
    ++meta_.key_count;
    sums_.Add(KeySlot(key_bytes), header_digest);
  }
  meta_.digest += digest;
  active_.Put(key, record, digest);
}

bool KeySpace::Delete(std::string_view key_bytes) {
  assert(open_entry_);
  const Memtable::Key key(key_bytes);
  const std::optional<Before> before = BeforeOf(key);
  if (!before) return false;
  assert(meta_.key_count > 0);
  meta_.digest -= before->digest;
  --meta_.key_count;
  sums_.Remove(KeySlot(key_bytes), before->header_digest);
  active_.Delete(key);
  return true;
}

void KeySpace::SetConfiguration(std::string_view configuration) {
  assert(open_entry_);
  meta_.configuration = configuration;
  meta_.configuration_index = open_entry_->index;
}

void KeySpace::SetFounding(std::string_view founding) {
  assert(open_entry_);
  meta_.founding = founding;
}

void KeySpace::EndEntry() {
  assert(open_entry_);
  meta_.last_applied = open_entry_->index;
  meta_.last_applied_term = open_entry_->term;
  meta_.last_applied_chain = open_entry_->chain;
  open_entry_.reset();
}

bool KeySpace::MaySplitLeaf(const std::optional<Before>& before, size_t bytes) {
  // From about this size on, the old row may have had its value elsewhere.
  constexpr size_t kElsewhereBytes = 1500;
  // A row that takes less room is deleted and written again, and LMDB may have put another one into
  // its page meanwhile. Beside that, a row of up to a quarter of a page still finds room.
  constexpr size_t kQuarterBytes = 900;
  if (!before || bytes > before->bytes || before->bytes >= kElsewhereBytes) return true;
  return bytes < before->bytes && bytes > kQuarterBytes;
}

size_t KeySpace::SplitsMax() const {
  // Each leaf that there is may be full; what is new fills its pages to a quarter at least.
  constexpr size_t kNewBytesPerPage = 1024;
  return std::min(splitting_puts_,
                  reader_.leaf_pages() + leaves_to_come_ + active_.bytes() / kNewBytesPerPage);
}

size_t KeySpace::CheckpointPagesMax() const {
  // A key's path has a handful of branch pages, and no key can dirty more of them than there are.
  constexpr size_t kBranchPagesPerKey = 4;
  const size_t values_elsewhere =
      active_.pages_max() - Memtable::kLeafPagesPerKey * active_.key_count();
  const size_t by_leaves = reader_.leaf_pages() + leaves_to_come_ + SplitsMax() + values_elsewhere;
  return std::min(active_.pages_max(), by_leaves) +
         std::min(reader_.branch_pages(), kBranchPagesPerKey * active_.key_count());
}

bool KeySpace::full() const {
  return active_.bytes() >= limits_.memtable_bytes_max ||
         active_.key_count() >= limits_.memtable_keys_max ||
         CheckpointPagesMax() >= limits_.checkpoint_pages_max;
}

Checkpoint KeySpace::BeginCheckpoint() {
  assert(!open_entry_);
  assert(!checkpoint_under_way());
  checkpoint_under_way_ = true;
  leaves_to_come_ = SplitsMax();
  splitting_puts_ = 0;
  older_ = std::make_shared<const Memtable>(std::exchange(active_, {}));
  older_index_ = meta_.last_applied;
  active_.Reserve(older_->key_count());  // as many as that came to, most likely
  auto sums = std::make_shared<const SlotSums>(sums_);
  sums_.ForgetChanges();
  return {older_, meta_, std::move(sums)};
}

void KeySpace::CheckpointFinished() {
  assert(checkpoint_under_way());
  reader_.Refresh();
  assert(reader_.meta().last_applied == older_index_);
  assert(older_index_ <= meta_.last_applied);
  checkpoint_under_way_ = false;
  leaves_to_come_ = 0;
}

size_t KeySpace::memtable_bytes() const { return active_.bytes() + (older_ ? older_->bytes() : 0); }

size_t KeySpace::unsaved_keys() const {
  return active_.key_count() + (checkpoint_under_way_ ? older_->key_count() : 0);
}

}  // namespace quorate::storage
