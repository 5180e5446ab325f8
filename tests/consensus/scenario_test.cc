// Runs each file of scenarios/ and compares the whole trace. QUORATE_REWRITE=1 writes the files
// anew: review the difference like code.
#include "tests/consensus/scenario.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::consensus {
namespace {

const std::filesystem::path kDirectory = QUORATE_SCENARIOS;

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(kDirectory)) {
    if (file.path().extension() == ".txt") {
      names.push_back(file.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Scenarios : public testing::TestWithParam<std::string> {};

TEST_P(Scenarios, TraceIsAsExpected) {
  std::filesystem::path path = kDirectory / (GetParam() + ".txt");
  std::string expected = ReadFile(path);
  std::string actual = RunScenario(ParseScenario(expected));
  EXPECT_EQ(actual.find("error:"), std::string::npos) << actual;
  if (std::getenv("QUORATE_REWRITE") != nullptr) {
    std::ofstream(path) << actual;
    return;
  }
  EXPECT_EQ(actual, expected);
}

INSTANTIATE_TEST_SUITE_P(Text, Scenarios, testing::ValuesIn(Names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace quorate::consensus
