#include "storage/log/log_record.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/base/identity.h"
#include "storage/base/sealed_record.h"
#include "storage/keyspace/state_meta.h"
#include "tests/storage/log/log_fixture.h"

namespace quorate::storage {
namespace {

using consensus::Chain;
using consensus::Entry;
using consensus::EntryKind;
using consensus::HardState;
using consensus::Index;
using consensus::NodeId;
using consensus::Term;

std::string Encoded(const Entry& entry) {
  std::string row(EntryRowBytes(entry), '\0');
  EncodeEntryTo(row.data(), entry);
  return row;
}

bool Intact(Index index, std::string_view row) {
  const std::optional<EntryRow> decoded = DecodeEntryRow(index, row);
  return decoded && decoded->PayloadIntact();
}

// Every way to change one bit, to cut, or to extend `record` makes `decodes` say no.
template <typename Decodes>
void ExpectGuarded(const std::string& record, const Decodes& decodes) {
  ASSERT_TRUE(decodes(record));
  for (size_t bit = 0; bit < record.size() * 8; ++bit) {
    std::string damaged = record;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decodes(damaged)) << "bit " << bit;
  }
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(decodes(std::string_view(record).substr(0, size))) << "cut to " << size;
  }
  EXPECT_FALSE(decodes(record + '\0'));
}

TEST(EntryRow, GivesBackWhatWentIn) {
  Entry entry = MakeEntry(9, 1ULL << 60, std::string("\0\r\n", 3));
  entry.chain = Chain(1ULL << 61);
  const std::string row = Encoded(entry);
  const std::optional<EntryRow> decoded = DecodeEntryRow(Index(9), row);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->term, entry.term);
  EXPECT_EQ(decoded->chain, entry.chain);
  EXPECT_EQ(decoded->kind, EntryKind::kBatch);
  EXPECT_EQ(decoded->payload, entry.payload.bytes());
  EXPECT_EQ(decoded->payload_crc32c, entry.payload.crc32c());
  EXPECT_TRUE(decoded->PayloadIntact());
}

TEST(EntryRow, NoChangeGoesUnnoticed) {
  const auto decodes = [](std::string_view row) { return Intact(Index(9), row); };
  ExpectGuarded(Encoded(MakeEntry(9, 3, "payload")), decodes);
  ExpectGuarded(Encoded({Term(3), Index(9), EntryKind::kNoop, {}}), decodes);
}

// A row that turns up at another index, as after damage to an inner page of the tree.
TEST(EntryRow, BelongsToItsIndex) {
  const std::string row = Encoded(MakeEntry(9, 3, "payload"));
  EXPECT_FALSE(DecodeEntryRow(Index(10), row));
}

// The checksum that the entry was made with is stored, and not one of what is in memory when it is
// written: so what memory has damaged since is found by whoever reads it.
TEST(EntryRow, CarriesTheChecksumFromWhereTheEntryWasMade) {
  Entry entry = MakeEntry(9, 3, "payload");
  entry.payload = consensus::Payload("pavload", entry.payload.crc32c());
  const std::string row = Encoded(entry);
  const std::optional<EntryRow> decoded = DecodeEntryRow(Index(9), row);
  ASSERT_TRUE(decoded);
  EXPECT_FALSE(decoded->PayloadIntact());
}

TEST(EntryRow, OfAnUnknownKindIsRefused) {
  Entry entry = MakeEntry(9, 3, "payload");
  entry.kind = static_cast<EntryKind>(77);
  EXPECT_FALSE(DecodeEntryRow(Index(9), Encoded(entry)));
}

TEST(LogHeader, GivesBackWhatWentInAndNoChangeGoesUnnoticed) {
  const LogHeader header{.hard_state = HardState{Term(5), NodeId(2)},
                         .founding = consensus::FoundingId(9),
                         .base_index = Index(100),
                         .base_term = Term(3),
                         .base_chain = Chain(31),
                         .last_index = Index(120),
                         .last_term = Term(4),
                         .last_chain = Chain(41),
                         .journal = {.generation = 77, .position = 4096, .file_bytes = 8192}};
  EXPECT_EQ(DecodeLogHeader(EncodeLogHeader(header, 8), 8), header);
  ExpectGuarded(EncodeLogHeader(header, 8),
                [](std::string_view record) { return DecodeLogHeader(record, 8).has_value(); });
}

TEST(StateMeta, GivesBackWhatWentInAndNoChangeGoesUnnoticed) {
  const StateMeta meta{.last_applied = Index(7),
                       .last_applied_term = Term(2),
                       .last_applied_chain = Chain(21),
                       .revision = 11,
                       .clock_ms = -3,
                       .databases = {{0, {.id = DatabaseId{3}, .key_count = 5, .digest = ~0ULL}},
                                     {7, {.id = DatabaseId{1}, .key_count = 2, .expires = 1}}},
                       .next_database = DatabaseId{4},
                       .configuration = "1=here",
                       .configuration_index = Index(4),
                       .founding = "founding",
                       .origin_index = Index(2),
                       .snapshot_index = Index(3),
                       .snapshot_term = Term(1),
                       .snapshot_chain = Chain(11)};
  EXPECT_EQ(*DecodeStateMeta(EncodeStateMeta(meta, 8), 8), meta);
  ExpectGuarded(EncodeStateMeta(meta, 8),
                [](std::string_view record) { return DecodeStateMeta(record, 8).has_value(); });
}

TEST(Identity, GivesBackWhatWentInAndNoChangeGoesUnnoticed) {
  const Identity identity{
      .cluster_id = 1ULL << 63, .node_id = NodeId(3), .members = "1=a,2=b,3=c", .joined = true};
  const std::optional<StoredIdentity> stored = DecodeIdentity(EncodeIdentity(identity));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->format_version, kFormatVersion);
  EXPECT_EQ(stored->identity, identity);
  ExpectGuarded(EncodeIdentity(identity),
                [](std::string_view record) { return DecodeIdentity(record).has_value(); });
}

// An intact record under the name of another kind of record.
TEST(SealedRecord, BelongsToItsKind) {
  EXPECT_EQ(Unseal("one", 8, Seal("one", 8, "body")), "body");
  EXPECT_FALSE(Unseal("other", 8, Seal("one", 8, "body")));
  EXPECT_FALSE(DecodeStateMeta(EncodeLogHeader(LogHeader(), 8), 8));
  EXPECT_FALSE(DecodeLogHeader(EncodeStateMeta(StateMeta(), 8), 8));
}

// An intact record of an earlier commit, as a damaged pointer to a page not yet used again would
// show it.
TEST(SealedRecord, BelongsToItsTransaction) {
  EXPECT_FALSE(DecodeLogHeader(EncodeLogHeader(LogHeader(), 8), 9));
  EXPECT_FALSE(DecodeStateMeta(EncodeStateMeta(StateMeta(), 8), 7));
}

}  // namespace
}  // namespace quorate::storage
