// The event loop that all sockets of a thread run on.
#pragma once

#include <uv.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace quorate {

class Loop {
 public:
  Loop();
  // Precondition: whatever was made on the loop is gone. Runs what libuv has left to do for it.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Returns when nothing is left to wait for.
  void Run();
  // The beginning of this turn of the loop, in ms of a monotonic clock.
  uint64_t now_ms() const { return uv_now(&loop_); }
  uv_loop_t* uv() { return &loop_; }

 private:
  friend class Stream;

  uv_loop_t loop_;
  // All streams are read into this, one at a time.
  std::array<char, 64 << 10> read_buffer_;
  std::vector<uv_buf_t> pieces_;  // of one write
};

// "address already in use (EADDRINUSE)"
std::string UvError(int code);

}  // namespace quorate
