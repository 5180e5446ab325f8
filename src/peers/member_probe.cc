#include "src/peers/member_probe.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "src/net/uv_support.h"
#include "src/peers/peer_refusal.h"

namespace quorate {
namespace {

// Longer than any line that a node refuses a Hello with.
constexpr size_t kLineBytesMax = 512;

}  // namespace

struct MemberProbe::Attempt {
  MemberProbe* owner;  // null: nobody is interested any more
  uv_tcp_t tcp;
  uv_write_t write;
  consensus::FrameBuffer hello;
  std::string line;
  std::array<char, kLineBytesMax> buffer;
};

MemberProbe::MemberProbe(uv_loop_t* loop, Member place, Options options, Done done)
    : loop_(loop),
      place_(std::move(place)),
      options_(std::move(options)),
      done_(std::move(done)),
      dialer_(loop, options_.attempt_ms,
              {[this](int descriptor) { OnConnected(descriptor); },
               [this](const std::string& reason) { Retry(reason); }}),
      timer_(new uv_timer_t) {
  uv_timer_init(loop, timer_);
  timer_->data = this;
}

MemberProbe::~MemberProbe() { Close(); }

void MemberProbe::Start() {
  deadline_ms_ = uv_now(loop_) + options_.timeout_ms;
  dialer_.Dial(place_.host, place_.peer_port);
}

void MemberProbe::OnConnected(int descriptor) {
  attempt_ = new Attempt{};
  attempt_->owner = this;
  uv_tcp_init(loop_, &attempt_->tcp);
  attempt_->tcp.data = attempt_;
  uv_tcp_open(&attempt_->tcp, descriptor);
  StartTimer(options_.attempt_ms);
  consensus::Hello hello = options_.hello;
  hello.to = kNobody;
  hello.folder = 0;
  attempt_->hello.Add(hello);
  std::vector<std::string_view> pieces;
  attempt_->hello.AppendPieces(&pieces);
  std::vector<uv_buf_t> buffers;
  for (const std::string_view piece : pieces) {
    buffers.push_back(
        uv_buf_init(const_cast<char*>(piece.data()), static_cast<unsigned>(piece.size())));
  }
  auto* stream = reinterpret_cast<uv_stream_t*>(&attempt_->tcp);
  uv_write(&attempt_->write, stream, buffers.data(), static_cast<unsigned>(buffers.size()),
           [](uv_write_t*, int) {});  // reading tells more
  uv_read_start(
      stream,
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto& own = static_cast<Attempt*>(handle->data)->buffer;
        *buffer = uv_buf_init(own.data(), own.size());
      },
      [](uv_stream_t* source, ssize_t size, const uv_buf_t*) {
        auto* attempt = static_cast<Attempt*>(source->data);
        if (size != 0 && attempt->owner != nullptr) attempt->owner->OnRead(size);
      });
}

void MemberProbe::OnRead(ssize_t size) {
  if (size < 0) {
    Retry(UvError(static_cast<int>(size)));
    return;
  }
  std::string& line = attempt_->line;
  line.append(attempt_->buffer.data(), static_cast<size_t>(size));
  const size_t end = line.find('\n');
  if (end == std::string::npos && line.size() < kLineBytesMax) return;
  // From outside, and on its way to an operator: printable.
  line.resize(std::min(end, kLineBytesMax));
  std::erase_if(line, [](char c) { return c < ' ' || c > '~'; });
  End(AnswerIn(line));
}

void MemberProbe::OnTimer() {
  if (attempt_ != nullptr) {
    Retry("it does not answer");
  } else {
    dialer_.Dial(place_.host, place_.peer_port);
  }
}

void MemberProbe::Retry(const std::string& reason) {
  if (uv_now(loop_) + options_.retry_ms >= deadline_ms_) {
    End({.kind = ProbeAnswer::Kind::kNobody, .text = reason});
    return;
  }
  DropAttempt();
  StartTimer(options_.retry_ms);
}

void MemberProbe::End(const ProbeAnswer& answer) {
  Close();
  done_(answer);
}

void MemberProbe::Close() {
  dialer_.Stop();
  DropAttempt();
  if (timer_ != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(timer_, nullptr)),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
  }
}

void MemberProbe::DropAttempt() {
  if (attempt_ == nullptr) return;
  attempt_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&std::exchange(attempt_, nullptr)->tcp),
           [](uv_handle_t* handle) { delete static_cast<Attempt*>(handle->data); });
}

void MemberProbe::StartTimer(unsigned after_ms) {
  uv_timer_start(
      timer_, [](uv_timer_t* timer) { static_cast<MemberProbe*>(timer->data)->OnTimer(); },
      after_ms, 0);
}

}  // namespace quorate
