// The corpus of the fuzz target stored_files follows the format.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "storage/log/log_journal.h"
#include "storage/snapshot/backup_file.h"
#include "tests/fuzz/stored_files_input.h"
#include "tests/storage/support/temporary_directory.h"

namespace quorate::storage {
namespace {

bool HasChunks(const std::string& path) {
  const auto reader = BackupReader::Open(path);
  if (!reader.ok()) return false;
  const auto chunk = reader.value()->Next();
  return chunk.ok() && chunk.value().has_value();
}

bool HasWrites(const std::string& path) {
  std::filesystem::resize_file(path, fuzz::kJournalBytes);
  const auto writes = LogJournal::Recover(path, fuzz::kBeginning);
  return writes.ok() && !writes.value().empty();
}

// A fuzzer that starts from files which are all refused finds little behind their heads.
TEST(StoredFilesCorpus, HasAJournalWithRecordsAndABackupWithRows) {
  const TemporaryDirectory directory;
  const std::string path = directory / "file";
  int journals = 0;
  int backups = 0;
  for (const auto& input : std::filesystem::directory_iterator(QUORATE_CORPUS)) {
    std::ifstream file(input.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (bytes.empty()) continue;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes.substr(1);
    const int kind = static_cast<uint8_t>(bytes[0]) % fuzz::kFileCount;
    if (kind == fuzz::kJournal && HasWrites(path)) ++journals;
    if (kind == fuzz::kBackup && HasChunks(path)) ++backups;
  }
  EXPECT_GT(journals, 0) << "write some with stored_seeds";
  EXPECT_GT(backups, 0) << "write some with stored_seeds";
}

}  // namespace
}  // namespace quorate::storage
