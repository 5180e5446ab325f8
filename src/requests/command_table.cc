#include "src/requests/command_table.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <optional>

#include "src/base/ascii.h"

namespace quorate {
namespace {

// Redis quotes so many bytes of what it does not know.
constexpr size_t kQuotedBytesMax = 128;

constexpr uint16_t kFree = UINT16_MAX;

void SortByName(std::vector<Command>& commands) {
  std::sort(commands.begin(), commands.end(),
            [](const Command& left, const Command& right) { return left.name < right.name; });
}

// Letters of both cases count the same: | 0x20 makes them so, and what else it makes the same
// does no harm.
size_t Hash(std::string_view name) {
  uint64_t hash = name.size();
  for (const char byte : name) {
    hash = (hash ^ (static_cast<uint8_t>(byte) | 0x20U)) * 0x9E3779B97F4A7C15U;
  }
  return hash >> 40;
}

// Redis handles these texts as C strings: they end at the first zero byte.
std::string_view Quotable(std::string_view bytes, size_t bytes_max) {
  return bytes.substr(0, std::min(bytes.find('\0'), bytes_max));
}

std::string UnknownCommand(Arguments arguments) {
  std::string quoted;
  for (size_t i = 1; i < arguments.size() && quoted.size() < kQuotedBytesMax; ++i) {
    const size_t room = kQuotedBytesMax - quoted.size();
    quoted += '\'';
    quoted += Quotable(arguments[i], room);
    quoted += "' ";
  }
  std::string error = "ERR unknown command '";
  error += Quotable(arguments[0], kQuotedBytesMax);
  error += "', with args beginning with: ";
  return error + quoted;
}

std::string UnknownSubcommand(const Command& command, std::string_view name) {
  std::string error = "ERR unknown subcommand '";
  error += Quotable(name, kQuotedBytesMax);
  error += "'. Try ";
  for (const char byte : command.name) {
    error += byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
  }
  return error + " HELP.";
}

// What is refused here never enters the log.
std::optional<std::string> CheckWrittenKeys(const Command& command, Arguments arguments) {
  size_t keys = 0;
  ForEachKey(command.keys, arguments, [&](std::string_view) { ++keys; });
  if (keys > kKeysPerCommandMax) {
    return "ERR too many keys in one command (maximum " + std::to_string(kKeysPerCommandMax) + ")";
  }
  return std::nullopt;
}

std::string WrongArgumentCount(const Command& command) {
  return "ERR wrong number of arguments for '" + std::string(command.full_name) + "' command";
}

}  // namespace

CommandTable::CommandTable(std::initializer_list<std::span<const Command>> families) {
  std::vector<Command> commands;
  for (std::span<const Command> family : families) {
    commands.insert(commands.end(), family.begin(), family.end());
  }
  SortByName(commands);
  command_count_ = commands.size();
  size_t total = command_count_;
  for (const Command& command : commands) {
    total += command.subcommands.size() + command.more_subcommands.size();
  }
  all_ = std::move(commands);
  all_.reserve(total);  // rows point to rows: they must not move
  for (size_t i = 0; i < command_count_; ++i) AdoptSubcommands(i);
  assert(all_.size() == total);
  NameAndNumber();
  FillHashTable();
}

void CommandTable::AdoptSubcommands(size_t parent) {
  std::vector<Command> subcommands(all_[parent].subcommands.begin(),
                                   all_[parent].subcommands.end());
  const std::span<const Command> more = all_[parent].more_subcommands;
  subcommands.insert(subcommands.end(), more.begin(), more.end());
  SortByName(subcommands);
  const size_t first = all_.size();
  for (Command& subcommand : subcommands) {
    subcommand.parent = &all_[parent];
    all_.push_back(subcommand);
  }
  all_[parent].subcommands = std::span(all_).subspan(first, subcommands.size());
}

void CommandTable::NameAndNumber() {
  full_names_.reserve(all_.size());
  for (size_t i = 0; i < all_.size(); ++i) {
    Command& command = all_[i];
    std::string& full_name = full_names_.emplace_back();
    if (command.parent != nullptr) full_name.append(command.parent->name).append("|");
    full_name.append(command.name);
    command.full_name = full_name;
    command.number = i;
  }
}

void CommandTable::FillHashTable() {
  positions_.assign(std::bit_ceil(command_count_ * 4), kFree);
  mask_ = positions_.size() - 1;
  for (size_t i = 0; i < command_count_; ++i) {
    assert(Find(all_[i].name) == nullptr);
    name_bytes_max_ = std::max(name_bytes_max_, all_[i].name.size());
    size_t slot = Hash(all_[i].name) & mask_;
    while (positions_[slot] != kFree) slot = (slot + 1) & mask_;
    positions_[slot] = static_cast<uint16_t>(i);
  }
}

const Command* CommandTable::Find(std::string_view name) const {
  if (name.size() > name_bytes_max_) return nullptr;
  for (size_t slot = Hash(name) & mask_; positions_[slot] != kFree; slot = (slot + 1) & mask_) {
    const Command& command = all_[positions_[slot]];
    if (EqualsIgnoringCase(command.name, name)) return &command;
  }
  return nullptr;
}

const Command* CommandTable::FindRequested(Arguments arguments) const {
  assert(!arguments.empty());
  const Command* command = Find(arguments[0]);
  if (!command || command->subcommands.empty() || arguments.size() == 1) return command;
  return FindSubcommand(*command, arguments[1]);
}

std::variant<const Command*, std::string> CommandTable::Resolve(Arguments arguments) const {
  assert(!arguments.empty());
  const Command* command = Find(arguments[0]);
  if (command == nullptr) return UnknownCommand(arguments);
  if (!command->subcommands.empty() && arguments.size() > 1) {
    const Command* subcommand = FindSubcommand(*command, arguments[1]);
    if (subcommand == nullptr) return UnknownSubcommand(*command, arguments[1]);
    command = subcommand;
  }
  if (!AcceptsArgumentCount(*command, arguments.size())) return WrongArgumentCount(*command);
  if (command->check != nullptr) {
    if (std::optional<std::string> error = command->check(arguments)) return *std::move(error);
  }
  if (command->is_write()) {
    if (std::optional<std::string> error = CheckWrittenKeys(*command, arguments)) {
      return *std::move(error);
    }
  }
  return command;
}

const Command* FindSubcommand(const Command& command, std::string_view name) {
  for (const Command& subcommand : command.subcommands) {
    if (EqualsIgnoringCase(subcommand.name, name)) return &subcommand;
  }
  return nullptr;
}

}  // namespace quorate
