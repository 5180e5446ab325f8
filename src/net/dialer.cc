#include "src/net/dialer.h"

#include <netinet/in.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <iterator>
#include <utility>

#include "src/net/uv_support.h"

namespace quorate {

struct Dialer::Attempt {
  Dialer* owner;  // null: nobody is interested any more
  uv_getaddrinfo_t lookup;
  bool looking_up = false;
  uv_timer_t timer;
  uv_poll_t* poll = nullptr;  // of `descriptor`
  int descriptor = -1;
  std::vector<sockaddr_storage> addresses;
  size_t tried = 0;      // of `addresses`
  std::string failures;  // of those
  int open_handles = 0;  // of libuv's, the lookup included: the attempt is deleted with the last

  void Released() {
    if (--open_handles == 0) delete this;
  }
};

Dialer::Dialer(uv_loop_t* loop, unsigned timeout_ms, Callbacks callbacks)
    : loop_(loop), timeout_ms_(timeout_ms), callbacks_(std::move(callbacks)) {}

Dialer::~Dialer() { Stop(); }

void Dialer::Dial(const std::string& host, uint16_t port) {
  assert(!busy());
  attempt_ = new Attempt{};
  Attempt& attempt = *attempt_;
  attempt.owner = this;
  uv_timer_init(loop_, &attempt.timer);
  attempt.timer.data = &attempt;
  attempt.open_handles = 1;
  StartTimer();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  attempt.lookup.data = &attempt;
  const int code = uv_getaddrinfo(
      loop_, &attempt.lookup,
      [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
        auto* looked_up = static_cast<Attempt*>(request->data);
        looked_up->looking_up = false;
        if (looked_up->owner != nullptr) looked_up->owner->OnResolved(status, found);
        uv_freeaddrinfo(found);
        looked_up->Released();
      },
      host.c_str(), std::to_string(port).c_str(), &hints);
  if (code == 0) {
    attempt.looking_up = true;
    ++attempt.open_handles;
    return;
  }
  // libuv refused the name. The callback is to come later all the same.
  attempt.failures = UvError(code);
  uv_timer_start(
      &attempt.timer,
      [](uv_timer_t* timer) {
        auto* refused = static_cast<Attempt*>(timer->data);
        if (refused->owner != nullptr) refused->owner->Fail(std::string(refused->failures));
      },
      0, 0);
}

void Dialer::Stop() {
  if (attempt_ == nullptr) return;
  Attempt& attempt = *std::exchange(attempt_, nullptr);
  attempt.owner = nullptr;
  if (attempt.looking_up) uv_cancel(reinterpret_cast<uv_req_t*>(&attempt.lookup));
  CloseDescriptor(attempt);
  uv_close(reinterpret_cast<uv_handle_t*>(&attempt.timer),
           [](uv_handle_t* handle) { static_cast<Attempt*>(handle->data)->Released(); });
}

void Dialer::OnResolved(int status, const addrinfo* found) {
  if (status != 0) {
    Fail(UvError(status));
    return;
  }
  std::vector<sockaddr_storage>& addresses = attempt_->addresses;
  addresses = AddressesIn(found);
  const auto worked = std::ranges::find_if(
      addresses, [this](const sockaddr_storage& address) { return SameHost(address, worked_); });
  if (worked != addresses.end()) std::rotate(addresses.begin(), worked, worked + 1);
  TryNext();
}

void Dialer::TryNext() {
  if (attempt_->tried == attempt_->addresses.size()) {
    Fail(attempt_->failures.empty() ? "the name has no address" : attempt_->failures);
    return;
  }
  const sockaddr_storage& address = attempt_->addresses[attempt_->tried++];
  StartTimer();
  attempt_->descriptor =
      socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (attempt_->descriptor < 0) {
    AddressFailed(UvError(-errno));
    return;
  }
  if (connect(attempt_->descriptor, reinterpret_cast<const sockaddr*>(&address),
              AddressSize(address)) != 0 &&
      errno != EINPROGRESS) {
    AddressFailed(UvError(-errno));
    return;
  }
  auto* poll = new uv_poll_t;
  if (const int code = uv_poll_init(loop_, poll, attempt_->descriptor); code != 0) {
    delete poll;
    AddressFailed(UvError(code));
    return;
  }
  poll->data = attempt_;
  attempt_->poll = poll;
  // A socket is writable once it is connected, or has failed to.
  uv_poll_start(poll, UV_WRITABLE, [](uv_poll_t* handle, int code, int) {
    auto* attempt = static_cast<Attempt*>(handle->data);
    if (attempt->owner != nullptr) attempt->owner->OnWritable(code);
  });
}

void Dialer::OnWritable(int status) {
  // libuv says EBADF of every socket that failed to connect. The socket itself knows more.
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(attempt_->descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) error = -status;
  if (error != 0) {
    AddressFailed(UvError(-error));
    return;
  }
  worked_ = attempt_->addresses[attempt_->tried - 1];
  const int descriptor = std::exchange(attempt_->descriptor, -1);
  Stop();
  callbacks_.connected(descriptor);
}

void Dialer::AddressFailed(const std::string& reason) {
  CloseDescriptor(*attempt_);
  std::string& failures = attempt_->failures;
  if (attempt_->addresses.size() == 1) {
    failures = reason;
  } else {
    fmt::format_to(std::back_inserter(failures), "{}{}: {}", failures.empty() ? "" : "; ",
                   FormatAddress(attempt_->addresses[attempt_->tried - 1]), reason);
  }
  TryNext();
}

void Dialer::Fail(const std::string& reason) {
  Stop();
  callbacks_.failed(reason);
}

void Dialer::StartTimer() {
  uv_timer_start(
      &attempt_->timer,
      [](uv_timer_t* timer) {
        auto* attempt = static_cast<Attempt*>(timer->data);
        if (attempt->owner != nullptr) attempt->owner->OnTimer();
      },
      timeout_ms_, 0);
}

void Dialer::OnTimer() {
  if (attempt_->looking_up) {
    Fail("the name's lookup takes too long");
  } else {
    AddressFailed("it does not answer");
  }
}

void Dialer::CloseDescriptor(Attempt& attempt) {
  if (attempt.poll != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(attempt.poll, nullptr)),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  }
  if (attempt.descriptor >= 0) close(std::exchange(attempt.descriptor, -1));
}

}  // namespace quorate
