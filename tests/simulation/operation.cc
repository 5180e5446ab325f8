#include "tests/simulation/operation.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "resp/command_encoder.h"

namespace quorate::simulation {
namespace {

constexpr const char* kCommandNames[] = {"GET",        "MGET",   "EXISTS",  "SET",
                                         "SET NX",     "SET XX", "SET GET", "SET NX GET",
                                         "SET XX GET", "MSET",   "DEL"};

// Up to the next space; the rest follows in `words`.
std::string_view TakeWord(std::string_view* words) {
  const size_t end = std::min(words->find(' '), words->size());
  const std::string_view word = words->substr(0, end);
  words->remove_prefix(std::min(end + 1, words->size()));
  return word;
}

}  // namespace

bool IsWrite(CommandKind kind) { return kind >= CommandKind::kSet; }

const char* NameOf(CommandKind kind) { return kCommandNames[static_cast<size_t>(kind)]; }

const char* NameOf(Outcome outcome) {
  constexpr const char* kNames[] = {"is pending", "is done", "was not executed", "is unknown"};
  return kNames[static_cast<size_t>(outcome)];
}

std::string KeyName(uint32_t key) { return fmt::format("key{}", key); }

std::string ValueBytes(ValueId value, uint32_t bytes_max) {
  std::string bytes = fmt::format("v{}", value);
  // Sizes differ from value to value, and most are small.
  uint64_t mixed = value * 0x9e3779b97f4a7c15;
  if (bytes_max > 0 && mixed >> 62 == 0) bytes.append((mixed >> 20) % bytes_max, '.');
  return bytes;
}

std::string Encode(const Operation& operation, uint32_t value_bytes_max) {
  std::string_view words = kCommandNames[static_cast<size_t>(operation.kind)];
  std::vector<std::string> arguments;
  arguments.reserve(4 + 2 * operation.keys.size());
  // "SET NX GET" has its key and value behind the first word.
  arguments.emplace_back(TakeWord(&words));
  for (size_t i = 0; i < operation.keys.size(); ++i) {
    arguments.push_back(KeyName(operation.keys[i]));
    if (!operation.values.empty()) {
      arguments.push_back(ValueBytes(operation.values[i], value_bytes_max));
    }
  }
  while (!words.empty()) arguments.emplace_back(TakeWord(&words));
  if (operation.kind == CommandKind::kDel) arguments.push_back(fmt::format("-{}", operation.id));
  const std::vector<std::string_view> views(arguments.begin(), arguments.end());
  std::string encoded;
  encoded.reserve(resp::EncodedCommandBytes(views));
  resp::AppendCommand(views, &encoded);
  return encoded;
}

std::string Describe(const Operation& operation) {
  return fmt::format(
      "[{:>6} .. {:>6}] client {} connection {} operation {}: {} keys {} values {} {}, found {}, "
      "count {}",
      operation.invoked,
      operation.outcome == Outcome::kDone ? std::to_string(operation.completed) : "",
      operation.client, operation.connection, operation.id, NameOf(operation.kind), operation.keys,
      operation.values, NameOf(operation.outcome), operation.found, operation.count);
}

}  // namespace quorate::simulation
