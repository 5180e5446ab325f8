#include "storage/log/log_store.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <random>
#include <utility>

#include "consensus/configuration.h"
#include "consensus/crc32c.h"
#include "consensus/founding.h"
#include "storage/base/file_system.h"
#include "storage/lmdb/lmdb_records.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::Entry;
using consensus::EntryKind;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Persist;
using consensus::Term;

constexpr std::string_view kHeaderName = "header";
constexpr std::string_view kLedgerName = "ledger";
constexpr const char* kEntriesDatabase = "entries";

constexpr const char* kNotShortened =
    "; the log is not shortened to hide this: restore the data folder, or replace this member";

// A key of an MDB_INTEGERKEY database, which points to the number.
MDB_val IndexKey(const uint64_t& number) {
  return {sizeof(number), const_cast<uint64_t*>(&number)};
}
MDB_val IndexKey(const uint64_t&& number) = delete;

std::optional<Index> IndexOf(const MDB_val& key) {
  uint64_t index = 0;
  if (key.mv_size != sizeof(index)) return std::nullopt;
  std::memcpy(&index, key.mv_data, sizeof(index));
  return Index(index);
}

// A vote is given at most once a term, and terms only grow: consensus's promise, checked where it
// becomes durable.
void AssertMayFollow(const HardState& before, const HardState& after) {
  assert(after.current_term >= before.current_term);
  if (after.current_term == before.current_term) {
    assert(before.voted_for == NodeId() || after.voted_for == before.voted_for);
  }
}

// Not 0.
uint64_t DrawNumber() {
  std::random_device device;
  return (uint64_t{device()} << 32 | device()) | 1;
}

// The first entry that these writes change, or `otherwise`.
Index FirstChanged(std::span<const Persist> writes, Index otherwise) {
  Index first = otherwise;
  for (const Persist& write : writes) {
    if (write.truncate_from) first = std::min(first, *write.truncate_from);
    if (!write.entries.empty()) first = std::min(first, write.entries.front().index);
  }
  return first;
}

}  // namespace

LogStore::LogStore(std::unique_ptr<Environment> environment, Options options)
    : environment_(std::move(environment)), options_(std::move(options)), owner_(DrawNumber()) {}

// --- Creating and opening ---

Status LogStore::Create(const std::string& path, const Identity& identity, const Options& options) {
  const Environment::Options settings{.map_bytes = options.map_bytes, .fatal = options.fatal};
  if (Status created = Environment::Create(path, settings); !created.ok()) return created;
  auto environment = Environment::Open(path, settings);
  if (!environment.ok()) return Error{environment.error()};
  auto transaction = WriteTransaction::Begin(*environment.value());
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  MDB_dbi entries = 0;
  int code = OpenRecords(handle);
  if (code == 0) {
    code = mdb_dbi_open(handle, kEntriesDatabase, MDB_INTEGERKEY | MDB_CREATE, &entries);
  }
  if (code == 0) code = PutIdentity(handle, identity);
  if (code == 0)
    code = PutRecord(handle, kHeaderName, EncodeLogHeader(LogHeader(), mdb_txn_id(handle)));
  if (code == 0) code = transaction.value().Commit();
  if (code != 0) return environment.value()->MakeWriteError("the log cannot be created", code);
  return Ok();
}

Result<std::unique_ptr<LogStore>> LogStore::Open(const std::string& path, const Options& options) {
  auto environment =
      Environment::Open(path, {.map_bytes = options.map_bytes, .fatal = options.fatal});
  if (!environment.ok()) return Error{environment.error()};
  std::unique_ptr<LogStore> store(new LogStore(std::move(environment.value()), options));
  // Before anything is read: what another process acknowledges until it notices is read below.
  const Result<bool> has_journal = Exists(store->JournalFile());
  if (!has_journal.ok()) return Error{has_journal.error()};
  if (has_journal.value()) {
    Status claimed = LogJournal::Claim(store->JournalFile(), store->owner_);
    if (!claimed.ok()) return Error{claimed.error()};
  }
  if (Status loaded = store->Load(); !loaded.ok()) return Error{loaded.error()};
  if (Status recovered = store->RecoverJournal(); !recovered.ok()) {
    return Error{recovered.error(), recovered.disk_full()};
  }
  return store;
}

Result<Identity> LogStore::ReadIdentity(const std::string& path, const Options& options) {
  auto environment =
      Environment::Open(path, {.map_bytes = options.map_bytes, .fatal = options.fatal});
  if (!environment.ok()) return Error{environment.error()};
  auto transaction = ReadTransaction::Begin(*environment.value());
  if (!transaction.ok()) return Error{transaction.error()};
  if (const int code = OpenRecords(transaction.value().handle())) {
    return environment.value()->MakeError("cannot be read", code);
  }
  return GetIdentity(transaction.value().handle(), *environment.value());
}

Status LogStore::Load() {
  auto transaction = ReadTransaction::Begin(*environment_);
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  int code = OpenRecords(handle);
  if (code == 0) code = mdb_dbi_open(handle, kEntriesDatabase, MDB_INTEGERKEY, &entries_);
  if (code != 0) return environment_->MakeError("this is no log of Quorate's", code);
  Result<Identity> identity = GetIdentity(handle, *environment_);
  if (!identity.ok()) return Error{identity.error()};
  identity_ = std::move(identity.value());
  if (Status loaded = LoadHeader(handle); !loaded.ok()) return loaded;
  if (Status loaded = LoadLedger(handle); !loaded.ok()) return loaded;
  sizes_.Reset(header_.base_index);
  if (Status verified = VerifyEntries(handle, header_.base_index + 1); !verified.ok()) {
    return verified;
  }
  code = transaction.value().CommitHandles();
  if (code != 0) return environment_->MakeError("cannot be read", code);
  auto reader = ReadTransaction::Begin(*environment_);
  if (!reader.ok()) return Error{reader.error()};
  reader_.emplace(std::move(reader.value()));
  reader_->Reset();
  return Ok();
}

Status LogStore::LoadHeader(MDB_txn* transaction) {
  std::string_view record;
  if (const int code = GetRecord(transaction, kHeaderName, &record)) {
    return environment_->MakeError("the log's header with term and vote is missing", code);
  }
  const std::optional<LogHeader> header = DecodeLogHeader(record, mdb_txn_id(transaction));
  if (!header) {
    return environment_->MakeError(
        "the log's header with term and vote is damaged, or not of the last commit: its checksum "
        "is "
        "wrong");
  }
  header_ = *header;
  header_record_ = record;
  return Ok();
}

Status LogStore::LoadLedger(MDB_txn* transaction) {
  std::string_view record;
  const int code = GetRecord(transaction, kLedgerName, &record);
  if (code != 0 && code != MDB_NOTFOUND) return environment_->MakeError("cannot be read", code);
  if (consensus::Crc32c(record) != header_.ledger_crc32c) {
    return environment_->MakeError(
        "the ledger of this server's starts is damaged, or not of the last commit: its checksum is "
        "wrong");
  }
  recovered_.ledger = record;
  return Ok();
}

Status LogStore::VerifyEntries(MDB_txn* transaction, Index from) {
  recovered_.hard_state = header_.hard_state;
  recovered_.founding = header_.founding;
  recovered_.base_index = header_.base_index;
  recovered_.base_term = header_.base_term;
  recovered_.base_chain = header_.base_chain;
  recovered_.last_chain = header_.last_chain;
  recovered_.last_index = header_.last_index;
  recovered_.last_applied = header_.base_index;
  auto& terms = recovered_.terms;
  std::erase_if(terms, [&](const consensus::TermRun& run) { return run.first >= from; });
  std::erase_if(recovered_.configurations, [&](const auto& set) { return set.first >= from; });
  auto& founding = recovered_.founding_entry;
  if (founding && founding->index >= from) founding.reset();
  sizes_.Truncate(from);

  Cursor cursor;
  int code = OpenCursor(transaction, entries_, &cursor);
  if (code != 0) return environment_->MakeError("the log cannot be read", code);
  Index index = from - 1;
  Term term = terms.empty() ? header_.base_term : terms.back().term;
  Chain chain = header_.base_chain;
  if (index > header_.base_index) {
    EntryRow before;
    if (Status got = GetRow(transaction, index, &before); !got.ok()) return got;
    chain = before.chain;
  }
  const uint64_t number = from.value();
  MDB_val key = IndexKey(number);
  MDB_val value;
  // A row before the log's first entry would be one too many.
  const MDB_cursor_op first = index == header_.base_index ? MDB_FIRST : MDB_SET_KEY;
  for (code = mdb_cursor_get(cursor.get(), &key, &value, first); code == 0;
       code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT)) {
    ++index;
    if (index > header_.last_index) return Damaged(index, "is past the log's recorded end");
    if (IndexOf(key) != index) return Damaged(index, "is missing");
    const std::optional<EntryRow> row = DecodeEntryRow(index, ToBytes(value));
    if (!row || !row->PayloadIntact()) return Damaged(index, "is damaged: its checksum is wrong");
    if (row->term < term || row->term == Term()) return Damaged(index, "is of a term gone by");
    chain =
        ExtendChain(chain, row->term, index, row->kind, row->payload.size(), row->payload_crc32c);
    if (row->chain != chain) return Damaged(index, "does not follow from those before it");
    if (recovered_.terms.empty() || row->term > term) {
      recovered_.terms.push_back({.term = row->term, .first = index});
    }
    term = row->term;
    sizes_.Append(row->payload.size());
    if (row->kind == EntryKind::kFounding) {
      const auto decoded = consensus::DecodeFounding(row->payload);
      if (!decoded) return Damaged(index, "is a founding that cannot be read");
      founding = consensus::FoundingEntry{index, decoded->id};
    }
    if (row->kind == EntryKind::kConfiguration) {
      auto configuration = consensus::DecodeConfiguration(row->payload);
      if (!configuration) return Damaged(index, "sets members that cannot be read");
      recovered_.configurations.emplace_back(index, std::move(*configuration));
    }
  }
  if (code != MDB_NOTFOUND) return environment_->MakeError("the log cannot be read", code);
  if (index != header_.last_index) return Damaged(index + 1, "is missing");
  if (term != header_.last_term) return Damaged(index, "is not of the recorded last term");
  if (chain != header_.last_chain) return Damaged(index, "is not the recorded last one");
  if (term > header_.hard_state.current_term) return Damaged(index, "is of a term yet to come");
  return Ok();
}

Error LogStore::Damaged(Index index, std::string_view how) const {
  return environment_->MakeError("log entry " + std::to_string(index.value()) + " " +
                                 std::string(how) + kNotShortened);
}

// --- The journal ---

std::string LogStore::JournalFile() const { return ParentOf(file()) + "/journal"; }

Status LogStore::RecoverJournal() {
  if (header_.journal == JournalMark()) return Ok();
  const Result<std::vector<Persist>> writes = LogJournal::Recover(JournalFile(), header_.journal);
  if (!writes.ok()) return Error{writes.error()};
  if (writes.value().empty()) return Ok();
  const Index changed = FirstChanged(writes.value(), header_.last_index + 1);
  Status committed = Commit(writes.value(), std::nullopt, JournalMark());
  if (!committed.ok()) return committed;
  auto transaction = ReadTransaction::Begin(*environment_);
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  if (Status loaded = LoadLedger(handle); !loaded.ok()) return loaded;
  return VerifyEntries(handle, changed);
}

// Each step leaves a log that opens. First the header says that there is no journal, since the next
// step takes away what the journal of the run before was known by: LMDB has all of its records.
// Then the journal names its generation, then the header names the journal.
Status LogStore::StartJournal() {
  assert(!failed_);
  const std::string path = JournalFile();
  LogHeader header = header_;
  if (header.journal != JournalMark()) {
    header.journal = {};
    if (Status put = CommitHeader(header); !put.ok()) return put;
  }
  const Result<bool> exists = Exists(path);
  if (!exists.ok()) return Error{exists.error()};
  const Result<size_t> bytes = exists.value() ? FileBytes(path) : Result<size_t>(size_t{0});
  if (!bytes.ok()) return Error{bytes.error()};
  if (bytes.value() != options_.journal_bytes) {
    Status prepared = LogJournal::Prepare(path, options_.journal_bytes, owner_);
    if (!prepared.ok()) return prepared;
  } else {
    if (Status settled = LogJournal::Settle(path); !settled.ok()) return settled;
  }
  const uint64_t generation = DrawNumber();
  auto journal = LogJournal::Open(path, generation, owner_);
  if (!journal.ok()) return Error{journal.error()};
  header.journal = {.generation = generation, .position = 0, .file_bytes = options_.journal_bytes};
  if (Status put = CommitHeader(header); !put.ok()) return put;
  journal_ = std::move(journal.value());
  return Ok();
}

// --- Writing ---

Status LogStore::Commit(std::span<const Persist> writes, std::optional<Index> trim_to,
                        std::optional<JournalMark> journaled) {
  if (failed_) return environment_->MakeError("an earlier commit has failed");
  if (writes.empty() && !(trim_to && *trim_to > header_.base_index)) return Ok();
  return Commit(writes, trim_to, journaled, nullptr);
}

Status LogStore::ChangeIdentity(const Identity& identity, const Persist& write) {
  assert(!failed_);
  Status changed = Commit({&write, 1}, std::nullopt, std::nullopt, &identity);
  if (changed.ok()) identity_ = identity;
  return changed;
}

Status LogStore::Commit(std::span<const Persist> writes, std::optional<Index> trim_to,
                        std::optional<JournalMark> journaled, const Identity* identity) {
  LogHeader header = header_;
  if (journaled) header.journal = *journaled;
  Status committed = Commit(writes, trim_to, identity, &header);
  if (committed.ok()) {
    NoteSizes(writes);
  } else {
    failed_ = !committed.disk_full();
  }
  return committed;
}

Status LogStore::Commit(std::span<const Persist> writes, std::optional<Index> trim_to,
                        const Identity* identity, LogHeader* header) {
  auto transaction = BeginWrite();
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  if (identity != nullptr) {
    if (const int code = PutIdentity(handle, *identity)) {
      return environment_->MakeWriteError("the identity cannot be written", code);
    }
  }
  if (Status written = Write(handle, writes, header); !written.ok()) return written;
  if (trim_to) {
    size_t entries = 0;
    size_t bytes = 0;
    for (const Persist& write : writes) {
      entries += write.entries.size();
      for (const Entry& entry : write.entries) bytes += EntryRowBytes(entry);
    }
    Status trimmed = Trim(handle, std::min(*trim_to, header->last_index),
                          std::max(entries, options_.trim_entries_max),
                          std::max(bytes, options_.trim_bytes_max), header);
    if (!trimmed.ok()) return trimmed;
  }
  return CommitWith(*header, &transaction.value());
}

void LogStore::NoteSizes(std::span<const Persist> writes) {
  for (const Persist& write : writes) {
    if (write.truncate_from) sizes_.Truncate(*write.truncate_from);
    for (const Entry& entry : write.entries) sizes_.Append(entry.payload.size());
  }
  sizes_.Trim(header_.base_index);
}

Status LogStore::CommitHeader(const LogHeader& header) {
  auto transaction = BeginWrite();
  if (!transaction.ok()) return Error{transaction.error()};
  return CommitWith(header, &transaction.value());
}

Result<Chain> LogStore::ChainAt(Index index) const {
  assert(index >= header_.base_index);
  assert(index <= header_.last_index);
  if (index == header_.base_index) return header_.base_chain;
  auto transaction = ReadTransaction::Begin(*environment_);
  if (!transaction.ok()) return Error{transaction.error()};
  EntryRow row;
  if (Status got = GetRow(transaction.value().handle(), index, &row); !got.ok()) {
    return Error{got.error()};
  }
  return row.chain;
}

Status LogStore::BeginAnew(Index base_index, Term base_term, Chain base_chain) {
  assert(!failed_);
  LogHeader header;  // without a journal: nothing of the old log is in it that is still needed
  header.hard_state = header_.hard_state;
  header.founding = header_.founding;
  // Of a term that this server has not been in, it has given no vote.
  if (base_term > header.hard_state.current_term) header.hard_state = {base_term, NodeId()};
  header.base_index = header.last_index = base_index;
  header.base_term = header.last_term = base_term;
  header.base_chain = header.last_chain = base_chain;
  header.ledger_crc32c = header_.ledger_crc32c;
  auto transaction = BeginWrite();
  if (!transaction.ok()) return Error{transaction.error()};
  MDB_txn* handle = transaction.value().handle();
  if (const int code = mdb_drop(handle, entries_, 0)) {
    return environment_->MakeWriteError("the log cannot be emptied", code);
  }
  Status begun = CommitWith(header, &transaction.value(), "the log cannot be begun anew");
  if (!begun.ok()) return begun;
  std::string ledger = std::move(recovered_.ledger);
  recovered_ = {};
  recovered_.ledger = std::move(ledger);
  recovered_.hard_state = header.hard_state;
  recovered_.founding = header.founding;
  recovered_.base_index = recovered_.last_index = recovered_.last_applied = base_index;
  recovered_.base_term = base_term;
  recovered_.base_chain = recovered_.last_chain = base_chain;
  sizes_.Reset(base_index);
  return Ok();
}

Status LogStore::Write(MDB_txn* transaction, std::span<const Persist> writes, LogHeader* header) {
  for (const Persist& write : writes) {
    if (write.hard_state) {
      AssertMayFollow(header->hard_state, *write.hard_state);
      header->hard_state = *write.hard_state;
    }
    if (write.founding) header->founding = *write.founding;
    if (write.ledger) {
      if (const int code = PutRecord(transaction, kLedgerName, *write.ledger)) {
        return environment_->MakeWriteError("the log cannot be written", code);
      }
      header->ledger_crc32c = consensus::Crc32c(*write.ledger);
    }
    if (write.truncate_from) {
      Status truncated = Truncate(transaction, *write.truncate_from, header);
      if (!truncated.ok()) return truncated;
    }
    for (const Entry& entry : write.entries) {
      if (Status appended = Append(transaction, entry, header); !appended.ok()) return appended;
    }
  }
  return Ok();
}

// Here and in Trim rows are found and deleted by their keys, not at a cursor: what is missing is
// noticed, and LMDB's cursors have a history of losing their place after a deletion.
Status LogStore::Truncate(MDB_txn* transaction, Index from, LogHeader* header) {
  // What was trimmed was applied everywhere: no leader can conflict with it.
  assert(from > header->base_index);
  assert(from <= header->last_index + 1);
  while (header->last_index >= from) {
    const uint64_t number = header->last_index.value();
    MDB_val key = IndexKey(number);
    const int code = mdb_del(transaction, entries_, &key, nullptr);
    if (code == MDB_NOTFOUND) return Damaged(header->last_index, "is missing");
    if (code != 0) return environment_->MakeWriteError("the log cannot be truncated", code);
    header->last_index = header->last_index - 1;
  }
  if (header->last_index == header->base_index) {
    header->last_term = header->base_term;
    header->last_chain = header->base_chain;
    return Ok();
  }
  EntryRow last;
  if (Status got = GetRow(transaction, header->last_index, &last); !got.ok()) return got;
  header->last_term = last.term;
  header->last_chain = last.chain;
  return Ok();
}

Status LogStore::Append(MDB_txn* transaction, const Entry& entry, LogHeader* header) {
  assert(entry.index == header->last_index + 1);
  assert(entry.term >= header->last_term);
  assert(entry.term <= header->hard_state.current_term);
  if (entry.chain != ExtendChain(header->last_chain, entry)) {
    return Damaged(entry.index, "does not follow from those before it");
  }
  const uint64_t number = entry.index.value();
  MDB_val key = IndexKey(number);
  MDB_val value{EntryRowBytes(entry), nullptr};
  // RESERVE: the row is encoded where it will lie, without a copy in between.
  const int code = mdb_put(transaction, entries_, &key, &value, MDB_APPEND | MDB_RESERVE);
  if (code != 0) return environment_->MakeWriteError("the log cannot be written", code);
  EncodeEntryTo(static_cast<char*>(value.mv_data), entry);
  header->last_index = entry.index;
  header->last_term = entry.term;
  header->last_chain = entry.chain;
  return Ok();
}

Status LogStore::Trim(MDB_txn* transaction, Index to, size_t entries_max, size_t bytes_max,
                      LogHeader* header) {
  // What is trimmed is in a checkpoint, so it was applied, so it is in the log.
  assert(to <= header->last_index);
  size_t bytes = 0;
  for (size_t entries = 0; entries < entries_max && bytes < bytes_max && header->base_index < to;
       ++entries) {
    const Index index = header->base_index + 1;
    EntryRow row;
    if (Status got = GetRow(transaction, index, &row); !got.ok()) return got;
    bytes += row.payload.size();
    const uint64_t number = index.value();
    MDB_val key = IndexKey(number);
    const int code = mdb_del(transaction, entries_, &key, nullptr);
    if (code != 0) return environment_->MakeWriteError("the log cannot be trimmed", code);
    header->base_index = index;
    header->base_term = row.term;
    header->base_chain = row.chain;
  }
  return Ok();
}

Status LogStore::GetRow(MDB_txn* transaction, Index index, EntryRow* row) const {
  const uint64_t number = index.value();
  MDB_val key = IndexKey(number);
  MDB_val value;
  const int code = mdb_get(transaction, entries_, &key, &value);
  if (code == MDB_NOTFOUND) return Damaged(index, "is missing");
  if (code != 0) return environment_->MakeError("the log cannot be read", code);
  const std::optional<EntryRow> decoded = DecodeEntryRow(index, ToBytes(value));
  if (!decoded) return Damaged(index, "is damaged: its checksum is wrong");
  *row = *decoded;
  return Ok();
}

Result<WriteTransaction> LogStore::BeginWrite() const {
  auto transaction = WriteTransaction::Begin(*environment_);
  if (!transaction.ok()) return transaction;
  // Each commit writes the header, with the number of its transaction and the generation of its
  // journal: whoever has written to the log has changed these bytes.
  std::string_view before;
  if (const int code = GetRecord(transaction.value().handle(), kHeaderName, &before)) {
    return environment_->MakeError("the log's header with term and vote is missing", code);
  }
  if (before != header_record_) {
    return environment_->MakeError(
        "another process has written to this log: this process acknowledges nothing more. Make "
        "sure that one server alone uses the data folder, then start it again");
  }
  return transaction;
}

Status LogStore::CommitWith(const LogHeader& header, WriteTransaction* transaction,
                            std::string_view what) {
  assert(header.base_index <= header.last_index);
  assert(header.base_term <= header.last_term);
  MDB_txn* handle = transaction->handle();
  std::string record = EncodeLogHeader(header, mdb_txn_id(handle));
  if (const int code = PutRecord(handle, kHeaderName, record)) {
    return environment_->MakeWriteError("the log's header cannot be written", code);
  }
  if (const int code = transaction->Commit()) return environment_->MakeWriteError(what, code);
  header_ = header;
  header_record_ = std::move(record);
  return Ok();
}

// --- Reading ---

std::vector<Entry> LogStore::Read(Index first, Index last, size_t bytes_max) const {
  assert(first > Index());
  assert(first <= last);
  if (const int code = reader_->Renew()) {
    environment_->Fail(environment_->MakeError("the log cannot be read", code));
  }
  std::vector<Entry> entries;
  {
    Cursor cursor;
    int code = OpenCursor(reader_->handle(), entries_, &cursor);
    if (code != 0) environment_->Fail(environment_->MakeError("the log cannot be read", code));
    size_t bytes = 0;
    const uint64_t number = first.value();
    MDB_val key = IndexKey(number);
    MDB_val value;
    code = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_KEY);
    for (Index index = first;; ++index) {
      if (code != 0 || IndexOf(key) != index) environment_->Fail(Damaged(index, "is missing"));
      const std::optional<EntryRow> row = DecodeEntryRow(index, ToBytes(value));
      if (!row) environment_->Fail(Damaged(index, "is damaged: its checksum is wrong"));
      bytes += row->payload.size();
      if (bytes > bytes_max && !entries.empty()) break;
      consensus::Payload payload(std::string(row->payload), row->payload_crc32c);
      // The copy is what is checked: it is what goes out to followers and into the state.
      if (!payload.Intact())
        environment_->Fail(Damaged(index, "is damaged: its checksum is wrong"));
      entries.push_back({.term = row->term,
                         .index = index,
                         .kind = row->kind,
                         .payload = std::move(payload),
                         .chain = row->chain});
      if (index == last) break;
      code = mdb_cursor_get(cursor.get(), &key, &value, MDB_NEXT);
    }
  }
  reader_->Reset();
  return entries;
}

}  // namespace quorate::storage
