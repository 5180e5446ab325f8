// Fuzz target: the payload of a log entry. It comes from a disk or a peer, under a checksum, but
// from whatever version wrote it.
//
// The input: one byte of switches, the payload, or with kBuild the requests of clients.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resp/request_parser.h"
#include "src/requests/batch.h"

namespace quorate {
namespace {

// The bits above kNested are the facts' values.
enum Switches : uint8_t { kBuild = 1, kDatabase = 2, kUser = 4, kBudget = 8, kNested = 16 };
constexpr unsigned kValueShift = 5;

using Arguments = std::vector<std::string>;
using Unit = std::pair<UnitFacts, Arguments>;

std::vector<Unit> UnitsOf(const Batch& batch) {
  std::vector<Unit> units;
  for (const BatchUnit& unit : batch.units()) {
    const auto arguments = batch.arguments(unit);
    assert(!arguments.empty());
    units.emplace_back(unit.facts, Arguments(arguments.begin(), arguments.end()));
  }
  return units;
}

void CheckDecoding(std::string_view payload) {
  Batch batch;
  if (batch.Decode(payload) != Batch::Status::kOk) return;
  assert(batch.header().command_count <= batch.units().size());
  size_t bytes = 0;
  for (const BatchUnit& unit : batch.units()) {
    assert(unit.request.data() >= payload.data());
    assert(unit.request.data() + unit.request.size() <= payload.data() + payload.size());
    bytes += unit.request.size();
  }
  assert(bytes <= payload.size());
  const std::vector<Unit> units = UnitsOf(batch);
  assert(batch.Decode(payload) == Batch::Status::kOk);
  assert(UnitsOf(batch) == units);
}

// What clients send comes out of the log as it went in.
void CheckBuilding(uint8_t switches, std::string_view bytes) {
  const resp::Limits limits;
  resp::RequestParser parser(&limits);
  BatchBuilder builder;
  std::vector<Unit> units;
  const uint64_t value = 0x1fffffff >> (4 * (switches >> kValueShift));
  uint32_t count = 0;
  bool nested_follows = false;
  while (parser.Parse(bytes) == resp::RequestParser::Status::kRequest) {
    UnitFacts facts;
    if ((switches & kDatabase) != 0) facts.database = static_cast<uint32_t>(value);
    if ((switches & kUser) != 0) facts.user = static_cast<uint32_t>(value);
    if ((switches & kBudget) != 0) facts.budget = value << 32;
    if (!nested_follows) ++count;
    nested_follows = (switches & kNested) != 0 && !nested_follows;
    facts.nested = nested_follows ? 1 : 0;
    const auto arguments = parser.request().arguments;
    units.emplace_back(facts, Arguments(arguments.begin(), arguments.end()));
    builder.Add(parser.request(), facts);
    bytes.remove_prefix(parser.consumed());
  }
  if (nested_follows) {
    const std::string_view name = "DEL";
    units.emplace_back(UnitFacts(), Arguments{std::string(name)});
    builder.Add({.arguments = std::span(&name, 1), .raw = {}, .is_inline = true});
  }
  const auto clock_ms = static_cast<int64_t>(bytes.size());
  const std::string payload = builder.Finish(clock_ms, 7);
  Batch batch;
  assert(batch.Decode(payload) == Batch::Status::kOk);
  assert((batch.header() == BatchHeader{clock_ms, 7, count}));
  assert(UnitsOf(batch) == units);
}

}  // namespace
}  // namespace quorate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & quorate::kBuild) != 0) {
    quorate::CheckBuilding(data[0], bytes);
  } else {
    quorate::CheckDecoding(bytes);
  }
  return 0;
}
