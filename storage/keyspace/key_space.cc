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
  for (auto& [id, sums] : sums_) sums.ForgetChanges();
}

const Database* KeySpace::FindDatabase(uint32_t number) const {
  const auto found = meta_.databases.find(number);
  return found == meta_.databases.end() ? nullptr : &found->second;
}

Database& KeySpace::OpenDatabase(uint32_t number) {
  const auto [found, made] = meta_.databases.try_emplace(number);
  if (made) found->second.id = TakeDatabaseId();
  return found->second;
}

DatabaseId KeySpace::TakeDatabaseId() {
  const DatabaseId id = meta_.next_database;
  meta_.next_database = static_cast<DatabaseId>(static_cast<uint32_t>(id) + 1);
  return id;
}

std::optional<RecordView> KeySpace::Find(uint32_t number, std::string_view key) const {
  const Database* database = FindDatabase(number);
  if (database == nullptr) return std::nullopt;
  if (const Memtable::Change* change = FindChanged(Memtable::Key(database->id, key))) {
    if (change->deleted()) return std::nullopt;
    return change->view();
  }
  return reader_.Find(database->id, key);
}

uint64_t KeySpace::key_count(uint32_t number) const {
  const Database* database = FindDatabase(number);
  return database == nullptr ? 0 : database->key_count;
}

uint64_t KeySpace::CountKeysInSlot(uint16_t slot) const {
  uint64_t count = 0;
  for (const auto& [id, sums] : sums_) count += sums.of(slot).key_count;
  return count;
}

const Memtable::Change* KeySpace::FindChanged(const Memtable::Key& key) const {
  if (const Memtable::Change* change = active_.Find(key)) return change;
  return older_ ? older_->Find(key) : nullptr;
}

void KeySpace::PrefetchEarly(uint32_t number, std::string_view key) const {
  const Database* database = FindDatabase(number);
  if (database == nullptr) return;
  const Memtable::Key hashed(database->id, key);
  active_.PrefetchBucket(hashed);
  if (older_) older_->PrefetchBucket(hashed);
}

void KeySpace::PrefetchLate(uint32_t number, std::string_view key) const {
  const Database* database = FindDatabase(number);
  if (database == nullptr) return;
  const Memtable::Key hashed(database->id, key);
  active_.PrefetchChange(hashed);
  if (older_) older_->PrefetchChange(hashed);
}

std::optional<KeySpace::Before> KeySpace::BeforeOf(const Memtable::Key& key) const {
  if (const Memtable::Change* change = FindChanged(key)) {
    if (change->deleted()) return std::nullopt;
    const RecordView record = change->view();
    return Before{record.header, HeaderDigest(key.bytes(), record.header), change->digest(),
                  key.bytes().size() + record.value.size()};
  }
  const std::optional<RecordView> record = reader_.Find(key.database(), key.bytes());
  if (!record) return std::nullopt;
  const uint64_t header_digest = HeaderDigest(key.bytes(), record->header);
  return Before{record->header, header_digest, RecordDigest(header_digest, record->value),
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

void KeySpace::Put(uint32_t number, std::string_view key_bytes, ValueType type,
                   int64_t expire_at_ms, std::string_view value) {
  assert(open_entry_);
  Database& database = OpenDatabase(number);
  SlotSums& sums = sums_[database.id];
  const Memtable::Key key(database.id, key_bytes);
  const std::optional<Before> before = BeforeOf(key);
  if (MaySplitLeaf(before, key_bytes.size() + value.size())) ++splitting_puts_;
  const RecordView record{{type, meta_.revision, expire_at_ms}, value};
  const uint64_t header_digest = HeaderDigest(key_bytes, record.header);
  const uint64_t digest = RecordDigest(header_digest, value);
  if (before) {
    assert(database.key_count > 0);
    database.digest -= before->digest;
    if (before->expires()) --database.expires;
    sums.Replace(KeySlot(key_bytes), before->header_digest, header_digest);
  } else {
    ++database.key_count;
    sums.Add(KeySlot(key_bytes), header_digest);
  }
  if (expire_at_ms != 0) ++database.expires;
  database.digest += digest;
  active_.Put(key, record, digest);
}

std::optional<RecordHeader> KeySpace::Delete(uint32_t number, std::string_view key_bytes) {
  assert(open_entry_);
  const auto found = meta_.databases.find(number);
  if (found == meta_.databases.end()) return std::nullopt;
  Database& database = found->second;
  const Memtable::Key key(database.id, key_bytes);
  const std::optional<Before> before = BeforeOf(key);
  if (!before) return std::nullopt;
  assert(database.key_count > 0);
  database.digest -= before->digest;
  --database.key_count;
  if (before->expires()) --database.expires;
  sums_[database.id].Remove(KeySlot(key_bytes), before->header_digest);
  active_.Delete(key);
  return before->header;
}

// What the database had stays where it is, under an id that nobody looks for any more.
bool KeySpace::Flush(uint32_t number) {
  assert(open_entry_);
  const auto found = meta_.databases.find(number);
  if (found == meta_.databases.end() || found->second.key_count == 0) return true;
  if (meta_.next_database >= kDatabaseIdsForFlushes) return false;
  sums_.erase(found->second.id);
  found->second = {.id = TakeDatabaseId()};
  return true;
}

bool KeySpace::FlushAll() {
  bool flushed = true;
  for (const auto& [number, database] : meta_.databases) flushed = Flush(number) && flushed;
  return flushed;
}

void KeySpace::Swap(uint32_t number, uint32_t other) {
  assert(open_entry_);
  if (number == other) return;
  auto first = meta_.databases.extract(number);
  auto second = meta_.databases.extract(other);
  if (first) {
    first.key() = other;
    meta_.databases.insert(std::move(first));
  }
  if (second) {
    second.key() = number;
    meta_.databases.insert(std::move(second));
  }
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
  auto changes = std::make_shared<const Memtable>(std::exchange(active_, {}));
  changes_under_way_ = changes->key_count();
  older_index_ = meta_.last_applied;
  // Without any changes, those of the last checkpoint are still the newest there are.
  if (!older_ || !changes->empty()) older_ = changes;
  active_.Reserve(older_->key_count());  // as many as that came to, most likely
  auto sums = std::make_shared<const DatabaseSums>(sums_);
  for (auto& [id, changed] : sums_) changed.ForgetChanges();
  return {std::move(changes), meta_, std::move(sums)};
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
  return active_.key_count() + (checkpoint_under_way_ ? changes_under_way_ : 0);
}

}  // namespace quorate::storage
