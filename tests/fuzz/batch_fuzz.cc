// Fuzz target: the payload of a log entry. It comes from a disk or a peer, under a checksum, but
// from whatever version wrote it.
//
// The input: one byte of switches, the payload, or with kBuild the requests of clients.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"
#include "src/requests/batch.h"

namespace quorate {
namespace {

enum Switches : uint8_t { kBuild = 1 };

using Arguments = std::vector<std::string>;

resp::Limits NoLimits() {
  resp::Limits limits;
  limits.bulk_bytes_max = std::numeric_limits<int64_t>::max();
  return limits;
}

// As many of the requests as `bytes` begins with, at most `count`.
std::vector<Arguments> Parse(std::string_view bytes, uint32_t count) {
  const resp::Limits limits = NoLimits();
  resp::RequestParser parser(&limits);
  std::vector<Arguments> requests;
  while (requests.size() < count && parser.Parse(bytes) == resp::RequestParser::Status::kRequest) {
    const auto arguments = parser.request().arguments;
    requests.emplace_back(arguments.begin(), arguments.end());
    bytes.remove_prefix(parser.consumed());
  }
  return requests;
}

void CheckDecoding(std::string_view payload) {
  const std::optional<Batch> batch = DecodeBatch(payload);
  if (!batch) return;
  assert(batch->commands.size() <= payload.size());
  Parse(batch->commands, batch->header.command_count);
}

// What clients send comes out of the log as it went in.
void CheckBuilding(std::string_view bytes) {
  const resp::Limits limits;
  resp::RequestParser parser(&limits);
  BatchBuilder builder;
  std::vector<Arguments> requests;
  while (parser.Parse(bytes) == resp::RequestParser::Status::kRequest) {
    const auto arguments = parser.request().arguments;
    requests.emplace_back(arguments.begin(), arguments.end());
    builder.Add(parser.request());
    bytes.remove_prefix(parser.consumed());
  }
  const auto count = static_cast<uint32_t>(requests.size());
  const auto clock_ms = static_cast<int64_t>(bytes.size());
  const std::string payload = builder.Finish(clock_ms, 7);
  const std::optional<Batch> batch = DecodeBatch(payload);
  assert(batch);
  assert((batch->header == BatchHeader{clock_ms, 7, count}));
  assert(Parse(batch->commands, count) == requests);
}

}  // namespace
}  // namespace quorate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & quorate::kBuild) != 0) {
    quorate::CheckBuilding(bytes);
  } else {
    quorate::CheckDecoding(bytes);
  }
  return 0;
}
