// All commands that a server offers, by their names. The server puts it together from the families
// of commands once and hands it to whoever looks commands up. Does not change; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "src/requests/command.h"

namespace quorate {

class CommandTable {
 public:
  // Copies the rows. No name may occur twice.
  explicit CommandTable(std::initializer_list<std::span<const Command>> families);
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // Without subcommands, in the order of their names.
  std::span<const Command> commands() const { return std::span(all_).first(command_count_); }
  // Subcommands too: each at the place of its Command::number.
  std::span<const Command> all() const { return all_; }

  // A command by its name, in any case of letters; null when there is none. Costs about a hash.
  const Command* Find(std::string_view name) const;

  // The command or subcommand that a request names; null when there is none. Checks nothing else:
  // for what was checked before it entered the log. Precondition: at least one argument.
  const Command* FindRequested(Arguments arguments) const;

  // Finds what a request asks for and checks name, subcommand, arity and Command::check. Either a
  // command, or the error's text with its prefix. Precondition: at least one argument.
  std::variant<const Command*, std::string> Resolve(Arguments arguments) const;

 private:
  void AdoptSubcommands(size_t parent);
  void NameAndNumber();
  void FillHashTable();

  std::vector<Command> all_;             // the commands, then command by command all subcommands
  std::vector<std::string> full_names_;  // of all_; never grows, so that views of it stay good
  size_t command_count_ = 0;
  size_t name_bytes_max_ = 0;
  size_t mask_ = 0;
  std::vector<uint16_t> positions_;  // into all_, with linear probing; never full
};

// A subcommand by its name, in any case of letters; null when there is none.
const Command* FindSubcommand(const Command& command, std::string_view name);

}  // namespace quorate
