// Messages between the servers: a batch of SETs as one entry, as bytes and back.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "benchmarks/per_operation.h"
#include "benchmarks/workload.h"
#include "consensus/codec.h"

namespace quorate {
namespace {

std::string BatchBytes(int64_t commands) {
  std::string bytes;
  for (int64_t i = 0; i < commands; ++i) bytes += SetRequest(static_cast<uint64_t>(i));
  return bytes;
}

consensus::AppendEntries MakeAppendEntries(int64_t commands) {
  consensus::AppendEntries append;
  append.term = consensus::Term(3);
  append.prev_log_index = consensus::Index(1000);
  append.prev_log_term = consensus::Term(3);
  append.leader_commit = consensus::Index(999);
  append.entries.push_back({.term = consensus::Term(3),
                            .index = consensus::Index(1001),
                            .kind = consensus::EntryKind::kBatch,
                            .payload = consensus::Payload(BatchBytes(commands))});
  return append;
}

std::string Frames(const consensus::FrameBuffer& buffer) {
  std::vector<std::string_view> pieces;
  buffer.AppendPieces(&pieces);
  std::string bytes;
  for (std::string_view piece : pieces) bytes += piece;
  return bytes;
}

// All are for a batch of so many SETs, and report a batch.

void ChecksumOfBatch(benchmark::State& state) {
  const std::string bytes = BatchBytes(state.range(0));
  const PerOperation report(state);
  for (auto _ : state) {
    std::string copy = bytes;
    const consensus::Payload payload(std::move(copy));
    benchmark::DoNotOptimize(payload.crc32c());
  }
}
BENCHMARK(ChecksumOfBatch)->Arg(1)->Arg(50)->Arg(800);

void EncodeAppendEntries(benchmark::State& state) {
  const consensus::Message message = MakeAppendEntries(state.range(0));
  consensus::FrameBuffer buffer;
  std::vector<std::string_view> pieces;
  const PerOperation report(state);
  for (auto _ : state) {
    buffer.Add(message);
    pieces.clear();
    buffer.AppendPieces(&pieces);
    benchmark::DoNotOptimize(pieces.data());
    buffer.Clear();
  }
}
BENCHMARK(EncodeAppendEntries)->Arg(1)->Arg(50)->Arg(800);

void DecodeAppendEntries(benchmark::State& state) {
  consensus::FrameBuffer hello;
  hello.Add(consensus::Hello{.cluster_id = 7,
                             .from = consensus::NodeId(1),
                             .to = consensus::NodeId(2),
                             .address = "127.0.0.1:7001@17001"});
  consensus::FrameBuffer buffer;
  buffer.Add(consensus::Message(MakeAppendEntries(state.range(0))));
  const std::string frame = Frames(buffer);
  consensus::FrameDecoder decoder;
  const std::string greeting = Frames(hello);
  std::string_view input = greeting;
  if (!std::holds_alternative<consensus::Hello>(decoder.Next(&input))) std::abort();
  const PerOperation report(state);
  for (auto _ : state) {
    input = frame;
    if (!std::holds_alternative<consensus::Message>(decoder.Next(&input))) std::abort();
  }
}
BENCHMARK(DecodeAppendEntries)->Arg(1)->Arg(50)->Arg(800);

}  // namespace
}  // namespace quorate
