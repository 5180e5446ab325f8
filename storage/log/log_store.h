// The Raft log with its hard state, the driver's ledger, and whose it is, in an LMDB environment of
// its own: one commit of it is what an acknowledgement waits for, so nothing else shares it.
//
// The data file has no checksums of LMDB's, so every row carries one, and the log's ends are
// recorded beside the rows. Damage is reported with the index and the file; it never makes the log
// shorter.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/types.h"
#include "storage/base/identity.h"
#include "storage/base/result.h"
#include "storage/lmdb/lmdb_environment.h"
#include "storage/log/log_journal.h"
#include "storage/log/log_record.h"
#include "storage/log/log_sizes.h"

namespace quorate::storage {

// Beyond it, writes wait until LMDB has taken over what is in the journal.
inline constexpr size_t kJournalBytesDefault = 16 << 20;

class LogStore : public consensus::LogReader {
 public:
  struct Options {
    size_t map_bytes = kMapBytesDefault;
    FatalHandler fatal = nullptr;
    // The most that one commit trims; more where it appends more, so that trimming keeps up.
    size_t trim_entries_max = 1024;
    size_t trim_bytes_max = 8 << 20;
    size_t journal_bytes = kJournalBytesDefault;
  };

  // Makes an empty log for that identity, in a folder that exists and is empty. Durable.
  static Status Create(const std::string& path, const Identity& identity, const Options& options);

  // Opens a log and verifies all of it: the hard state, that the entries follow one another without
  // a gap from the base to the recorded end, that terms do not decrease, and each checksum. Where
  // the server did not come to an orderly end, LMDB is first given what only the journal has; else
  // nothing is written but a mark in the journal. By that mark, another process that has the log
  // open notices this one, where locks have not kept the two apart, and acknowledges nothing more.
  static Result<std::unique_ptr<LogStore>> Open(const std::string& path, const Options& options);

  // Whose log that is, without a look at its entries.
  static Result<Identity> ReadIdentity(const std::string& path, const Options& options);

  const Identity& identity() const { return identity_; }
  // What Open has found. What is the state's business is left to others: `last_applied` is
  // base_index here, and `configurations` has those of all entries.
  const consensus::Recovered& recovered() const { return recovered_; }
  // As Create has left it: no vote, no term, no entry.
  bool pristine() const {
    LogHeader header = header_;
    header.journal = {};
    header.ledger_crc32c = {};
    return header == LogHeader();
  }

  // --- Writing: one thread at a time ---

  // Makes all of the writes durable, in order and in one transaction, and trims a bounded slice of
  // the entries up to and including `trim_to`, as far as there are so many. Entries being read
  // meanwhile stay readable. LMDB keeps all that is written in memory until the end: bound it.
  //
  // `journaled`, if it is given: the writes are those of the journal's records up to there.
  //
  // After an error nothing of it counts. If that was for lack of space, the same may be tried
  // again. After any other the store is not to be used again, and each further call fails: what a
  // failed sync has done to the file is unknown, and a second one would not tell.
  Status Commit(std::span<const consensus::Persist> writes, std::optional<consensus::Index> trim_to,
                std::optional<JournalMark> journaled = std::nullopt);

  // Begins a new, empty journal, and then writes the header, which names it. When this succeeds,
  // what Open has read is on the disk and not only in the page cache, where a run that ended with a
  // failed sync may have left it.
  Status StartJournal();
  // Its user may be another thread than the one that writes here. After StartJournal.
  LogJournal& journal() { return *journal_; }

  // Makes it another's, and makes the write durable with that. Before StartJournal.
  Status ChangeIdentity(const Identity& identity, const consensus::Persist& write);

  // Begins anew, durably: an empty log behind that entry, which a snapshot holds. The hard state
  // and the ledger stay; the term rises to the entry's where it was lower. recovered() tells the
  // new log. Before StartJournal.
  Status BeginAnew(consensus::Index base_index, consensus::Term base_term,
                   consensus::Chain base_chain);

  // The chain at base_index() .. last_index(). Before StartJournal.
  Result<consensus::Chain> ChainAt(consensus::Index index) const;

  // Makes room for the commits to come, where it is time to: see Environment::PrepareGrowth.
  // About how many bytes can be appended.
  size_t PrepareGrowth() const { return environment_->PrepareGrowth(); }

  // The last entry that was trimmed away.
  consensus::Index base_index() const { return header_.base_index; }
  consensus::Index last_index() const { return header_.last_index; }
  const std::string& file() const { return environment_->file(); }
  // As last committed. Any thread.
  const LogSizes& sizes() const { return sizes_; }

  // --- Reading: one thread, which may be another than the writing one ---

  // A damaged record is fatal.
  std::vector<consensus::Entry> Read(consensus::Index first, consensus::Index last,
                                     size_t bytes_max) const override;

 private:
  LogStore(std::unique_ptr<Environment> environment, Options options);

  Status Load();
  Status LoadHeader(MDB_txn* transaction);
  Status LoadLedger(MDB_txn* transaction);
  // Those from `from` on, and notes in recovered_ and sizes_ what they are. Those before have been
  // verified.
  Status VerifyEntries(MDB_txn* transaction, consensus::Index from);

  Status Write(MDB_txn* transaction, std::span<const consensus::Persist> writes, LogHeader* header);
  Status Truncate(MDB_txn* transaction, consensus::Index from, LogHeader* header);
  Status Append(MDB_txn* transaction, const consensus::Entry& entry, LogHeader* header);
  Status Trim(MDB_txn* transaction, consensus::Index to, size_t entries_max, size_t bytes_max,
              LogHeader* header);
  // The row points into the transaction's pages, until the next change.
  Status GetRow(MDB_txn* transaction, consensus::Index index, EntryRow* row) const;
  // An error when anybody else has written to the log since this store did.
  Result<WriteTransaction> BeginWrite() const;
  // Puts the header, commits, and notes what is in LMDB now; `what` is for the error text.
  Status CommitWith(const LogHeader& header, WriteTransaction* transaction,
                    std::string_view what = "the log cannot be written");
  Status CommitHeader(const LogHeader& header);
  Status RecoverJournal();
  std::string JournalFile() const;
  Status Commit(std::span<const consensus::Persist> writes, std::optional<consensus::Index> trim_to,
                std::optional<JournalMark> journaled, const Identity* identity);
  Status Commit(std::span<const consensus::Persist> writes, std::optional<consensus::Index> trim_to,
                const Identity* identity, LogHeader* header);
  void NoteSizes(std::span<const consensus::Persist> writes);
  Error Damaged(consensus::Index index, std::string_view how) const;

  std::unique_ptr<Environment> environment_;
  Options options_;
  MDB_dbi entries_ = 0;
  Identity identity_;
  consensus::Recovered recovered_;

  LogHeader header_;           // as last committed
  std::string header_record_;  // its bytes in LMDB
  const uint64_t owner_;       // drawn by Open, for the journal's mark
  std::unique_ptr<LogJournal> journal_;
  LogSizes sizes_;
  bool failed_ = false;

  // Reset between calls: a view that is kept would keep trimmed pages from being reused.
  mutable std::optional<ReadTransaction> reader_;
};

}  // namespace quorate::storage
