#include "benchmarks/load/options.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace quorate::load {
namespace {

constexpr const char* kUsage =
    R"(Usage: resp-load --ports PORT[,PORT...] --seconds S [--interval S] GROUP...
Puts Redis servers on 127.0.0.1 under load, and prints one line of JSON: each group's
requests and latencies, GET and SET apart. A GROUP is clients that do the same:
  NAME:[clients=N][,set-percent=N][,pipeline=N][,keys=N][,prefix=P][,value-bytes=N]
       [,rate=PER_SECOND][,idle]
Follows MOVED, and repeats a request whose connection was lost or that was refused:
its time goes on, and `retries` counts it.
)";

[[noreturn]] void Fail(std::string_view text) {
  std::fprintf(stderr, "resp-load: %.*s\n%s", static_cast<int>(text.size()), text.data(), kUsage);
  std::exit(1);
}

double ParseNumber(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || number < 0) Fail("'" + text + "' is no number");
  return number;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t at = text.find(separator); at != std::string::npos;
       at = text.find(separator, start)) {
    parts.push_back(text.substr(start, at - start));
    start = at + 1;
  }
  parts.push_back(text.substr(start));
  return parts;
}

void SetField(GroupOptions* group, const std::string& field) {
  if (field == "idle") {
    group->idle = true;
    return;
  }
  const size_t equals = field.find('=');
  if (equals == std::string::npos) Fail("'" + field + "' is not understood");
  const std::string name = field.substr(0, equals);
  const std::string value = field.substr(equals + 1);
  if (name == "prefix") {
    group->prefix = value;
  } else if (name == "rate") {
    group->rate = ParseNumber(value);
  } else if (name == "clients") {
    group->clients = static_cast<int>(ParseNumber(value));
  } else if (name == "set-percent") {
    group->set_percent = static_cast<int>(ParseNumber(value));
  } else if (name == "pipeline") {
    group->pipeline = static_cast<int>(ParseNumber(value));
  } else if (name == "keys") {
    group->keys = static_cast<uint64_t>(ParseNumber(value));
  } else if (name == "value-bytes") {
    group->value_bytes = static_cast<size_t>(ParseNumber(value));
  } else {
    Fail("there is no '" + name + "'");
  }
}

GroupOptions ParseGroup(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0) Fail("a group has a name and a colon");
  GroupOptions group;
  group.name = text.substr(0, colon);
  if (colon + 1 < text.size()) {
    for (const std::string& field : Split(text.substr(colon + 1), ',')) SetField(&group, field);
  }
  if (group.clients < 1 || group.pipeline < 1 || group.keys < 1 || group.set_percent > 100) {
    Fail("a number of group '" + group.name + "' is out of range");
  }
  if (group.rate > 0 && group.pipeline > 1) Fail("a rate goes without a pipeline");
  return group;
}

}  // namespace

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with("--")) {
      options.groups.push_back(ParseGroup(argv[i]));
      continue;
    }
    if (i + 1 == argc) Fail(std::string(argument) + " needs a value");
    const std::string value = argv[++i];
    if (argument == "--ports") {
      for (const std::string& port : Split(value, ',')) {
        options.ports.push_back(static_cast<uint16_t>(ParseNumber(port)));
      }
    } else if (argument == "--seconds") {
      options.seconds = ParseNumber(value);
    } else if (argument == "--interval") {
      options.interval_seconds = ParseNumber(value);
    } else {
      Fail("there is no option '" + std::string(argument) + "'");
    }
  }
  if (options.ports.empty() || options.groups.empty() || options.seconds <= 0) {
    Fail("ports, seconds and a group are needed");
  }
  return options;
}

}  // namespace quorate::load
