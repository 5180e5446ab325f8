#include "src/config/help_text.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/version.h"
#include "src/config/config.h"
#include "src/config/config_directives.h"

namespace quorate {
namespace {

constexpr size_t kNameColumns = 34;
constexpr size_t kHelpColumns = 66;

constexpr std::string_view kUsage =
    R"(Usage: quorate-server [FILE] [--DIRECTIVE VALUE ...] [-]
       quorate-server -h | --help
       quorate-server -v | --version
       quorate-server --check-backup FILE

Without arguments: a cluster of one on 127.0.0.1:6379 with its data in ./data.
FILE is a configuration file in the form of redis.conf, '-' one on standard
input. Each line is DIRECTIVE VALUE; '#' starts a comment, 'include FILE' reads
another one. Flags override files. Bytes may have a unit: 1k 1kb 1mb 1gb.

Examples:
  quorate-server --port 7777
  quorate-server /etc/quorate.conf --loglevel verbose
  echo 'port 7777' | quorate-server -
  quorate-server --node-id 1 --port 7001 --dir d1 --initial-cluster \
      1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003
  redis-cli -p 7001 CLUSTER CREATE   (once, when all of them run)

)";

// Breaks lines at blanks, where there are any.
std::string Wrap(std::string text) {
  size_t line_start = 0;
  while (text.size() - line_start > kHelpColumns) {
    const size_t blank = text.rfind(' ', line_start + kHelpColumns);
    if (blank == std::string::npos || blank <= line_start) {
      break;
    }
    text[blank] = '\n';
    line_start = blank + 1;
  }
  return text;
}

// CLI11 lays out the options; it would describe their use differently from how they are parsed.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kNameColumns); }
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return std::string(kUsage);
  }
  std::string make_group(std::string heading, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    // The base class ends a group with one line feed and begins the next with two.
    return CLI::Formatter::make_group(std::move(heading), is_positional, std::move(options))
        .substr(1);
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }
};

}  // namespace

std::string MakeHelpText() {
  CLI::App app(
      "Quorate " + std::string(kVersion) +
      ", a replicated, strongly consistent key-value store that speaks the Redis protocol.");
  app.set_help_flag();
  app.formatter(std::make_shared<HelpFormatter>());
  const Config defaults;
  for (const Directive& directive : Directives()) {
    const std::string value = DefaultOf(directive, defaults);
    const std::string help =
        Wrap(std::string(directive.help) + " [" + (value.empty() ? "\"\"" : value) + "]");
    app.add_option("--" + std::string(directive.name), help)
        ->type_name(std::string(directive.placeholder))
        ->group(std::string(Heading(directive.group)));
  }
  return app.help();
}

}  // namespace quorate
