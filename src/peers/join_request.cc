#include "src/peers/join_request.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "resp/command_encoder.h"
#include "src/net/uv_support.h"

namespace quorate {

struct JoinRequest::Attempt {
  JoinRequest* owner;  // null: nobody is interested any more
  uv_tcp_t tcp;
  uv_write_t write;
  std::string request;
  std::string reply;
  std::array<char, 512> buffer;
};

JoinRequest::JoinRequest(uv_loop_t* loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      dialer_(loop, options_.connect_ms,
              {[this](int descriptor) { OnConnected(descriptor); },
               [this](const std::string& reason) { Fail(reason); }}),
      timer_(new uv_timer_t) {
  uv_timer_init(loop, timer_);
  timer_->data = this;
}

void JoinRequest::Close() {
  if (timer_ == nullptr) return;
  dialer_.Stop();
  DropAttempt();
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(timer_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

void JoinRequest::Start() { Try(); }

void JoinRequest::Try() { dialer_.Dial(options_.host, options_.port); }

void JoinRequest::OnConnected(int descriptor) {
  attempt_ = new Attempt{};
  attempt_->owner = this;
  uv_tcp_init(loop_, &attempt_->tcp);
  attempt_->tcp.data = attempt_;
  uv_tcp_open(&attempt_->tcp, descriptor);
  if (options_.joining && !options_.joining->MayAsk(options_.clock->monotonic_ms())) {
    WaitAndRetry("another node asks this one to be taken in");
    return;
  }
  StartTimer(options_.answer_ms);
  std::string own_host = options_.own_host;
  if (own_host.empty()) {
    own_host = LocalHost(&attempt_->tcp);
    const std::vector<std::string>& hosts = options_.listens_on;
    if (!hosts.empty() && std::ranges::find(hosts, own_host) == hosts.end()) own_host = hosts[0];
  }
  const std::string port = std::to_string(options_.own_port);
  const std::string peer_port = std::to_string(options_.own_peer_port);
  const std::string cluster_id = fmt::format("{:016x}", options_.cluster_id);
  const std::vector<std::string_view> arguments = {"CLUSTER", "ADMIT",   own_host,
                                                   port,      peer_port, cluster_id};
  resp::AppendCommand(arguments, &attempt_->request);
  const uv_buf_t bytes =
      uv_buf_init(attempt_->request.data(), static_cast<unsigned>(attempt_->request.size()));
  auto* stream = reinterpret_cast<uv_stream_t*>(&attempt_->tcp);
  uv_write(&attempt_->write, stream, &bytes, 1, [](uv_write_t*, int) {});  // reading tells more
  uv_read_start(
      stream,
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto& own = static_cast<Attempt*>(handle->data)->buffer;
        *buffer = uv_buf_init(own.data(), own.size());
      },
      [](uv_stream_t* source, ssize_t size, const uv_buf_t*) {
        auto* attempt = static_cast<Attempt*>(source->data);
        if (size != 0 && attempt->owner) attempt->owner->OnRead(size);
      });
}

void JoinRequest::OnRead(ssize_t size) {
  if (size < 0) {
    Fail(UvError(static_cast<int>(size)));
    return;
  }
  attempt_->reply.append(attempt_->buffer.data(), static_cast<size_t>(size));
  const size_t end = attempt_->reply.find('\r');
  if (end == std::string::npos && attempt_->reply.size() < attempt_->buffer.size()) return;
  const std::string line = attempt_->reply.substr(0, end);
  if (line != "+OK") {
    const std::string error = line.substr(line.starts_with('-') ? 1 : 0);
    if (options_.joining) options_.joining->Refused(error);
    WaitAndRetry("it says: " + error);
    return;
  }
  spdlog::info("{}:{} will take this node into its cluster", options_.host, options_.port);
  DropAttempt();
  uv_timer_stop(timer_);
}

void JoinRequest::Fail(const std::string& reason) {
  if (options_.joining) options_.joining->Lost(reason);
  WaitAndRetry(reason);
}

void JoinRequest::WaitAndRetry(const std::string& reason) {
  if (reason != last_failure_) {
    spdlog::warn("asking {}:{} to be taken in: {}; trying again", options_.host, options_.port,
                 reason);
    last_failure_ = reason;
  }
  DropAttempt();
  StartTimer(options_.retry_ms);
}

void JoinRequest::DropAttempt() {
  if (attempt_ == nullptr) return;
  attempt_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&std::exchange(attempt_, nullptr)->tcp),
           [](uv_handle_t* handle) { delete static_cast<Attempt*>(handle->data); });
}

void JoinRequest::StartTimer(unsigned after_ms) {
  uv_timer_start(
      timer_,
      [](uv_timer_t* timer) {
        auto* request = static_cast<JoinRequest*>(timer->data);
        if (request->attempt_ != nullptr) {
          request->Fail("it does not answer");
        } else {
          request->Try();
        }
      },
      after_ms, 0);
}

}  // namespace quorate
