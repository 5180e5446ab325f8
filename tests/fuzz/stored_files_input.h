// What an input of the fuzz target stored_files is: one byte that says which file and how, the
// rest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/log/log_record.h"

namespace quorate::storage::fuzz {

// Of a journal, an odd number of bytes is the whole file, an even one what is behind the head. What
// is missing at its end is zeros.
enum File : uint8_t { kJournal, kWrittenJournal, kBackup, kWrittenBackup };
inline constexpr uint8_t kFileCount = kWrittenBackup + 1;

inline constexpr size_t kJournalBytes = 32 << 10;
inline constexpr size_t kBlockBytes = 4096;
inline constexpr uint64_t kOwner = 0;  // as a file of zeros says
inline constexpr JournalMark kBeginning{
    .generation = 7, .position = 0, .file_bytes = kJournalBytes};

}  // namespace quorate::storage::fuzz
