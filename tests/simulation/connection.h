// A client's connection to a server: bytes arrive in order, or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "src/requests/session.h"
#include "tests/simulation/event_queue.h"

namespace quorate::simulation {

struct Connection {
  uint64_t id = 0;

  // The server's end.
  std::shared_ptr<Session> session;
  std::string unread;  // received while the server does not read
  bool paused = false;
  Time last_read = 0;  // when the dispatcher was last given something
  bool server_closed = false;

  // The client's end.
  bool client_closed = false;
  std::function<void(const std::string&)> on_bytes;
  std::function<void()> on_closed;

  // What was sent last arrives then.
  Time last_to_server = 0;
  Time last_to_client = 0;
};

}  // namespace quorate::simulation
