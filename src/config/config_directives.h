// The one table of directives. The configuration file, the command line, --help, CONFIG GET and
// CONFIG SET all follow from it: a directive is a row here and a member of Config.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "src/config/config.h"

namespace quorate {

// The kinds of directives: which member of Config they set, and within which bounds.
struct YesNoKind {
  bool Config::*member;
};
struct ClusterStateKind {  // new or existing
  bool Config::*is_new;
};
struct PortKind {
  uint16_t Config::*member;
};
struct NumberKind {
  uint64_t Config::*member;
  uint64_t min;
  uint64_t max;
};
struct MemoryKind {  // bytes
  uint64_t Config::*member;
  uint64_t min;
  uint64_t max;
};
struct LogLevelKind {
  LogLevel Config::*member;
};
struct TextKind {
  std::string Config::*member;
  bool may_be_empty;
};
struct PathKind {  // CONFIG GET shows it as an absolute path
  std::string Config::*member;
};
struct AddressesKind {
  std::vector<BindAddress> Config::*member;
};
struct OutputBufferLimitKind {
  OutputBufferLimit Config::*member;
};
// Known to Redis's tools and configuration files, but in Quorate it has one value only.
struct FixedKind {
  std::string_view value;
  std::string_view refusal;  // the reason why another value is refused
};
using DirectiveKind =
    std::variant<YesNoKind, ClusterStateKind, PortKind, NumberKind, MemoryKind, LogLevelKind,
                 TextKind, PathKind, AddressesKind, OutputBufferLimitKind, FixedKind>;

enum class DirectiveGroup : uint8_t { kNetwork, kClients, kProcess, kCluster, kFixed };

// As --help, the manual page and the sample configuration have it.
std::string_view Heading(DirectiveGroup group);

struct Directive {
  std::string_view name;
  DirectiveGroup group;
  bool changeable;  // by CONFIG SET on a running server
  DirectiveKind kind;
  std::string_view placeholder;  // of its value in --help
  std::string_view help;         // one line
};

std::span<const Directive> Directives();

// The directive of this name, without regard to case; nullptr: none.
const Directive* FindDirective(std::string_view name);

// Gives `config` the value that `arguments` spell, within the bounds of the directive alone. The
// reason if they are refused; `config` is then as it was. A directive whose value is a list also
// takes the whole list as one argument.
std::optional<std::string> SetDirective(const Directive& directive,
                                        std::span<const std::string> arguments, Config& config);

// The value as CONFIG GET shows it.
std::string GetDirective(const Directive& directive, const Config& config);

// The value that a server has when it is told nothing, as a user would write it: a path is the
// relative one. `defaults` is Config().
std::string DefaultOf(const Directive& directive, const Config& defaults);

}  // namespace quorate
