// Fuzz target: a configuration file and the command line beside it.
//
// The input: the arguments of the command line, one a line, an empty line, the file.
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "src/config/command_line.h"
#include "src/config/config.h"

namespace quorate {
namespace {

// Other files are not to be read: a pipe among them would not end.
bool NamesFiles(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) byte = static_cast<char>(byte | 0x20);
  return lower.find("include") != std::string::npos || lower.find('\\') != std::string::npos;
}

void Check(std::string_view input) {
  if (NamesFiles(input)) return;
  std::vector<std::string> arguments = {"quorate-server", "-"};
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    if (line.empty()) break;
    // As the system gives them: no byte of theirs is 0.
    arguments.emplace_back(line.substr(0, line.find('\0')));
  }
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::istringstream file{std::string(input)};
  const CommandLine parsed = ParseCommandLine(static_cast<int>(argv.size()), argv.data(), file);

  if (const auto* error = std::get_if<ConfigError>(&parsed)) {
    assert(!error->reason.empty());
    assert(!error->Message().empty());
  }
  if (const auto* config = std::get_if<Config>(&parsed)) {
    // What a server would start with is sound.
    assert(config->port != 0);
    assert(!config->dir.empty());
    assert(config->client_query_buffer_limit_bytes > config->proto_max_bulk_len);
    assert(config->election_timeout_ms >=
           kElectionTimeoutPerHeartbeat * config->heartbeat_interval_ms);
    assert(config->self().id == config->node_id);
  }
}

}  // namespace
}  // namespace quorate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  quorate::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
