#include "src/config/command_line.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/version.h"
#include "src/config/help_text.h"

namespace quorate {
namespace {

constexpr std::string_view kStandardInput = "-";

bool IsFlag(std::string_view argument) { return argument.starts_with("--"); }

// Takes the command line apart. CLI11 could not: it would take the value of `--bind -::1` for a
// flag, the lone '-' for a value of the flag before it, and cannot know that a flag of any number
// of values ends at the next flag only.
class CommandLineReader {
 public:
  CommandLineReader(std::span<const char* const> arguments, std::istream& standard_input)
      : arguments_(arguments.begin(), arguments.end()), standard_input_(standard_input) {}

  std::variant<Config, ConfigError> Read() {
    std::optional<ConfigError> error = ReadFiles();
    while (!error && position_ < arguments_.size()) {
      error = ReadFlag();
    }
    if (error) {
      return *std::move(error);
    }
    return loader_.Finish();
  }

 private:
  // Files come first, wherever they stand, since flags override them.
  std::optional<ConfigError> ReadFiles() {
    bool from_standard_input = false;
    if (!arguments_.empty() && arguments_.back() == kStandardInput) {
      from_standard_input = true;
      arguments_.pop_back();
    }
    if (!arguments_.empty() && !arguments_.front().starts_with('-')) {
      ++position_;
      if (std::optional<ConfigError> error = loader_.LoadFile(arguments_.front())) {
        return error;
      }
    } else if (!arguments_.empty() && arguments_.front() == kStandardInput) {
      ++position_;
      from_standard_input = true;
    }
    return from_standard_input ? loader_.LoadStream(standard_input_) : std::nullopt;
  }

  std::optional<ConfigError> ReadFlag() {
    const std::string& flag = arguments_[position_++];
    if (!IsFlag(flag)) {
      return ConfigError{"Reading the command line", flag,
                         "Bad directive or wrong number of arguments"};
    }
    std::string name = flag.substr(2);
    std::vector<std::string> values;
    const size_t equals = name.find('=');
    if (equals != std::string::npos) {
      values.push_back(name.substr(equals + 1));
      name.resize(equals);
    }
    while (position_ < arguments_.size() && !IsFlag(arguments_[position_])) {
      values.push_back(arguments_[position_++]);
    }
    return loader_.ApplyFlag(name, values);
  }

  std::vector<std::string> arguments_;
  std::istream& standard_input_;
  size_t position_ = 0;
  ConfigLoader loader_;
};

std::string VersionLine() {
  std::string line = "Quorate server v=";
  line.append(kVersion).append(" redis=").append(kRedisVersion).append(" bits=64\n");
  return line;
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv, std::istream& standard_input) {
  const size_t count = argc > 1 ? static_cast<size_t>(argc) - 1 : 0;
  const std::span<const char* const> arguments(argv + (argc > 0 ? 1 : 0), count);
  for (const std::string_view argument : arguments) {
    // The short forms count only alone: elsewhere they could be the value of a flag.
    if (argument == "--help" || (argument == "-h" && count == 1)) {
      return HelpText{MakeHelpText()};
    }
    if (argument == "--version" || (argument == "-v" && count == 1)) {
      return VersionText{VersionLine()};
    }
  }
  if (count == 2 && std::string_view(arguments[0]) == "--check-backup") {
    return CheckBackup{arguments[1]};
  }
  std::variant<Config, ConfigError> result = CommandLineReader(arguments, standard_input).Read();
  if (ConfigError* error = std::get_if<ConfigError>(&result)) {
    return std::move(*error);
  }
  return std::move(std::get<Config>(result));
}

}  // namespace quorate
