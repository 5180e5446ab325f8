// Fuzz target: the files of a data folder that are not LMDB's: the log's journal and backups.
//
// See stored_files_input.h for the input. Of a file that is taken as it is, the rest is the file. A
// written one is made of the rest, as a server makes it, and then one byte of it is changed: what
// the file says afterwards must be what was written, or an error.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/encoding.h"
#include "storage/log/log_journal.h"
#include "storage/snapshot/backup_file.h"
#include "tests/fuzz/stored_files_input.h"

namespace quorate::storage {
namespace {

using namespace fuzz;

// Each record is of one block, and the first block is the head: the file is not written round.
constexpr size_t kRecordsMax = kJournalBytes / kBlockBytes - 1;
// What of the head tells the generation.
constexpr size_t kSealedHeadBytes = sizeof(uint32_t) + sizeof(uint64_t);

// A file in memory, without a name of its own.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) { assert(descriptor_ >= 0); }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  void Resize(size_t bytes) { Check(ftruncate(descriptor_, static_cast<off_t>(bytes)) == 0); }
  void Write(size_t at, std::string_view bytes) {
    Check(pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
          static_cast<ssize_t>(bytes.size()));
  }
  void Change(size_t at, char with) {
    char byte = 0;
    Check(pread(descriptor_, &byte, 1, static_cast<off_t>(at)) == 1);
    byte = static_cast<char>(byte ^ with);
    Write(at, {&byte, 1});
  }

 private:
  static void Check(bool done) { assert(done); }

  const int descriptor_;
};

bool Same(const consensus::Persist& one, const consensus::Persist& other) {
  return one.hard_state == other.hard_state && one.truncate_from == other.truncate_from &&
         one.founding == other.founding && one.ledger == other.ledger &&
         std::ranges::equal(one.entries, other.entries,
                            [](const consensus::Entry& a, const consensus::Entry& b) {
                              return a == b && a.chain == b.chain;
                            });
}

// --- The journal ---

void CheckJournal(std::string_view bytes) {
  MemoryFile file;
  file.Resize(kJournalBytes);
  if (bytes.size() % 2 == 0) {
    assert(LogJournal::Open(file.path(), kBeginning.generation, kOwner).ok());
    file.Write(kBlockBytes, bytes.substr(0, kJournalBytes - kBlockBytes));
  } else {
    file.Write(0, bytes.substr(0, kJournalBytes));
  }
  const auto recovered = LogJournal::Recover(file.path(), kBeginning);
  if (!recovered.ok()) {
    assert(!recovered.error().empty());
    return;
  }
  for (const consensus::Persist& write : recovered.value()) {
    for (const consensus::Entry& entry : write.entries) assert(entry.payload.Intact());
  }
}

consensus::Persist TakeWrite(FieldReader* fields, uint64_t number) {
  consensus::Persist write;
  const auto parts = fields->Take<uint8_t>();
  if (parts & 1) write.hard_state = consensus::HardState{consensus::Term(number + 1), {}};
  if (parts & 2) write.truncate_from = consensus::Index(fields->Take<uint16_t>());
  if (parts & 16) write.founding = consensus::FoundingId(fields->Take<uint64_t>());
  if (parts & 32) write.ledger = fields->TakeBytes(fields->Take<uint8_t>());
  for (int count = parts >> 2 & 3; count > 0; --count) {
    consensus::Entry entry;
    entry.term = consensus::Term(number + 1);
    entry.index = consensus::Index(fields->Take<uint32_t>());
    entry.kind = consensus::EntryKind::kBatch;
    entry.payload = consensus::Payload(std::string(fields->TakeBytes(fields->Take<uint8_t>())));
    entry.chain = ExtendChain(consensus::Chain(number), entry);
    write.entries.push_back(std::move(entry));
  }
  return write;
}

void CheckWrittenJournal(std::string_view bytes) {
  FieldReader fields(bytes);
  const size_t changed = fields.Take<uint16_t>() % kJournalBytes;
  const auto with = fields.Take<uint8_t>();
  MemoryFile file;
  file.Resize(kJournalBytes);
  std::vector<consensus::Persist> written;
  {
    auto journal = LogJournal::Open(file.path(), kBeginning.generation, kOwner);
    assert(journal.ok());
    while (fields.ok() && !fields.finished() && written.size() < kRecordsMax) {
      written.push_back(TakeWrite(&fields, written.size()));
      const Status appended = journal.value()->Append({&written.back(), 1});
      assert(appended.ok());
    }
  }
  file.Change(changed, static_cast<char>(with));

  const auto recovered = LogJournal::Recover(file.path(), kBeginning);
  const bool is_head_changed = with != 0 && changed < kSealedHeadBytes;
  assert(!is_head_changed || !recovered.ok());
  if (is_head_changed) return;
  const bool is_in_record = with != 0 && changed >= kBlockBytes;
  const size_t record = changed / kBlockBytes - 1;
  if (!recovered.ok()) {
    // Never for the last record: it may not have been finished.
    assert(is_in_record && record + 1 < written.size());
    return;
  }
  const std::vector<consensus::Persist>& found = recovered.value();
  // The last one may be missing, where it was the one that was changed.
  assert(found.size() == written.size() ||
         (found.size() + 1 == written.size() && is_in_record && record == found.size()));
  for (size_t i = 0; i < found.size(); ++i) assert(Same(found[i], written[i]));
}

// --- Backups ---

// All chunks, or nothing where there was an error.
std::optional<std::vector<std::string>> ReadAll(const std::string& path, StateMeta* meta) {
  auto reader = BackupReader::Open(path);
  if (!reader.ok()) return std::nullopt;
  *meta = reader.value()->meta();
  std::vector<std::string> chunks;
  while (true) {
    auto chunk = reader.value()->Next();
    if (!chunk.ok()) return std::nullopt;
    if (!chunk.value()) return chunks;
    chunks.push_back(*std::move(chunk.value()));
  }
}

void CheckBackup(std::string_view bytes) {
  MemoryFile file;
  file.Write(0, bytes);
  StateMeta meta;
  if (const auto chunks = ReadAll(file.path(), &meta)) {
    for (const std::string& chunk : *chunks) assert(!chunk.empty());
  }
}

void CheckWrittenBackup(std::string_view bytes) {
  FieldReader fields(bytes);
  const auto changed = fields.Take<uint16_t>();
  const auto with = fields.Take<uint8_t>();
  StateMeta meta;
  meta.last_applied = consensus::Index(fields.Take<uint64_t>());
  meta.next_database = DatabaseId{1};
  meta.databases[0].key_count = fields.Take<uint64_t>();
  meta.databases[0].digest = fields.Take<uint64_t>();
  meta.last_applied_chain = consensus::Chain(fields.Take<uint64_t>());
  meta.configuration = fields.TakeBytes(fields.Take<uint8_t>());
  meta.founding = fields.TakeBytes(fields.Take<uint8_t>());
  MemoryFile file;
  std::vector<std::string> written;
  {
    auto writer = BackupFileWriter::Create(file.path(), meta);
    assert(writer.ok());
    while (fields.ok() && !fields.finished()) {
      const std::string_view rows = fields.TakeBytes(fields.Take<uint8_t>());
      if (rows.empty()) continue;
      written.emplace_back(rows);
      const Status added = writer.value()->Add(rows);
      assert(added.ok());
    }
    const Status finished = writer.value()->Finish();
    assert(finished.ok());
  }
  const Result<size_t> size = FileBytes(file.path());
  assert(size.ok());
  file.Change(changed % size.value(), static_cast<char>(with));

  // Every byte is covered by some check.
  StateMeta read_meta;
  const auto read = ReadAll(file.path(), &read_meta);
  assert(read.has_value() == (with == 0));
  assert(!read || (*read == written && read_meta == meta));
}

void Check(uint8_t kind, std::string_view bytes) {
  switch (kind % kFileCount) {
    case kJournal:
      return CheckJournal(bytes);
    case kWrittenJournal:
      return CheckWrittenJournal(bytes);
    case kBackup:
      return CheckBackup(bytes);
    case kWrittenBackup:
      return CheckWrittenBackup(bytes);
  }
}

}  // namespace
}  // namespace quorate::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 1) {
    quorate::storage::Check(data[0],
                            std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  }
  return 0;
}
