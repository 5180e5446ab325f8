#include "redis-tests/support/raw_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

namespace quorate::redis_tests {

RawConnection::RawConnection(uint16_t port) {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{kReplyTimeoutMs / 1000, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  // Each Send leaves at once, so that a test can feed a request in pieces.
  const int yes = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket_);
    socket_ = -1;
  }
}

RawConnection::~RawConnection() {
  if (socket_ >= 0) {
    close(socket_);
  }
}

bool RawConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawConnection::SendCommand(const Arguments& arguments) {
  return Send(EncodeCommand(arguments));
}

void RawConnection::HalfClose() { shutdown(socket_, SHUT_WR); }

Reply RawConnection::Read() {
  Reply reply;
  while (true) {
    const size_t length = ParseReply(received_, &reply);
    if (length == std::string_view::npos) {
      return NoReply("not a reply: " + received_.substr(0, 100));
    }
    if (length > 0) {
      received_.erase(0, length);
      return reply;
    }
    if (!Receive()) {
      return NoReply(timed_out_ ? "timed out" : "connection closed");
    }
  }
}

Reply RawConnection::Command(const Arguments& arguments) {
  SendCommand(arguments);
  return Read();
}

std::string RawConnection::ReadBytes() {
  Reply reply;
  while (true) {
    const size_t length = ParseReply(received_, &reply);
    if (length == std::string_view::npos) {
      return "";
    }
    if (length > 0) {
      std::string bytes = received_.substr(0, length);
      received_.erase(0, length);
      return bytes;
    }
    if (!Receive()) {
      return "";
    }
  }
}

std::string RawConnection::ReadUntilClosed() {
  while (Receive()) {
  }
  return std::move(received_) + (timed_out_ ? "(timed out)" : "");
}

bool RawConnection::Receive() {
  char buffer[64 * 1024];
  while (true) {
    const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
    if (count > 0) {
      received_.append(buffer, static_cast<size_t>(count));
      return true;
    }
    if (count < 0 && errno == EINTR) {
      continue;
    }
    timed_out_ = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return false;
  }
}

std::string EncodeCommand(const Arguments& arguments) {
  std::string request = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& argument : arguments) {
    request += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return request;
}

}  // namespace quorate::redis_tests
