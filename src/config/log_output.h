// Where the lines of the log go: a file, or standard output. Whoever logs never waits for somebody
// to take the lines: what a pipe or a terminal does not take is lost, counted, and said as soon as
// lines are taken again. Any thread.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace quorate {

class LogOutput final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // Appends to the file. When the file of that name is another one, or none, the next line goes
  // into a new one: so it may be moved away at any time. Null: it cannot be opened, and errno says
  // why.
  static std::shared_ptr<LogOutput> ToFile(const std::string& path);
  // To an open descriptor that stays the caller's, such as standard output.
  static std::shared_ptr<LogOutput> ToDescriptor(int descriptor);

  ~LogOutput() override;

  // Opens the file by its name at once, where it is not the one that is written to. Of no effect
  // on a descriptor.
  void Reopen();

 private:
  enum class Kind : uint8_t {
    kFile,    // takes everything, or fails
    kSocket,  // is asked not to wait with each call
    kOwn,     // a pipe or a terminal, opened once more, so that this process alone does not wait
    kShared,  // the same where it cannot be opened: looked at before each write
  };

  LogOutput(int descriptor, Kind kind, std::string path)
      : descriptor_(descriptor), kind_(kind), path_(std::move(path)) {}

  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

  void ReopenIfMoved();
  // False: nothing of it was taken, nor will be.
  bool Offer(std::string_view line);
  // Whether the rest of the last line has been taken.
  bool FinishLine();
  // How many of the bytes were taken.
  size_t Write(std::string_view bytes);

  int descriptor_;
  const Kind kind_;
  const std::string path_;  // of a file; else empty
  std::string rest_;        // of a line whose beginning was taken
  uint64_t lost_ = 0;       // lines, since the last one that was taken
};

}  // namespace quorate
