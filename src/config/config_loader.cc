#include "src/config/config_loader.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <istream>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "resp/split_arguments.h"
#include "src/base/ascii.h"
#include "src/base/version.h"
#include "src/config/config_completion.h"
#include "src/config/config_directives.h"

namespace quorate {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;
constexpr size_t kIncludeDepthMax = 16;  // also ends files that include each other in a circle

Parsed<std::string> CannotRead(const std::string& path, const std::string& why) {
  return BadValue{"can't open config file '" + path + "': " + why};
}

Parsed<std::string> TooLarge(const std::string& path) {
  return CannotRead(path, "larger than " + std::to_string(kFileBytesMax) + " bytes");
}

Parsed<std::string> ReadFile(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) {
    return CannotRead(path, std::strerror(errno));
  }
  std::string text;
  std::array<char, 4096> buffer;
  while (const size_t bytes_read = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    text.append(buffer.data(), bytes_read);
    if (text.size() > kFileBytesMax) {
      return TooLarge(path);
    }
  }
  if (std::ferror(file.get()) != 0) {
    return CannotRead(path, std::strerror(errno));
  }
  return text;
}

Parsed<std::string> ReadStream(std::istream& stream) {
  std::string text;
  std::array<char, 4096> buffer;
  while (stream.read(buffer.data(), buffer.size()) || stream.gcount() > 0) {
    text.append(buffer.data(), static_cast<size_t>(stream.gcount()));
    if (text.size() > kFileBytesMax) {
      return TooLarge("standard input");
    }
  }
  return text;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t start = text.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) {
    return "";
  }
  return text.substr(start, text.find_last_not_of(kBlanks) - start + 1);
}

// The files that a pattern as of the shell matches, in alphabetical order.
std::vector<std::string> ExpandPattern(const std::string& pattern) {
  glob_t matches = {};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
    paths.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  }
  ::globfree(&matches);
  return paths;
}

}  // namespace

std::string ConfigError::Message() const {
  std::string message =
      "\n*** FATAL CONFIG FILE ERROR (Quorate " + std::string(kVersion) + ") ***\n";
  if (!where.empty()) {
    message += where + "\n>>> '" + quoted + "'\n";
  }
  return message + reason + "\n";
}

std::optional<ConfigError> ConfigLoader::LoadFile(const std::string& path) {
  std::error_code error;
  config_.config_file = std::filesystem::absolute(path, error).lexically_normal().string();
  return LoadMain(ReadFile(path));
}

std::optional<ConfigError> ConfigLoader::LoadStream(std::istream& stream) {
  return LoadMain(ReadStream(stream));
}

std::optional<ConfigError> ConfigLoader::ApplyFlag(const std::string& name,
                                                   std::span<const std::string> arguments) {
  std::string quoted = name;
  for (const std::string& argument : arguments) {
    quoted.append(" \"").append(argument).append("\"");
  }
  return Apply(name, arguments, {"Reading the command line, at the flag --" + name, quoted});
}

std::variant<Config, ConfigError> ConfigLoader::Finish() {
  const std::optional<Conflict> conflict = CompleteConfig(config_);
  if (!conflict) {
    return std::move(config_);
  }
  // The defaults are at peace with each other, so a line or flag took part in the conflict. The one
  // that is most likely wrong is shown.
  for (const std::string_view directive : conflict->directives) {
    const auto origin = origins_.find(directive);
    if (origin != origins_.end()) {
      return ConfigError{origin->second.where, origin->second.quoted, conflict->reason};
    }
  }
  return ConfigError{"", "", conflict->reason};
}

std::optional<ConfigError> ConfigLoader::LoadMain(const Parsed<std::string>& text) {
  if (const BadValue* bad = std::get_if<BadValue>(&text)) {
    return ConfigError{"", "", "Fatal error, " + bad->reason};
  }
  return LoadText(std::get<std::string>(text), "");
}

std::optional<ConfigError> ConfigLoader::LoadText(std::string_view text, const std::string& file) {
  const std::string where = file.empty() ? "Reading the configuration file"
                                         : "Reading the configuration file '" + file + "'";
  size_t line_number = 0;
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = Trim(text.substr(start, end - start));
    ++line_number;
    start = end + 1;
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const Origin origin = {where + ", at line " + std::to_string(line_number), std::string(line)};
    if (std::optional<ConfigError> error = LoadLine(line, origin)) {
      return error;
    }
  }
  return std::nullopt;
}

std::optional<ConfigError> ConfigLoader::LoadLine(std::string_view line, const Origin& origin) {
  std::vector<std::string_view> words;
  std::string unescaped;
  if (!resp::SplitArguments(line, &words, &unescaped)) {
    return ConfigError{origin.where, origin.quoted, "Unbalanced quotes in configuration line"};
  }
  if (words.empty()) {
    return std::nullopt;
  }
  const std::vector<std::string> arguments(words.begin() + 1, words.end());
  return Apply(std::string(words.front()), arguments, origin);
}

std::optional<ConfigError> ConfigLoader::Apply(const std::string& name,
                                               std::span<const std::string> arguments,
                                               const Origin& origin) {
  if (EqualsIgnoringCase(name, "include") && arguments.size() == 1) {
    return Include(arguments[0], origin);
  }
  const Directive* const directive = FindDirective(name);
  if (directive == nullptr) {
    return ConfigError{origin.where, origin.quoted, "Bad directive or wrong number of arguments"};
  }
  if (const std::optional<std::string> reason = SetDirective(*directive, arguments, config_)) {
    return ConfigError{origin.where, origin.quoted, *reason};
  }
  origins_[directive->name] = origin;
  return std::nullopt;
}

std::optional<ConfigError> ConfigLoader::Include(const std::string& pattern, const Origin& origin) {
  if (include_depth_ == kIncludeDepthMax) {
    return ConfigError{origin.where, origin.quoted, "too many files that include each other"};
  }
  // As in Redis, a pattern may match nothing (conf.d/*.conf), but a plain name must exist.
  const bool is_pattern = pattern.find_first_of("*?[") != std::string::npos;
  const std::vector<std::string> paths =
      is_pattern ? ExpandPattern(pattern) : std::vector<std::string>{pattern};
  ++include_depth_;
  for (const std::string& path : paths) {
    const Parsed<std::string> text = ReadFile(path);
    if (const BadValue* bad = std::get_if<BadValue>(&text)) {
      return ConfigError{origin.where, origin.quoted, bad->reason};
    }
    if (std::optional<ConfigError> error = LoadText(std::get<std::string>(text), path)) {
      return error;
    }
  }
  --include_depth_;
  return std::nullopt;
}

}  // namespace quorate
