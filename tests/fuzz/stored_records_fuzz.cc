// Fuzz target: what is read back from the data folder: rows of log and state, and the small
// records; and the rows of a snapshot's chunk, which comes from a peer.
//
// See stored_records_input.h for the input.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/crc32c.h"
#include "storage/base/encoding.h"
#include "storage/base/identity.h"
#include "storage/base/sealed_record.h"
#include "storage/folder/folder_recovery.h"
#include "storage/keyspace/record.h"
#include "storage/keyspace/row_key.h"
#include "storage/keyspace/snapshot_rows.h"
#include "storage/keyspace/state_meta.h"
#include "storage/log/log_record.h"
#include "tests/fuzz/stored_records_input.h"

namespace quorate::storage {
namespace {

using namespace fuzz;

// There is one way to write each of these: what was understood is what would have been written.
void CheckLogHeader(std::string_view record) {
  if (const auto header = DecodeLogHeader(record, kTransaction)) {
    assert(EncodeLogHeader(*header, kTransaction) == record);
    assert(!DecodeLogHeader(record, kTransaction + 1));
  }
}

void CheckStateMeta(std::string_view record) {
  if (const auto meta = DecodeStateMeta(record, kTransaction)) {
    assert(EncodeStateMeta(*meta, kTransaction) == record);
    assert(!DecodeStateMeta(record, kTransaction + 1));
  }
}

void CheckIdentity(std::string_view record) {
  const auto stored = DecodeIdentity(record);
  if (stored && stored->format_version == kFormatVersion) {
    assert(DecodeIdentity(EncodeIdentity(stored->identity))->identity == stored->identity);
  }
}

std::string RowOf(const consensus::Entry& entry) {
  std::string row(EntryRowBytes(entry), '\0');
  EncodeEntryTo(row.data(), entry);
  return row;
}

// The row of an entry whose term, chain and kind come first, and then its payload.
std::string SealedEntry(std::string_view bytes) {
  FieldReader fields(bytes);
  consensus::Entry entry;
  entry.index = kEntryIndex;
  entry.term = consensus::Term(fields.Take<uint64_t>());
  entry.chain = consensus::Chain(fields.Take<uint64_t>());
  entry.kind = static_cast<consensus::EntryKind>(fields.Take<uint8_t>());
  if (fields.ok()) entry.payload = consensus::Payload(std::string(bytes.substr(17)));
  return RowOf(entry);
}

void CheckEntry(std::string_view row) {
  const auto decoded = DecodeEntryRow(kEntryIndex, row);
  if (!decoded) return;
  consensus::Entry entry;
  entry.term = decoded->term;
  entry.index = kEntryIndex;
  entry.kind = decoded->kind;
  entry.chain = decoded->chain;
  entry.payload = consensus::Payload(std::string(decoded->payload), decoded->payload_crc32c);
  assert(entry.payload.Intact() == decoded->PayloadIntact());
  assert(RowOf(entry) == row);
  assert(!DecodeEntryRow(kEntryIndex + 1, row));
}

// The row with its checksum before it, where its header can be read.
std::string SealedRow(std::string_view row_key, std::string_view body) {
  std::string row;
  AppendInteger(&row, consensus::Crc32c(body, consensus::Crc32c(row_key)));
  return row.append(body);
}

void CheckRow(std::string_view row_key, std::string_view row) {
  const auto head = DecodeRowHead(row_key, row);
  if (const auto content = DecodeRow(row_key, row)) {
    assert(EncodeRow(row_key, *content) == row);
    assert(head && head->key == content->key && head->header == content->record.header);
    std::string another(row_key);
    another.back() ^= 1;
    assert(!DecodeRow(another, row));
  } else {
    assert(head || head.why() == content.why());
  }
}

// Under the row key that holds the key, and under one that only stands for it.
void CheckRows(std::string_view bytes, bool sealed) {
  for (const size_t size : {kRowsKey.size(), kKeyInRowKeyMax + 1}) {
    const RowKey row_key({}, DatabaseId{}, std::string(size, kRowsKey.front()));
    CheckRow(row_key.bytes(), sealed ? SealedRow(row_key.bytes(), bytes) : bytes);
  }
}

void CheckSealed(std::string_view body) {
  const std::string sealed = Seal("name", kTransaction, body);
  assert(Unseal("name", kTransaction, sealed) == body);
  assert(!Unseal("nama", kTransaction, sealed));
  assert(!Unseal("name", kTransaction + 1, sealed));
  std::string damaged = sealed;
  damaged[body.size() % damaged.size()] ^= 1;
  assert(!Unseal("name", kTransaction, damaged));
}

void CheckFolderChange(std::string_view record) {
  if (const auto change = DecodeFolderChange(record)) {
    assert(DecodeFolderChange(EncodeFolderChange(*change)) == change);
  }
}

// Gives each row the checksum that fits it, to reach what is behind that: as far as a row is there.
std::string WithChecksums(std::string_view rows) {
  std::string again;
  FieldReader fields(rows);
  while (fields.ok() && !fields.finished()) {
    const auto row_key_bytes = fields.Take<uint16_t>();
    const auto row_bytes = fields.Take<uint32_t>();
    const std::string_view row_key = fields.TakeBytes(row_key_bytes);
    const std::string_view row = fields.TakeBytes(row_bytes);
    if (!fields.ok()) break;
    AppendSnapshotRow(&again, row_key, SealedRow(row_key, row));
  }
  return again;
}

void CheckSnapshotRows(std::string_view rows) {
  SnapshotRowReader reader(rows);
  std::string again;
  while (const auto next = reader.Next()) {
    assert(EncodeRow(next->row_key, next->content) == next->row);
    AppendSnapshotRow(&again, next->row_key, next->row);
  }
  // What was taken is what had been put there; the rest is damaged.
  assert(rows.starts_with(again));
  assert(reader.unreadable().has_value() == (again.size() < rows.size()));
}

void Check(uint8_t record, uint8_t switches, std::string_view bytes) {
  const bool sealed = (switches & kSealed) != 0;
  switch (record % kRecordCount) {
    case kLogHeader:
      return CheckLogHeader(sealed ? Seal("log header", kTransaction, bytes) : bytes);
    case kStateMeta:
      return CheckStateMeta(sealed ? Seal("state meta", kTransaction, bytes) : bytes);
    case kIdentity:
      return CheckIdentity(sealed ? Seal("identity", kAnyTransaction, bytes) : bytes);
    case kEntry:
      return CheckEntry(sealed ? SealedEntry(bytes) : bytes);
    case kRow:
      return CheckRows(bytes, sealed);
    case kSealedRecord:
      return CheckSealed(bytes);
    case kFolderChange:
      return CheckFolderChange(sealed ? Seal("folder change", kAnyTransaction, bytes) : bytes);
    case kSnapshotRows:
      return CheckSnapshotRows(sealed ? WithChecksums(bytes) : bytes);
  }
}

}  // namespace
}  // namespace quorate::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 2) {
    quorate::storage::Check(data[0], data[1],
                            std::string_view(reinterpret_cast<const char*>(data + 2), size - 2));
  }
  return 0;
}
