#include "src/requests/batch.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace quorate {
namespace {

using Status = Batch::Status;
using Texts = std::vector<std::string_view>;

const std::string kSet = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
const std::string kDel = "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
const std::string kExec = "*1\r\n$4\r\nEXEC\r\n";

constexpr size_t kFieldsOffset = 21;  // of the size of the header's fields
constexpr size_t kUnitsOffset = 22;

void Add(BatchBuilder* builder, std::string_view bytes, const UnitFacts& facts = {}) {
  resp::Limits limits;
  resp::RequestParser parser(&limits);
  ASSERT_EQ(parser.Parse(bytes), resp::RequestParser::Status::kRequest);
  builder->Add(parser.request(), facts);
}

Texts Arguments(const Batch& batch, size_t unit) {
  const auto arguments = batch.arguments(batch.units()[unit]);
  return {arguments.begin(), arguments.end()};
}

Status StatusOf(std::string_view payload) { return Batch().Decode(payload); }

// One that has a bit of everything.
std::string Rich() {
  BatchBuilder builder;
  Add(&builder, kSet, {.database = 300, .user = 7});
  Add(&builder, kExec, {.nested = 2});
  Add(&builder, kSet, {.database = 1});
  Add(&builder, kExec, {.budget = 50'000'000, .nested = 1});
  Add(&builder, kDel);
  Add(&builder, kDel);
  return builder.Finish(1'700'000'000'000, 99);
}

// A batch of one plain unit, with `fields` in its header and `head` in place of the unit's flags.
std::string Crafted(const std::string& fields, const std::string& head) {
  BatchBuilder builder;
  Add(&builder, kSet);
  std::string payload = builder.Finish(1, 2);
  payload.replace(kUnitsOffset, 1, head);
  payload.replace(kFieldsOffset, 1, std::string(1, static_cast<char>(fields.size())) + fields);
  return payload;
}

TEST(Batch, HoldsRequestsAsTheyCameAndInlineOnesAsRequests) {
  BatchBuilder builder;
  Add(&builder, kSet);
  Add(&builder, "DEL a\r\n");
  EXPECT_EQ(builder.command_count(), 2u);

  const std::string payload = builder.Finish(-5, 0xfedcba9876543210);
  EXPECT_EQ(builder.command_count(), 0u) << "the builder begins anew";
  Batch batch;
  ASSERT_EQ(batch.Decode(payload), Status::kOk);
  EXPECT_EQ(batch.header(), (BatchHeader{-5, 0xfedcba9876543210, 2}));
  ASSERT_EQ(batch.units().size(), 2u);
  EXPECT_EQ(batch.units()[0].request, kSet);
  EXPECT_EQ(batch.units()[1].request, kDel);
  EXPECT_EQ(batch.units()[0].facts, UnitFacts());
  EXPECT_EQ(Arguments(batch, 0), (Texts{"SET", "a", "1"}));
  EXPECT_EQ(Arguments(batch, 1), (Texts{"DEL", "a"}));

  ASSERT_EQ(batch.Decode(builder.Finish(1, 1)), Status::kOk);
  EXPECT_TRUE(batch.units().empty());
}

TEST(Batch, CostsAPlainCommandOneByteAndItselfOne) {
  BatchBuilder builder;
  Add(&builder, kSet);
  EXPECT_EQ(builder.Finish(1, 2).size(), kUnitsOffset + 1 + kSet.size());
}

TEST(Batch, KeepsWhatUnitsSayAndHowTheyAreNested) {
  const std::string payload = Rich();
  Batch batch;
  ASSERT_EQ(batch.Decode(payload), Status::kOk);
  EXPECT_EQ(batch.header().command_count, 3u);
  ASSERT_EQ(batch.units().size(), 6u);
  EXPECT_EQ(batch.units()[0].facts, (UnitFacts{.database = 300, .user = 7}));
  EXPECT_EQ(batch.units()[1].facts, (UnitFacts{.nested = 2}));
  EXPECT_EQ(batch.units()[2].facts, (UnitFacts{.database = 1}));
  EXPECT_EQ(batch.units()[3].facts, (UnitFacts{.budget = 50'000'000, .nested = 1}));
  EXPECT_EQ(Arguments(batch, 3), (Texts{"EXEC"}));
  EXPECT_EQ(Arguments(batch, 4), (Texts{"DEL", "a"}));
  EXPECT_EQ(batch.units()[5].facts, UnitFacts());

  constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
  const UnitFacts greatest = {
      .database = kMost, .user = kMost, .budget = std::numeric_limits<uint64_t>::max()};
  BatchBuilder builder;
  Add(&builder, kSet, greatest);
  const std::string most = builder.Finish(1, 1);
  ASSERT_EQ(batch.Decode(most), Status::kOk);
  EXPECT_EQ(batch.units()[0].facts, greatest);
}

TEST(Batch, OfANewerFormatIsNotDamaged) {
  std::string payload = Rich();
  payload[0] = 3;
  EXPECT_EQ(StatusOf(payload), Status::kNewer);
  EXPECT_EQ(StatusOf("\xff"), Status::kNewer);
  payload[0] = 1;
  EXPECT_EQ(StatusOf(payload), Status::kDamaged) << "an older one has never been in this log";
}

// An even tag may be skipped by code that does not know it; an odd one must stop it.
TEST(Batch, SkipsFieldsThatItMaySkipAndStopsAtOthers) {
  const std::string even("\x02\x01x", 3);
  const std::string odd("\x03\x01x", 3);
  const std::string flags("\x08", 1);
  EXPECT_EQ(StatusOf(Crafted("", std::string(1, '\0'))), Status::kOk);
  EXPECT_EQ(StatusOf(Crafted(even + even, std::string(1, '\0'))), Status::kOk);
  EXPECT_EQ(StatusOf(Crafted(even + odd, std::string(1, '\0'))), Status::kNewer);
  EXPECT_EQ(StatusOf(Crafted("\x02\x02x", std::string(1, '\0'))), Status::kDamaged);
  EXPECT_EQ(StatusOf(Crafted("\x02", std::string(1, '\0'))), Status::kDamaged);

  EXPECT_EQ(StatusOf(Crafted("", flags + "\x03" + even)), Status::kOk);
  EXPECT_EQ(StatusOf(Crafted("", flags + "\x03" + odd)), Status::kNewer);
  EXPECT_EQ(StatusOf(Crafted("", flags + "\x02" + even)), Status::kDamaged);
  EXPECT_EQ(StatusOf(Crafted("", "\x20")), Status::kNewer) << "an unknown flag";
}

TEST(Batch, RefusesNumbersThatAreTooGreat) {
  const std::string database("\x01", 1);
  const std::string budget("\x04", 1);
  EXPECT_EQ(StatusOf(Crafted("", database + "\xff\xff\xff\xff\x0f")), Status::kOk);
  EXPECT_EQ(StatusOf(Crafted("", database + "\xff\xff\xff\xff\x1f")), Status::kDamaged);
  EXPECT_EQ(StatusOf(Crafted("", budget + std::string(9, '\xff') + "\x01")), Status::kOk);
  EXPECT_EQ(StatusOf(Crafted("", budget + std::string(9, '\xff') + "\x03")), Status::kDamaged);
  EXPECT_EQ(StatusOf(Crafted("", budget + std::string(10, '\x80') + "\x01")), Status::kDamaged);
}

TEST(Batch, RefusesUnitsThatAreNestedTooDeep) {
  BatchBuilder builder;
  for (size_t depth = 1; depth < kUnitDepthMax; ++depth) Add(&builder, kExec, {.nested = 1});
  Add(&builder, kDel);
  std::string payload = builder.Finish(1, 1);
  EXPECT_EQ(StatusOf(payload), Status::kOk);
  payload.insert(kUnitsOffset, std::string("\x10\x01", 2) + kExec);
  EXPECT_EQ(StatusOf(payload), Status::kDamaged);
}

// Redis's protocol lets clients send more than requests: none of that is in a log.
TEST(Batch, RefusesWhatABuilderDoesNotWrite) {
  const std::string good = Crafted("", std::string(1, '\0'));
  const std::string head = good.substr(0, kUnitsOffset + 1);
  ASSERT_EQ(StatusOf(head + kSet), Status::kOk);
  Batch batch;
  for (const std::string& bad : {std::string("DEL a\r\n"), "*0\r\n" + kSet, "\r\n" + kSet,
                                 std::string("*x\r\n"), kSet + kSet, kSet + "x"}) {
    EXPECT_EQ(batch.Decode(head + bad), Status::kDamaged) << bad;
    EXPECT_EQ(batch.Decode(good), Status::kOk) << "what was refused leaves nothing behind: " << bad;
  }
}

TEST(Batch, IsDamagedWhereverItIsCutOff) {
  const std::string payload = Rich();
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_EQ(StatusOf(payload.substr(0, size)), Status::kDamaged) << size;
  }
}

TEST(Batch, WithAnyByteChangedStaysWithinItsBytes) {
  const std::string payload = Rich();
  Batch batch;
  for (size_t at = 0; at < payload.size(); ++at) {
    for (int change = 1; change < 256; ++change) {
      std::string changed = payload;
      changed[at] = static_cast<char>(changed[at] ^ change);
      if (batch.Decode(changed) != Status::kOk) continue;
      for (const BatchUnit& unit : batch.units()) {
        for (const std::string_view argument : batch.arguments(unit)) {
          ASSERT_GE(argument.data(), changed.data());
          ASSERT_LE(argument.data() + argument.size(), changed.data() + changed.size());
        }
      }
    }
  }
}

TEST(Batch, CommandsOfABatchGetDifferentSeeds) {
  std::set<uint64_t> seeds;
  for (uint32_t position = 0; position < 1000; ++position) seeds.insert(CommandSeed(7, position));
  EXPECT_EQ(seeds.size(), 1000u);
  EXPECT_EQ(CommandSeed(7, 3), CommandSeed(7, 3));
}

}  // namespace
}  // namespace quorate
