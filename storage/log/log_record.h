// The bytes of the log's rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/types.h"

namespace quorate::storage {

// A place in the log's journal (log_journal.h). Generation 0: there is no journal.
struct JournalMark {
  uint64_t generation = 0;
  uint64_t position = 0;
  uint64_t file_bytes = 0;  // of the whole journal: a file of another size is not that one

  bool operator==(const JournalMark&) const = default;
};

// What is true of the log as a whole. Written with every commit, so that the log's ends are known
// by more than which rows happen to be found: a row that damage has made unreachable is missed.
struct LogHeader {
  consensus::HardState hard_state;
  consensus::FoundingId founding;  // as in Recovered
  consensus::Index base_index;     // the last entry that was trimmed away; 0: none
  consensus::Term base_term;
  consensus::Chain base_chain;
  consensus::Index last_index;  // base_index when the log is empty
  consensus::Term last_term;
  consensus::Chain last_chain;
  uint32_t ledger_crc32c = 0;  // of the record that lies beside this one
  JournalMark journal;         // what is from here on in the journal is not in LMDB yet

  bool operator==(const LogHeader&) const = default;
};

// As written by the LMDB transaction of that number.
std::string EncodeLogHeader(const LogHeader& header, uint64_t transaction);
// Nothing when the record is damaged, or was written by another transaction.
std::optional<LogHeader> DecodeLogHeader(std::string_view record, uint64_t transaction);

// An entry's row without its index, which is the row's key.
struct EntryRow {
  consensus::Term term;
  consensus::EntryKind kind = consensus::EntryKind::kNoop;
  consensus::Chain chain;       // of the log up to and including this entry
  uint32_t payload_crc32c = 0;  // as it was computed where the entry was made
  std::string_view payload;

  bool PayloadIntact() const;
};

size_t EntryRowBytes(const consensus::Entry& entry);
// Into `to`, which holds EntryRowBytes(entry) bytes.
void EncodeEntryTo(char* to, const consensus::Entry& entry);
// Nothing when anything but the payload is damaged, or the row is another index's. The payload is
// left to PayloadIntact. It points into `row`.
std::optional<EntryRow> DecodeEntryRow(consensus::Index index, std::string_view row);

}  // namespace quorate::storage
