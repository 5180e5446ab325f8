#include "storage/log/log_record.h"

#include <cassert>
#include <cstring>

#include "consensus/crc32c.h"
#include "storage/base/encoding.h"
#include "storage/base/sealed_record.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::EntryKind;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

constexpr std::string_view kHeaderSealName = "log header";

// crc32c u32, then what it covers beside the index: term u64, chain u64, kind u8, payload bytes
// u64, payload crc32c u32. Then the payload, guarded by its own checksum, which comes with the
// entry and is not computed again.
constexpr size_t kChecksumBytes = sizeof(uint32_t);
constexpr size_t kEntryHeaderBytes =
    kChecksumBytes + 3 * sizeof(uint64_t) + sizeof(uint8_t) + sizeof(uint32_t);

uint32_t EntryChecksum(Index index, std::string_view row) {
  char key[sizeof(uint64_t)];
  PutInteger(key, index.value());
  return consensus::Crc32c(row.substr(kChecksumBytes, kEntryHeaderBytes - kChecksumBytes),
                           consensus::Crc32c({key, sizeof(key)}));
}

bool IsKnown(uint8_t kind) { return kind <= static_cast<uint8_t>(consensus::kLastEntryKind); }

}  // namespace

std::string EncodeLogHeader(const LogHeader& header, uint64_t transaction) {
  std::string body;
  AppendInteger(&body, header.hard_state.current_term.value());
  AppendInteger(&body, header.hard_state.voted_for.value());
  AppendInteger(&body, header.founding.value());
  AppendInteger(&body, header.base_index.value());
  AppendInteger(&body, header.base_term.value());
  AppendInteger(&body, header.base_chain.value());
  AppendInteger(&body, header.last_index.value());
  AppendInteger(&body, header.last_term.value());
  AppendInteger(&body, header.last_chain.value());
  AppendInteger(&body, header.ledger_crc32c);
  AppendInteger(&body, header.journal.generation);
  AppendInteger(&body, header.journal.position);
  AppendInteger(&body, header.journal.file_bytes);
  return Seal(kHeaderSealName, transaction, body);
}

std::optional<LogHeader> DecodeLogHeader(std::string_view record, uint64_t transaction) {
  const std::optional<std::string_view> body = Unseal(kHeaderSealName, transaction, record);
  if (!body) return std::nullopt;
  FieldReader fields(*body);
  LogHeader header;
  header.hard_state.current_term = Term(fields.Take<uint64_t>());
  header.hard_state.voted_for = NodeId(fields.Take<uint64_t>());
  header.founding = consensus::FoundingId(fields.Take<uint64_t>());
  header.base_index = Index(fields.Take<uint64_t>());
  header.base_term = Term(fields.Take<uint64_t>());
  header.base_chain = Chain(fields.Take<uint64_t>());
  header.last_index = Index(fields.Take<uint64_t>());
  header.last_term = Term(fields.Take<uint64_t>());
  header.last_chain = Chain(fields.Take<uint64_t>());
  header.ledger_crc32c = fields.Take<uint32_t>();
  header.journal.generation = fields.Take<uint64_t>();
  header.journal.position = fields.Take<uint64_t>();
  header.journal.file_bytes = fields.Take<uint64_t>();
  if (!fields.finished()) return std::nullopt;
  return header;
}

bool EntryRow::PayloadIntact() const { return consensus::Crc32c(payload) == payload_crc32c; }

size_t EntryRowBytes(const consensus::Entry& entry) {
  return kEntryHeaderBytes + entry.payload.size();
}

void EncodeEntryTo(char* to, const consensus::Entry& entry) {
  char* next = to + kChecksumBytes;
  next = PutInteger(next, entry.term.value());
  next = PutInteger(next, entry.chain.value());
  next = PutInteger(next, static_cast<uint8_t>(entry.kind));
  next = PutInteger(next, static_cast<uint64_t>(entry.payload.size()));
  next = PutInteger(next, entry.payload.crc32c());
  const std::string_view payload = entry.payload.bytes();
  if (!payload.empty()) std::memcpy(next, payload.data(), payload.size());
  PutInteger(to, EntryChecksum(entry.index, {to, kEntryHeaderBytes}));
}

std::optional<EntryRow> DecodeEntryRow(Index index, std::string_view row) {
  if (row.size() < kEntryHeaderBytes) return std::nullopt;
  FieldReader fields(row);
  if (fields.Take<uint32_t>() != EntryChecksum(index, row)) return std::nullopt;
  EntryRow entry;
  entry.term = Term(fields.Take<uint64_t>());
  entry.chain = Chain(fields.Take<uint64_t>());
  const auto kind = fields.Take<uint8_t>();
  if (!IsKnown(kind)) return std::nullopt;
  entry.kind = static_cast<EntryKind>(kind);
  const auto payload_bytes = fields.Take<uint64_t>();
  if (payload_bytes != row.size() - kEntryHeaderBytes) return std::nullopt;
  entry.payload_crc32c = fields.Take<uint32_t>();
  entry.payload = fields.TakeBytes(payload_bytes);
  assert(fields.finished());
  return entry;
}

}  // namespace quorate::storage
