#include "src/config/logging.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <fstream>
#include <sstream>

#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The tests log to their own files and leave the process with its first logger again.
class Logging : public testing::Test {
 protected:
  void TearDown() override { spdlog::set_default_logger(first_); }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.PathOf("q.log");
  const std::shared_ptr<spdlog::logger> first_ = spdlog::default_logger();
};

TEST_F(Logging, AppendsLinesThatNameTheNode) {
  folder_.Write("q.log", "from last time\n");
  Config config;
  config.node_id = 3;
  config.logfile = path_;
  ASSERT_EQ(StartLogging(config), std::nullopt);
  spdlog::info("Ready to accept connections");
  const std::string text = Read(path_);
  EXPECT_TRUE(text.starts_with("from last time\n")) << text;
  EXPECT_TRUE(text.ends_with(" node=3 info: Ready to accept connections\n")) << text;
}

TEST_F(Logging, ShowsTheLevelAndWhatIsAboveIt) {
  Config config;
  config.logfile = path_;
  ASSERT_EQ(StartLogging(config), std::nullopt);
  const auto log_all = [](const std::string& round) {
    spdlog::trace("{} debug", round);
    spdlog::debug("{} verbose", round);
    spdlog::info("{} notice", round);
    spdlog::warn("{} warning", round);
  };
  log_all("by default");
  SetLogLevel(LogLevel::kWarning);
  log_all("at warning");
  SetLogLevel(LogLevel::kVerbose);
  log_all("at verbose");
  SetLogLevel(LogLevel::kDebug);
  log_all("at debug");

  const std::string text = Read(path_);
  const auto shown = [&](const std::string& what) { return text.find(what) != std::string::npos; };
  EXPECT_FALSE(shown("by default verbose"));
  EXPECT_TRUE(shown("by default notice"));
  EXPECT_FALSE(shown("at warning notice"));
  EXPECT_TRUE(shown("at warning warning"));
  EXPECT_FALSE(shown("at verbose debug"));
  EXPECT_TRUE(shown("at verbose verbose"));
  EXPECT_TRUE(shown("at debug debug"));
}

TEST_F(Logging, AFileThatCannotBeOpenedIsAnError) {
  Config config;
  config.logfile = folder_.PathOf("missing/q.log");
  EXPECT_EQ(StartLogging(config),
            "Can't open the log file '" + config.logfile + "': No such file or directory");
  EXPECT_FALSE(std::filesystem::exists(folder_.PathOf("missing")));
}

}  // namespace
}  // namespace quorate
