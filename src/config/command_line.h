#pragma once

#include <iosfwd>
#include <string>
#include <variant>

#include "src/config/config.h"
#include "src/config/config_loader.h"

namespace quorate {

struct HelpText {
  std::string text;
};

struct VersionText {
  std::string text;
};

struct CheckBackup {
  std::string path;
};

using CommandLine = std::variant<Config, ConfigError, HelpText, VersionText, CheckBackup>;

// Reads the command line of quorate-server, which is that of redis-server:
//   quorate-server [FILE | -] [--directive VALUE ...] ... [-]
// Flags override the file; '-' reads the file from `standard_input`. What begins with "--" is
// always a flag, so that a value like -::1 can follow one; `--directive=VALUE` also takes a value
// that begins with "--". `quorate-server --check-backup FILE` only looks at a file. Called once by
// main, which prints a HelpText or VersionText on standard output and exits 0, or a ConfigError's
// Message() on standard error and exits 1.
CommandLine ParseCommandLine(int argc, const char* const* argv, std::istream& standard_input);

}  // namespace quorate
