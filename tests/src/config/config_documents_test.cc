#include "src/config/config_documents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "src/config/config_directives.h"
#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The values of all directives, as CONFIG GET shows them.
std::string Shown(const Config& config) {
  std::string shown;
  for (const Directive& directive : Directives()) {
    shown.append(directive.name).append(" ").append(GetDirective(directive, config)).append("\n");
  }
  return shown;
}

TEST(SampleConfiguration, ChangesNothing) {
  EXPECT_EQ(Shown(ParseGood({"-"}, MakeSampleConfiguration())), Shown(Config()));
}

// The comment signs gone, it says the defaults.
TEST(SampleConfiguration, SaysTheDefaults) {
  std::string file;
  size_t directives = 0;
  for (const std::string& line : LinesOf(MakeSampleConfiguration())) {
    EXPECT_LE(line.size(), 80U) << line;
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') {
      file.append(line.substr(1)).append("\n");
      ++directives;
    }
  }
  size_t expected = 0;
  for (const Directive& directive : Directives()) {
    expected += directive.group == DirectiveGroup::kFixed ? 0 : 1;
  }
  EXPECT_EQ(directives, expected);
  EXPECT_EQ(Shown(ParseGood({"-"}, file)), Shown(Config()));
}

TEST(ManualPage, HasEachDirective) {
  const std::string page = MakeManualPage();
  for (const Directive& directive : Directives()) {
    std::string name;
    for (const char c : directive.name) name.append(c == '-' ? "\\" : "").push_back(c);
    EXPECT_TRUE(page.find(".B " + name + "\n") != std::string::npos ||
                page.find(".BI \"" + name + " \"") != std::string::npos)
        << directive.name;
  }
}

// A line that begins with a dot is a macro, and only those that are meant may be there.
TEST(ManualPage, HasNoMacroByChance) {
  const std::vector<std::string> macros = {".TH", ".SH", ".SS", ".TP", ".B",  ".BR", ".BI", ".RB",
                                           ".RI", ".IR", ".I",  ".PP", ".br", ".nf", ".fi"};
  for (const std::string& line : LinesOf(MakeManualPage())) {
    if (line.empty() || (line[0] != '.' && line[0] != '\'')) continue;
    const std::string macro = line.substr(0, line.find(' '));
    EXPECT_NE(std::find(macros.begin(), macros.end(), macro), macros.end()) << line;
  }
}

}  // namespace
}  // namespace quorate
