// Shared by the tests of the configuration.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "src/config/command_line.h"

namespace quorate {

inline CommandLine Parse(const std::vector<std::string>& arguments,
                         const std::string& standard_input = "") {
  std::vector<const char*> argv = {"quorate-server"};
  for (const std::string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  std::istringstream stream(standard_input);
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data(), stream);
}

// The configuration, where there must be no error.
inline Config ParseGood(const std::vector<std::string>& arguments,
                        const std::string& standard_input = "") {
  const CommandLine result = Parse(arguments, standard_input);
  if (const ConfigError* error = std::get_if<ConfigError>(&result)) {
    ADD_FAILURE() << error->Message();
    return Config();
  }
  return std::get<Config>(result);
}

// The error, where there must be one.
inline ConfigError ParseBad(const std::vector<std::string>& arguments,
                            const std::string& standard_input = "") {
  const CommandLine result = Parse(arguments, standard_input);
  if (!std::holds_alternative<ConfigError>(result)) {
    ADD_FAILURE() << "accepted: " << testing::PrintToString(arguments) << standard_input;
    return ConfigError();
  }
  return std::get<ConfigError>(result);
}

// A folder of its own for a test's files; gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    // mkdtemp replaces the X's.
    std::string pattern = std::filesystem::temp_directory_path() / "quorate-config-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string PathOf(const std::string& name) const { return path_ / name; }

  // Writes a file; its path.
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(PathOf(name), std::ios::binary) << text;
    return PathOf(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace quorate
