// A connection on which a test sends and reads bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "redis-tests/support/client.h"
#include "redis-tests/support/reply.h"

namespace quorate::redis_tests {

// A socket to 127.0.0.1 on which a test chooses every byte: for inline commands, broken requests
// and RESP3, which Debian's hiredis does not read. For one thread.
class RawConnection {
 public:
  explicit RawConnection(uint16_t port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // False when the server has closed the connection.
  bool Send(std::string_view bytes);
  bool SendCommand(const Arguments& arguments);
  // No more bytes will come from this side; replies can still be read.
  void HalfClose();

  Reply Read();
  Reply Command(const Arguments& arguments);
  // The bytes of one whole reply, as they came; empty when there was none.
  std::string ReadBytes();
  // Whatever comes until the server closes the connection. "(timed out)" is added when it does not.
  std::string ReadUntilClosed();

 private:
  // Waits for bytes and adds them to received_. False at the end of the stream or after the time
  // limit.
  bool Receive();

  int socket_ = -1;
  bool timed_out_ = false;
  std::string received_;
};

// The request that carries `arguments`, as an array of bulk strings.
std::string EncodeCommand(const Arguments& arguments);

}  // namespace quorate::redis_tests
