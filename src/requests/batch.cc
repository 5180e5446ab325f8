#include "src/requests/batch.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <type_traits>
#include <utility>

#include "resp/command_encoder.h"

namespace quorate {
namespace {

// version (1 byte), clock (8), seed (8), command count (4); little endian.
constexpr uint8_t kVersion = 1;
constexpr size_t kHeaderBytes = 21;

constexpr size_t kReservedBytesMax = 256 << 10;

template <typename Integer>
void PutLittleEndian(char* to, Integer value) {
  auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
  for (size_t i = 0; i < sizeof bits; ++i) to[i] = static_cast<char>((bits >> (8 * i)) & 0xff);
}

template <typename Integer>
Integer GetLittleEndian(const char* from) {
  std::make_unsigned_t<Integer> bits = 0;
  for (size_t i = 0; i < sizeof bits; ++i) {
    bits |= static_cast<decltype(bits)>(static_cast<uint8_t>(from[i])) << (8 * i);
  }
  return static_cast<Integer>(bits);
}

}  // namespace

BatchBuilder::BatchBuilder() : bytes_(kHeaderBytes, '\0') {}

void BatchBuilder::Add(const resp::Request& request) {
  if (request.is_inline) {
    resp::AppendCommand(request.arguments, &bytes_);
  } else {
    bytes_ += request.raw;
  }
  ++command_count_;
}

std::string BatchBuilder::Finish(int64_t clock_ms, uint64_t seed) {
  bytes_[0] = static_cast<char>(kVersion);
  PutLittleEndian(&bytes_[1], clock_ms);
  PutLittleEndian(&bytes_[9], seed);
  PutLittleEndian(&bytes_[17], command_count_);
  command_count_ = 0;
  std::string next;
  next.reserve(std::min(bytes_.size(), kReservedBytesMax));  // it is most likely as large
  next.resize(kHeaderBytes);
  return std::exchange(bytes_, std::move(next));
}

std::string_view BatchBuilder::commands() const {
  return std::string_view(bytes_).substr(kHeaderBytes);
}

BatchCommands::BatchCommands() : parser_(&no_limits_) {}

void BatchCommands::Parse(std::string_view commands, uint32_t count) {
  arguments_.clear();
  ends_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const auto status = parser_.Parse(commands);
    // These bytes were parsed when they were accepted, and are guarded by a checksum since.
    assert(status == resp::RequestParser::Status::kRequest);
    const auto arguments = parser_.request().arguments;
    arguments_.insert(arguments_.end(), arguments.begin(), arguments.end());
    ends_.push_back(arguments_.size());
    commands.remove_prefix(parser_.consumed());
  }
  assert(commands.empty());
}

std::optional<Batch> DecodeBatch(std::string_view payload) {
  if (payload.size() < kHeaderBytes) return std::nullopt;
  if (static_cast<uint8_t>(payload[0]) != kVersion) return std::nullopt;
  Batch batch;
  batch.header.clock_ms = GetLittleEndian<int64_t>(&payload[1]);
  batch.header.seed = GetLittleEndian<uint64_t>(&payload[9]);
  batch.header.command_count = GetLittleEndian<uint32_t>(&payload[17]);
  batch.commands = payload.substr(kHeaderBytes);
  return batch;
}

uint64_t CommandSeed(uint64_t batch_seed, uint32_t position) {
  // splitmix64 (Steele, Lea, Flood 2014): neighbouring positions give unrelated seeds.
  uint64_t mixed = batch_seed + (uint64_t{position} + 1) * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

}  // namespace quorate
