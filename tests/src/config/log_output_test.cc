// Lines of the log, and those who do not take them.
#include "src/config/log_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "tests/src/config/config_support.h"

namespace quorate {
namespace {

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

spdlog::logger LoggerTo(std::shared_ptr<LogOutput> output) {
  spdlog::logger logger("test", std::move(output));
  logger.set_pattern("%l: %v");
  return logger;
}

// Two ends of something that holds little; this side reads only when it is told to.
class Reader {
 public:
  Reader(int read_end, int write_end) : read_end_(read_end), write_end_(write_end) {
    fcntl(read_end_, F_SETFL, O_NONBLOCK);
  }
  ~Reader() {
    close(read_end_);
    close(write_end_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  int write_end() const { return write_end_; }
  std::string Drain() {
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; (count = read(read_end_, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(count));
    }
    return text;
  }

 private:
  const int read_end_;
  const int write_end_;
};

std::unique_ptr<Reader> SmallPipe() {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  EXPECT_GT(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
  return std::make_unique<Reader>(ends[0], ends[1]);
}

std::unique_ptr<Reader> SmallSocket() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const int bytes = 4096;
  EXPECT_EQ(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
  return std::make_unique<Reader>(ends[0], ends[1]);
}

// Would hang here, if a line waited.
void ExpectLostLinesAreCounted(Reader& reader) {
  spdlog::logger logger = LoggerTo(LogOutput::ToDescriptor(reader.write_end()));
  constexpr int kLines = 2000;
  for (int i = 0; i < kLines; ++i) logger.info("line {}", i);
  std::istringstream first(reader.Drain());
  logger.info("once more");
  std::istringstream second(reader.Drain());

  int taken = 0;
  std::string line;
  std::string part;
  while (std::getline(first, line)) {
    if (first.eof()) {
      part = line;  // its rest comes when there is room again
    } else {
      EXPECT_EQ(line, "info: line " + std::to_string(taken));
      ++taken;
    }
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, kLines);
  if (!part.empty()) {
    std::getline(second, line);
    EXPECT_EQ(part + line, "info: line " + std::to_string(taken));
    ++taken;
  }
  std::getline(second, line);
  EXPECT_EQ(line, "warning: " + std::to_string(kLines - taken) +
                      " lines of the log were lost: nobody took them");
  std::getline(second, line);
  EXPECT_EQ(line, "info: once more");
  EXPECT_FALSE(std::getline(second, line));
}

TEST(LogOutput, WhatAPipeDoesNotTakeIsLostAndCounted) {
  const auto reader = SmallPipe();
  ExpectLostLinesAreCounted(*reader);
}

TEST(LogOutput, WhatASocketDoesNotTakeIsLostAndCounted) {
  const auto reader = SmallSocket();
  ExpectLostLinesAreCounted(*reader);
}

// Others write to the same pipe, and may rely on it that they wait.
TEST(LogOutput, ThePipeStillWaitsForOthers) {
  const auto reader = SmallPipe();
  const auto output = LogOutput::ToDescriptor(reader->write_end());
  EXPECT_EQ(fcntl(reader->write_end(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(LogOutput, AReaderThatHasGoneIsNoHindrance) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  signal(SIGPIPE, SIG_IGN);
  spdlog::logger logger = LoggerTo(LogOutput::ToDescriptor(ends[1]));
  close(ends[0]);
  for (int i = 0; i < 10; ++i) logger.info("line");
  close(ends[1]);
}

TEST(LogOutput, LinesFollowTheNameOfTheFile) {
  const TemporaryFolder folder;
  const std::string path = folder.PathOf("q.log");
  spdlog::logger logger = LoggerTo(LogOutput::ToFile(path));
  logger.info("one");
  std::filesystem::rename(path, folder.PathOf("q.log.1"));
  logger.info("two");
  std::filesystem::remove(path);
  logger.info("three");
  std::filesystem::rename(path, folder.PathOf("q.log.2"));
  folder.Write("q.log", "of somebody else\n");
  logger.info("four");
  EXPECT_EQ(Read(folder.PathOf("q.log.1")), "info: one\n");
  EXPECT_EQ(Read(folder.PathOf("q.log.2")), "info: three\n");
  EXPECT_EQ(Read(path), "of somebody else\ninfo: four\n");
}

TEST(LogOutput, AFileThatIsCutToNothingIsAppendedTo) {
  const TemporaryFolder folder;
  const std::string path = folder.PathOf("q.log");
  spdlog::logger logger = LoggerTo(LogOutput::ToFile(path));
  logger.info("one");
  std::filesystem::resize_file(path, 0);
  logger.info("two");
  EXPECT_EQ(Read(path), "info: two\n");
}

TEST(LogOutput, WithoutItsFolderLinesGoOnToWhereTheyWent) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.PathOf("logs"));
  spdlog::logger logger = LoggerTo(LogOutput::ToFile(folder.PathOf("logs/q.log")));
  std::filesystem::rename(folder.PathOf("logs"), folder.PathOf("old"));
  logger.info("one");
  EXPECT_EQ(Read(folder.PathOf("old/q.log")), "info: one\n");
}

TEST(LogOutput, ReopenMakesTheFileAtOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.PathOf("q.log");
  const auto output = LogOutput::ToFile(path);
  std::filesystem::rename(path, folder.PathOf("q.log.1"));
  output->Reopen();
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace quorate
