// What comes from a client and what goes back: parsing requests, writing replies.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "benchmarks/per_operation.h"
#include "benchmarks/workload.h"
#include "resp/reply_writer.h"
#include "resp/request_parser.h"

namespace quorate {
namespace {

void Parse(benchmark::State& state, const std::string& input) {
  const int64_t requests = state.range(0);
  std::string pipeline;
  for (int64_t i = 0; i < requests; ++i) pipeline += input;
  resp::Limits limits;
  resp::RequestParser parser(&limits);
  const PerOperation report(state, requests);
  for (auto _ : state) {
    std::string_view rest = pipeline;
    while (parser.Parse(rest) == resp::RequestParser::Status::kRequest) {
      benchmark::DoNotOptimize(parser.request().arguments.data());
      rest.remove_prefix(parser.consumed());
    }
    if (!rest.empty()) std::abort();
  }
}

void ParseSet(benchmark::State& state) { Parse(state, SetRequest(12345)); }
BENCHMARK(ParseSet)->Arg(1)->Arg(16);

void ParseGet(benchmark::State& state) { Parse(state, GetRequest(12345)); }
BENCHMARK(ParseGet)->Arg(1)->Arg(16);

void ParseInline(benchmark::State& state) { Parse(state, "GET key:000000012345\r\n"); }
BENCHMARK(ParseInline)->Arg(1);

// One SET of a value of that size.
void ParseLargeSet(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'x');
  const std::string_view arguments[] = {"SET", "key", value};
  std::string input;
  resp::AppendCommand(arguments, &input);
  resp::Limits limits;
  resp::RequestParser parser(&limits);
  const PerOperation report(state);
  for (auto _ : state) {
    if (parser.Parse(input) != resp::RequestParser::Status::kRequest) std::abort();
    benchmark::DoNotOptimize(parser.request().arguments.data());
  }
}
BENCHMARK(ParseLargeSet)->Arg(1 << 20);

constexpr int64_t kReplies = 16;

template <typename Write>
void WriteReplies(benchmark::State& state, Write write) {
  std::string output;
  const PerOperation report(state, kReplies);
  for (auto _ : state) {
    output.clear();
    resp::ReplyWriter writer(resp::Protocol::kResp2, &output);
    for (int64_t i = 0; i < kReplies; ++i) write(writer);
    benchmark::DoNotOptimize(output.data());
  }
}

void WriteOk(benchmark::State& state) {
  WriteReplies(state, [](resp::ReplyWriter& writer) { writer.Raw(resp::kReplyOk); });
}
BENCHMARK(WriteOk);

void WriteBulkString(benchmark::State& state) {
  WriteReplies(state, [](resp::ReplyWriter& writer) { writer.BulkString(SomeValue()); });
}
BENCHMARK(WriteBulkString);

void WriteInteger(benchmark::State& state) {
  WriteReplies(state, [](resp::ReplyWriter& writer) { writer.Integer(1234567); });
}
BENCHMARK(WriteInteger);

}  // namespace
}  // namespace quorate
