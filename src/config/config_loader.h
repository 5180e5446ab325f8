#pragma once

#include <cstddef>
#include <iosfwd>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "src/config/config.h"
#include "src/config/config_values.h"

namespace quorate {

// Why a server cannot start with what it was told, in the parts of Redis's message.
struct ConfigError {
  std::string where;   // "Reading the configuration file, at line 2"; empty: at no line
  std::string quoted;  // the line, or the flag with its values; only with `where`
  std::string reason;

  // All lines to print on standard error.
  std::string Message() const;
};

// Collects directives from files and flags into a Config; later ones replace earlier ones. After an
// error the loader must not be used any more.
class ConfigLoader {
 public:
  // The file on the command line.
  std::optional<ConfigError> LoadFile(const std::string& path);

  // A configuration file that comes through a stream: standard input.
  std::optional<ConfigError> LoadStream(std::istream& stream);

  // A directive on the command line: --name and its values.
  std::optional<ConfigError> ApplyFlag(const std::string& name,
                                       std::span<const std::string> arguments);

  // Checks the directives against each other. The last call.
  std::variant<Config, ConfigError> Finish();

 private:
  // Where a directive stands.
  struct Origin {
    std::string where;
    std::string quoted;
  };

  std::optional<ConfigError> LoadMain(const Parsed<std::string>& text);
  // `file` is named in errors; it is empty for the file on the command line, which needs no name.
  std::optional<ConfigError> LoadText(std::string_view text, const std::string& file);
  std::optional<ConfigError> LoadLine(std::string_view line, const Origin& origin);
  std::optional<ConfigError> Apply(const std::string& name, std::span<const std::string> arguments,
                                   const Origin& origin);
  std::optional<ConfigError> Include(const std::string& pattern, const Origin& origin);

  Config config_;
  // Of the directives that were given, by their names in the table.
  std::map<std::string_view, Origin> origins_;
  size_t include_depth_ = 0;
};

}  // namespace quorate
