#include "src/net/loop.h"

#include <spdlog/fmt/fmt.h>

#include <cassert>

namespace quorate {

Loop::Loop() { uv_loop_init(&loop_); }

Loop::~Loop() {
  Run();
  [[maybe_unused]] const int closed = uv_loop_close(&loop_);
  assert(closed == 0);
}

void Loop::Run() { uv_run(&loop_, UV_RUN_DEFAULT); }

std::string UvError(int code) {
  return fmt::format("{} ({})", uv_strerror(code), uv_err_name(code));
}

}  // namespace quorate
