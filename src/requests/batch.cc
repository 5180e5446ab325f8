#include "src/requests/batch.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "resp/command_encoder.h"

namespace quorate {
namespace {

constexpr uint8_t kFormat = 2;
// Format (1 byte), clock (8), seed (8), count (4).
constexpr size_t kClockOffset = 1;
constexpr size_t kFixedBytes = 21;
// With the size of its fields, of which this version writes none.
constexpr size_t kHeaderBytes = kFixedBytes + 1;

enum UnitFlags : uint8_t {
  kHasDatabase = 1,
  kHasUser = 2,
  kHasBudget = 4,
  kHasFields = 8,
  kHasNested = 16,
};
constexpr uint8_t kKnownFlags = kHasDatabase | kHasUser | kHasBudget | kHasFields | kHasNested;

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

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// Nothing: it is cut off, or greater than `max`.
std::optional<uint64_t> TakeVarint(std::string_view* rest,
                                   uint64_t max = std::numeric_limits<uint64_t>::max()) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest->front());
    rest->remove_prefix(1);
    const uint64_t bits = byte & 0x7f;
    if (bits << shift >> shift != bits) return std::nullopt;
    value |= bits << shift;
    if (byte < 0x80) return value <= max ? std::optional(value) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string_view> TakeSized(std::string_view* rest) {
  const std::optional<uint64_t> size = TakeVarint(rest, rest->size());
  if (!size || *size > rest->size()) return std::nullopt;
  const std::string_view bytes = rest->substr(0, *size);
  rest->remove_prefix(*size);
  return bytes;
}

// No field is known to this version.
Batch::Status SkipFields(std::string_view* rest) {
  std::optional<std::string_view> fields = TakeSized(rest);
  if (!fields) return Batch::Status::kDamaged;
  bool newer = false;
  while (!fields->empty()) {
    const std::optional<uint64_t> tag = TakeVarint(&*fields);
    if (!tag || !TakeSized(&*fields)) return Batch::Status::kDamaged;
    newer = newer || *tag % 2 == 1;
  }
  return newer ? Batch::Status::kNewer : Batch::Status::kOk;
}

}  // namespace

// --- BatchBuilder ---

BatchBuilder::BatchBuilder() : bytes_(kHeaderBytes, '\0') {}

void BatchBuilder::Add(const resp::Request& request, const UnitFacts& facts) {
  if (missing_.empty()) {
    ++command_count_;
  } else {
    --missing_.back();
  }
  assert(missing_.size() < kUnitDepthMax);
  const int flags = (facts.database != 0 ? kHasDatabase : 0) | (facts.user != 0 ? kHasUser : 0) |
                    (facts.budget ? kHasBudget : 0) | (facts.nested != 0 ? kHasNested : 0);
  bytes_.push_back(static_cast<char>(flags));
  if (facts.database != 0) AppendVarint(facts.database, &bytes_);
  if (facts.user != 0) AppendVarint(facts.user, &bytes_);
  if (facts.budget) AppendVarint(*facts.budget, &bytes_);
  if (facts.nested != 0) AppendVarint(facts.nested, &bytes_);
  if (request.is_inline) {
    resp::AppendCommand(request.arguments, &bytes_);
  } else {
    bytes_ += request.raw;
  }
  if (facts.nested != 0) missing_.push_back(facts.nested);
  while (!missing_.empty() && missing_.back() == 0) missing_.pop_back();
}

std::string BatchBuilder::Finish(int64_t clock_ms, uint64_t seed) {
  assert(missing_.empty());
  bytes_[0] = static_cast<char>(kFormat);
  PutLittleEndian(&bytes_[kClockOffset], clock_ms);
  PutLittleEndian(&bytes_[9], seed);
  PutLittleEndian(&bytes_[17], command_count_);
  command_count_ = 0;
  std::string next;
  next.reserve(std::min(bytes_.size(), kReservedBytesMax));  // it is most likely as large
  next.resize(kHeaderBytes);
  return std::exchange(bytes_, std::move(next));
}

// --- Batch ---

Batch::Batch() { parser_.emplace(&no_limits_); }

Batch::Status Batch::Decode(std::string_view payload) {
  units_.clear();
  arguments_.clear();
  if (payload.empty()) return Status::kDamaged;
  const auto format = static_cast<uint8_t>(payload[0]);
  if (format > kFormat) return Status::kNewer;
  if (format < kFormat || payload.size() < kHeaderBytes) return Status::kDamaged;
  header_.clock_ms = GetLittleEndian<int64_t>(&payload[kClockOffset]);
  header_.seed = GetLittleEndian<uint64_t>(&payload[9]);
  header_.command_count = GetLittleEndian<uint32_t>(&payload[17]);
  std::string_view rest = payload.substr(kFixedBytes);
  Status status = SkipFields(&rest);
  for (uint32_t i = 0; i < header_.command_count && status == Status::kOk; ++i) {
    status = DecodeUnit(&rest, 1);
  }
  if (status == Status::kOk && !rest.empty()) return Status::kDamaged;
  return status;
}

Batch::Status Batch::DecodeUnit(std::string_view* rest, size_t depth) {
  if (depth > kUnitDepthMax || rest->empty()) return Status::kDamaged;
  const auto flags = static_cast<uint8_t>(rest->front());
  rest->remove_prefix(1);
  if ((flags & ~kKnownFlags) != 0) return Status::kNewer;
  BatchUnit unit;
  if (flags != 0) {
    constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
    std::optional<uint64_t> value;
    if ((flags & kHasDatabase) != 0) {
      if (!(value = TakeVarint(rest, kMax))) return Status::kDamaged;
      unit.facts.database = static_cast<uint32_t>(*value);
    }
    if ((flags & kHasUser) != 0) {
      if (!(value = TakeVarint(rest, kMax))) return Status::kDamaged;
      unit.facts.user = static_cast<uint32_t>(*value);
    }
    if ((flags & kHasBudget) != 0) {
      if (!(value = TakeVarint(rest))) return Status::kDamaged;
      unit.facts.budget = value;
    }
    if ((flags & kHasFields) != 0) {
      if (const Status status = SkipFields(rest); status != Status::kOk) return status;
    }
    if ((flags & kHasNested) != 0) {
      if (!(value = TakeVarint(rest, kMax))) return Status::kDamaged;
      unit.facts.nested = static_cast<uint32_t>(*value);
    }
  }
  if (const Status status = DecodeRequest(rest, &unit); status != Status::kOk) return status;
  units_.push_back(unit);
  for (uint32_t i = 0; i < unit.facts.nested; ++i) {
    if (const Status status = DecodeUnit(rest, depth + 1); status != Status::kOk) return status;
  }
  return Status::kOk;
}

Batch::Status Batch::DecodeRequest(std::string_view* rest, BatchUnit* unit) {
  // The parser would skip what clients may send between requests, and take inline commands. A
  // builder writes neither.
  const bool is_array = !rest->empty() && rest->front() == '*';
  if (!is_array || parser_->Parse(*rest) != resp::RequestParser::Status::kRequest ||
      parser_->request().is_inline || parser_->request().raw.data() != rest->data()) {
    parser_.emplace(&no_limits_);  // it may be in the middle of a request, or have given up
    return Status::kDamaged;
  }
  const resp::Request& request = parser_->request();
  unit->request = request.raw;
  unit->first_argument = arguments_.size();
  unit->arguments = request.arguments.size();
  arguments_.insert(arguments_.end(), request.arguments.begin(), request.arguments.end());
  rest->remove_prefix(parser_->consumed());
  return Status::kOk;
}

std::optional<int64_t> BatchClock(std::string_view payload) {
  if (payload.size() < kHeaderBytes || static_cast<uint8_t>(payload[0]) != kFormat) {
    return std::nullopt;
  }
  return GetLittleEndian<int64_t>(&payload[kClockOffset]);
}

uint64_t CommandSeed(uint64_t batch_seed, uint32_t position) {
  // splitmix64 (Steele, Lea, Flood 2014): neighbouring positions give unrelated seeds.
  uint64_t mixed = batch_seed + (uint64_t{position} + 1) * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

}  // namespace quorate
