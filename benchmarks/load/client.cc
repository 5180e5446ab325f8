#include "benchmarks/load/client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

namespace quorate::load {
namespace {

constexpr int64_t kRetryNs = 50'000'000;

}  // namespace

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Fail(const std::string& text) {
  std::fprintf(stderr, "resp-load: %s\n", text.c_str());
  std::exit(1);
}

// --- Group ---

Group::Group(const GroupOptions& group_options)
    : options(group_options),
      value(options.value_bytes, 'x'),
      random_state_(static_cast<uint64_t>(Now()) | 1) {}

uint64_t Group::Random() {
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return random_state_ * 0x2545f4914f6cdd1dU >> 16;
}

void Group::SendDue(int64_t now) {
  if (options.rate == 0) {
    for (Client* client : std::exchange(resting_, {})) client->Send(now);
    return;
  }
  const auto period = static_cast<int64_t>(1e9 / options.rate);
  while (next_due_ <= now && !resting_.empty()) {
    Client* client = resting_.back();
    resting_.pop_back();
    client->Send(next_due_);
    next_due_ += period;
  }
}

int64_t Group::next_due() const {
  if (resting_.empty()) return std::numeric_limits<int64_t>::max();
  return options.rate == 0 ? 0 : next_due_;
}

// --- Client ---

Client::Client(Group* group, const std::vector<uint16_t>* ports, int epoll)
    : group_(*group), ports_(*ports), epoll_(epoll), port_(ports->front()) {}

bool Client::Connect() {
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) Fail(std::string("socket: ") + std::strerror(errno));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket_);
    socket_ = -1;
    return false;
  }
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(socket_, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event) != 0) {
    Fail(std::string("epoll_ctl: ") + std::strerror(errno));
  }
  watches_writable_ = false;
  return true;
}

void Client::Send(int64_t start) {
  output_.clear();
  requests_.clear();
  answered_ = 0;
  written_ = 0;
  for (int i = 0; i < group_.options.pipeline; ++i) {
    const bool set = static_cast<int>(group_.Random() % 100) < group_.options.set_percent;
    requests_.push_back({set, group_.Random() % group_.options.keys, start});
    Encode(requests_.back());
  }
  // Else the requests are sent when there is a connection.
  if (is_connected()) Write();
}

void Client::Encode(const Request& request) {
  char head[80];
  const auto key_bytes = group_.options.prefix.size() + 12;
  int size = std::snprintf(head, sizeof head, "*%d\r\n$3\r\n%s\r\n$%zu\r\n", request.set ? 3 : 2,
                           request.set ? "SET" : "GET", key_bytes);
  output_.append(head, static_cast<size_t>(size));
  output_ += group_.options.prefix;
  size =
      std::snprintf(head, sizeof head, "%012llu\r\n", static_cast<unsigned long long>(request.key));
  output_.append(head, static_cast<size_t>(size));
  if (!request.set) return;
  size = std::snprintf(head, sizeof head, "$%zu\r\n", group_.value.size());
  output_.append(head, static_cast<size_t>(size));
  output_ += group_.value;
  output_ += "\r\n";
}

void Client::OnEvent(uint32_t events) {
  if (!is_connected()) return;
  if ((events & EPOLLOUT) != 0) Write();
  if (is_connected() && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) Read();
}

void Client::Write() {
  while (written_ < output_.size()) {
    const ssize_t size =
        send(socket_, output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return Break(std::strerror(errno));
      break;
    }
    written_ += static_cast<size_t>(size);
  }
  WatchFor(written_ < output_.size());
}

void Client::WatchFor(bool writable) {
  if (writable == watches_writable_) return;
  watches_writable_ = writable;
  epoll_event event{};
  event.events = EPOLLIN | (writable ? static_cast<uint32_t>(EPOLLOUT) : 0U);
  event.data.ptr = this;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, socket_, &event);
}

void Client::Read() {
  static char buffer[256 << 10];
  const ssize_t size = recv(socket_, buffer, sizeof buffer, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return Break(size == 0 ? "connection closed" : std::strerror(errno));
  Take({buffer, static_cast<size_t>(size)}, Now());
}

bool Client::Take(std::string_view bytes, int64_t now) {
  while (!bytes.empty()) {
    if (skip_ > 0) {
      const size_t skipped = std::min(skip_, bytes.size());
      bytes.remove_prefix(skipped);
      skip_ -= skipped;
      if (skip_ == 0) Answered(now);
      continue;
    }
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      line_ += bytes;
      return true;
    }
    line_ += bytes.substr(0, end + 1);
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (!TakeLine(line, now)) return false;
  }
  return true;
}

bool Client::TakeLine(std::string_view line, int64_t now) {
  if (answered_ == requests_.size()) Fail("a reply to nothing: " + std::string(line));
  if (line[0] == '$' && !requests_[answered_].set) {
    const long length = std::strtol(line.data() + 1, nullptr, 10);
    // A miss is cheaper than a hit, so it would flatter the result.
    if (length < 0) Fail("a key is missing: fill the key range first");
    skip_ = static_cast<size_t>(length) + 2;
    return true;
  }
  if (line == "+OK\r\n" && requests_[answered_].set) {
    Answered(now);
    return true;
  }
  if (line.starts_with("-MOVED ")) {
    const size_t colon = line.rfind(':');
    Break(std::string(line), static_cast<uint16_t>(std::atoi(line.data() + colon + 1)));
    return false;
  }
  if (!line.starts_with("-")) Fail("an unexpected reply: " + std::string(line));
  Break(std::string(line));
  return false;
}

void Client::Answered(int64_t now) {
  const Request& request = requests_[answered_++];
  (request.set ? group_.sets : group_.gets).Add(now - request.start);
  if (answered_ < requests_.size()) return;
  if (group_.options.rate == 0) {
    Send(now);
  } else {
    group_.Rest(this);
  }
}

void Client::Break(const std::string& why, uint16_t port) {
  if (group_.options.idle) Fail("an idle connection was lost: " + why);
  if (is_connected()) {
    close(socket_);
    socket_ = -1;
    ++group_.broken;
  }
  line_.clear();
  skip_ = 0;
  if (answered_ < requests_.size()) ++group_.retries;
  if (port == 0) {
    const auto current = std::find(ports_.begin(), ports_.end(), port_);
    port = current == ports_.end() || current + 1 == ports_.end() ? ports_.front() : current[1];
  }
  port_ = port;
  retry_at_ = Now() + kRetryNs;
}

void Client::Retry(int64_t now) {
  if (now < retry_at_) return;
  if (!Connect()) return Break("connection refused");
  --group_.broken;
  output_.clear();
  written_ = 0;
  for (size_t i = answered_; i < requests_.size(); ++i) Encode(requests_[i]);
  Write();
}

}  // namespace quorate::load
