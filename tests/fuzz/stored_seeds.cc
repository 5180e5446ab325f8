// Writes inputs for the fuzz targets stored_records and stored_files into the folders of these
// names: some valid ones of each kind, in the format of today. To be run when what lies in a data
// folder has changed, since records of an earlier format are refused before what is behind their
// checksums and lengths is reached:
//
//   build/release/tests/fuzz/stored_seeds tests/fuzz/corpus
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/founding.h"
#include "storage/base/encoding.h"
#include "storage/base/file_system.h"
#include "storage/base/identity.h"
#include "storage/folder/folder_recovery.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/keyspace/state_meta.h"
#include "storage/log/log_journal.h"
#include "storage/log/log_record.h"
#include "storage/snapshot/backup_file.h"
#include "tests/fuzz/stored_files_input.h"
#include "tests/fuzz/stored_records_input.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::Entry;
using consensus::EntryKind;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

class Writer {
 public:
  explicit Writer(std::string folder) : folder_(std::move(folder)) {}

  void Write(const std::string& name, std::string_view head, std::string_view rest) {
    std::ofstream file(folder_ + "/" + name, std::ios::binary | std::ios::trunc);
    file << head << rest;
    file.close();
    good_ = good_ && file.good();
  }
  bool good() const { return good_; }

 private:
  const std::string folder_;
  bool good_ = true;
};

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

std::string Members() {
  consensus::Configuration members;
  members.members = {{.id = NodeId(1), .voter = true, .address = "a:1"},
                     {.id = NodeId(2), .voter = false, .address = "b:2"}};
  members.next_id = NodeId(3);
  return Encode(members);
}

std::string FoundingRecord() {
  return Encode(consensus::Founding{
      .id = consensus::FoundingId(9), .hash_secret = {1, 2, 3}, .databases = {0, 2}});
}

StateMeta Meta() {
  StateMeta meta;
  meta.last_applied = Index(20);
  meta.last_applied_term = Term(3);
  meta.last_applied_chain = Chain(77);
  meta.revision = 30;
  meta.clock_ms = 1000;
  meta.next_database = DatabaseId{1};
  meta.databases[0].key_count = 2;
  meta.databases[0].digest = 5;
  meta.configuration = Members();
  meta.configuration_index = Index(4);
  meta.founding = FoundingRecord();
  meta.origin_index = Index(2);
  meta.snapshot_index = Index(10);
  meta.snapshot_term = Term(2);
  meta.snapshot_chain = Chain(55);
  return meta;
}

Entry MakeEntry(EntryKind kind, std::string payload) {
  Entry entry{.term = Term(3),
              .index = fuzz::kEntryIndex,
              .kind = kind,
              .payload = consensus::Payload(std::move(payload)),
              .chain = {}};
  entry.chain = ExtendChain(Chain(7), entry);
  return entry;
}

// With its checksum, and without, to be sealed.
void WriteRecord(Writer* writer, const std::string& name, fuzz::Record kind,
                 std::string_view record) {
  writer->Write(name, Bytes({kind, 0}), record);
  writer->Write(name + "-sealed", Bytes({kind, fuzz::kSealed}), record.substr(sizeof(uint32_t)));
}

bool WriteRecords(const std::string& folder) {
  Writer writer(folder);
  WriteRecord(&writer, "log-header-empty", fuzz::kLogHeader,
              EncodeLogHeader(LogHeader(), fuzz::kTransaction));
  const LogHeader header{.hard_state = {Term(4), NodeId(2)},
                         .founding = consensus::FoundingId(9),
                         .base_index = Index(6),
                         .base_term = Term(2),
                         .base_chain = Chain(8),
                         .last_index = Index(20),
                         .last_term = Term(3),
                         .last_chain = Chain(77),
                         .ledger_crc32c = 0x12345678,
                         .journal = fuzz::kBeginning};
  WriteRecord(&writer, "log-header", fuzz::kLogHeader, EncodeLogHeader(header, fuzz::kTransaction));
  WriteRecord(&writer, "state-meta-empty", fuzz::kStateMeta,
              EncodeStateMeta(StateMeta(), fuzz::kTransaction));
  WriteRecord(&writer, "state-meta", fuzz::kStateMeta, EncodeStateMeta(Meta(), fuzz::kTransaction));
  const Identity identity{
      .cluster_id = 5, .node_id = NodeId(1), .members = "members", .joined = true};
  WriteRecord(&writer, "identity", fuzz::kIdentity, EncodeIdentity(identity));
  WriteRecord(&writer, "change-adopt", fuzz::kFolderChange,
              EncodeFolderChange({.kind = FolderChange::Kind::kAdopt,
                                  .identity = identity,
                                  .configuration = "",
                                  .founding = ""}));
  WriteRecord(&writer, "change-refound", fuzz::kFolderChange,
              EncodeFolderChange({.kind = FolderChange::Kind::kRefound,
                                  .identity = identity,
                                  .configuration = Members(),
                                  .founding = FoundingRecord()}));
  WriteRecord(&writer, "sealed", fuzz::kSealedRecord, "some bytes");

  int number = 0;
  for (const auto& [kind, payload] : {std::pair(EntryKind::kNoop, std::string()),
                                      std::pair(EntryKind::kBatch, std::string("set")),
                                      std::pair(EntryKind::kConfiguration, Members()),
                                      std::pair(EntryKind::kFounding, FoundingRecord())}) {
    const Entry entry = MakeEntry(kind, payload);
    std::string row(EntryRowBytes(entry), '\0');
    EncodeEntryTo(row.data(), entry);
    const std::string name = "entry-" + std::to_string(number++);
    writer.Write(name, Bytes({fuzz::kEntry, 0}), row);
    std::string fields;
    AppendInteger(&fields, entry.term.value());
    AppendInteger(&fields, entry.chain.value());
    AppendInteger(&fields, static_cast<uint8_t>(entry.kind));
    writer.Write(name + "-sealed", Bytes({fuzz::kEntry, fuzz::kSealed}), fields + payload);
  }

  const std::string long_key(kKeyInRowKeyMax + 1, fuzz::kRowsKey.front());
  const RecordHeader expiring{.revision = 30, .expire_at_ms = 2000};
  const RowKey of_key({}, DatabaseId{}, fuzz::kRowsKey);
  const RowKey of_long_key({}, DatabaseId{}, long_key);
  WriteRecord(&writer, "row-empty", fuzz::kRow,
              EncodeRow(of_key.bytes(), {fuzz::kRowsKey, {RecordHeader(), ""}}));
  WriteRecord(&writer, "row", fuzz::kRow,
              EncodeRow(of_key.bytes(), {fuzz::kRowsKey, {expiring, "value"}}));
  WriteRecord(&writer, "row-long-key", fuzz::kRow,
              EncodeRow(of_long_key.bytes(), {long_key, {expiring, "value"}}));
  std::string rows;
  for (const std::string& name : {std::string(), std::string("a"), long_key}) {
    const RowKey row_key({}, DatabaseId{}, name);
    AppendSnapshotRow(&rows, row_key.bytes(), EncodeRow(row_key.bytes(), {name, {expiring, name}}));
  }
  writer.Write("snapshot-rows", Bytes({fuzz::kSnapshotRows, 0}), rows);
  writer.Write("snapshot-rows-sealed", Bytes({fuzz::kSnapshotRows, fuzz::kSealed}), rows);
  return writer.good();
}

std::vector<consensus::Persist> Writes() {
  std::vector<consensus::Persist> writes(3);
  writes[0].hard_state = consensus::HardState{Term(3), NodeId(2)};
  writes[0].ledger = "starts";
  writes[1].founding = consensus::FoundingId(9);
  writes[1].entries = {MakeEntry(EntryKind::kFounding, FoundingRecord())};
  writes[2].truncate_from = fuzz::kEntryIndex;
  writes[2].entries = {MakeEntry(EntryKind::kBatch, "set"), MakeEntry(EntryKind::kNoop, "")};
  return writes;
}

// The bytes of a journal with that many records.
Result<std::string> MakeJournal(const std::string& path, size_t records) {
  if (Status made = LogJournal::Prepare(path, fuzz::kJournalBytes, fuzz::kOwner); !made.ok()) {
    return Error{made.error()};
  }
  auto journal = LogJournal::Open(path, fuzz::kBeginning.generation, fuzz::kOwner);
  if (!journal.ok()) return Error{journal.error()};
  const std::vector<consensus::Persist> writes = Writes();
  for (const consensus::Persist& write : std::span(writes).first(records)) {
    if (Status put = journal.value()->Append({&write, 1}); !put.ok()) return Error{put.error()};
  }
  Result<std::string> bytes = ReadFile(path);
  if (Status removed = RemoveFile(path); !removed.ok()) return Error{removed.error()};
  return bytes;
}

Result<std::string> MakeBackup(const std::string& path) {
  auto writer = BackupFileWriter::Create(path, Meta());
  if (!writer.ok()) return Error{writer.error()};
  for (const std::string_view rows : {"some rows", "and others"}) {
    if (Status put = writer.value()->Add(rows); !put.ok()) return Error{put.error()};
  }
  if (Status ended = writer.value()->Finish(); !ended.ok()) return Error{ended.error()};
  Result<std::string> bytes = ReadFile(path);
  if (Status removed = RemoveFile(path); !removed.ok()) return Error{removed.error()};
  return bytes;
}

// Without most of the zeros at the end, which are there all the same: see stored_files_input.h. An
// odd number of bytes, or an even one.
std::string_view Shortened(std::string_view bytes, size_t parity) {
  size_t size = bytes.find_last_not_of('\0') + 1;
  if (size % 2 != parity) ++size;
  return bytes.substr(0, size);
}

bool WriteFiles(const std::string& folder) {
  Writer writer(folder);
  const std::string path = folder + "/unfinished";
  for (size_t records = 0; records <= Writes().size(); ++records) {
    const Result<std::string> journal = MakeJournal(path, records);
    if (!journal.ok()) return false;
    const std::string_view bytes = journal.value();
    const std::string name = "journal-" + std::to_string(records);
    writer.Write(name, Bytes({fuzz::kJournal}), Shortened(bytes, 1));
    writer.Write(name + "-ring", Bytes({fuzz::kJournal}),
                 Shortened(bytes.substr(fuzz::kBlockBytes), 0));
  }
  const Result<std::string> backup = MakeBackup(path);
  if (!backup.ok()) return false;
  writer.Write("backup", Bytes({fuzz::kBackup}), backup.value());

  // Where a byte is changed, in little endian, and how; then as the target takes it.
  std::string writes = Bytes({1, 2 + 4, 5, 0, 5, 0, 0, 0, 3}) + "set";
  writes += Bytes({16 + 4, 9, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0});
  writes += Bytes({32 + 1, 4}) + "note";
  std::string meta;
  for (const uint64_t number : {20U, 2U, 5U, 77U}) AppendInteger(&meta, number);
  meta += Bytes({1}) + "m" + Bytes({1}) + "f";
  const std::string chunks = Bytes({4}) + "rows" + Bytes({1}) + "r";
  for (const int block : {0, 1, 2, 3}) {
    const std::string name = "-changed-" + std::to_string(block);
    writer.Write("written-journal" + name,
                 Bytes({fuzz::kWrittenJournal, 30, block * 16, block > 0 ? 1 : 0}), writes);
    writer.Write("written-backup" + name,
                 Bytes({fuzz::kWrittenBackup, block * 60, 0, block > 0 ? 1 : 0}), meta + chunks);
  }
  return writer.good();
}

}  // namespace
}  // namespace quorate::storage

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "Usage: stored_seeds FOLDER\n";
    return 2;
  }
  const std::string folder = argv[1];
  if (!quorate::storage::WriteRecords(folder + "/stored_records") ||
      !quorate::storage::WriteFiles(folder + "/stored_files")) {
    std::cerr << "stored_seeds: cannot write to " << folder << "\n";
    return 1;
  }
  return 0;
}
