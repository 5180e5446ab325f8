// The payload of a log entry: the write commands that arrived in one round, as RESP requests one
// after another (as in Redis's append-only file), behind a short header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace quorate {

struct BatchHeader {
  int64_t clock_ms = 0;  // the leader's, Unix time; the present time to all its commands
  uint64_t seed = 0;     // where the commands' randomness comes from
  uint32_t command_count = 0;

  bool operator==(const BatchHeader&) const = default;
};

// A batch being filled.
class BatchBuilder {
 public:
  BatchBuilder();

  void Add(const resp::Request& request);
  uint32_t command_count() const { return command_count_; }
  size_t bytes() const { return bytes_.size(); }
  // The finished payload; the builder is empty again.
  std::string Finish(int64_t clock_ms, uint64_t seed);
  // The commands so far, without the header.
  std::string_view commands() const;

 private:
  std::string bytes_;
  uint32_t command_count_ = 0;
};

// A batch as it stands in a log entry.
struct Batch {
  BatchHeader header;
  std::string_view commands;
};

// The commands of batches, taken apart. Keeps its memory from one to the next.
class BatchCommands {
 public:
  BatchCommands();

  // Precondition: `commands` are those of a batch with that many. What operator[] gives lives as
  // long as they do, and until the next Parse.
  void Parse(std::string_view commands, uint32_t count);
  uint32_t size() const { return static_cast<uint32_t>(ends_.size()); }
  std::span<const std::string_view> operator[](uint32_t position) const {
    const size_t begin = position == 0 ? 0 : ends_[position - 1];
    return std::span(arguments_).subspan(begin, ends_[position] - begin);
  }

 private:
  resp::Limits no_limits_ = resp::Limits::None();
  resp::RequestParser parser_;
  std::vector<std::string_view> arguments_;  // of all commands, one after another
  std::vector<size_t> ends_;                 // where each command's end among them
};

// Nothing when the bytes are no batch of a version known here.
std::optional<Batch> DecodeBatch(std::string_view payload);

// The seed of the command at `position` in a batch.
uint64_t CommandSeed(uint64_t batch_seed, uint32_t position);

}  // namespace quorate
