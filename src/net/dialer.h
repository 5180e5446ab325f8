// Connects to a host and port. A name may have several addresses (`localhost` is often ::1 and
// 127.0.0.1), and a server need not listen on all of them: the dialer tries one after the other
// until one accepts. Loop thread.
#pragma once

#include <sys/socket.h>
#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace quorate {

class Dialer {
 public:
  struct Callbacks {
    // Takes over `descriptor`, a connected TCP socket that does not block.
    std::function<void(int descriptor)> connected;
    // The lookup failed, or no address accepted. `reason` says what each address answered.
    std::function<void(const std::string& reason)> failed;
  };

  // `timeout_ms` bounds the lookup, and then each address. `loop` must outlive the dialer, and run
  // once more after its end.
  Dialer(uv_loop_t* loop, unsigned timeout_ms, Callbacks callbacks);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  // Looks the name up, afresh each time, and tries its addresses in the order of the lookup. An
  // address that accepted the last time goes first. Calls one of the callbacks, once and later,
  // unless Stop or the destructor comes before. Precondition: not busy().
  void Dial(const std::string& host, uint16_t port);
  bool busy() const { return attempt_ != nullptr; }
  void Stop();

 private:
  // Lives until libuv has let go of its handles, which may be after the dialer is gone.
  struct Attempt;

  void OnResolved(int status, const addrinfo* found);
  void TryNext();
  void OnWritable(int status);
  void AddressFailed(const std::string& reason);
  void Fail(const std::string& reason);
  void StartTimer();
  void OnTimer();
  static void CloseDescriptor(Attempt& attempt);

  uv_loop_t* loop_;
  const unsigned timeout_ms_;
  const Callbacks callbacks_;
  Attempt* attempt_ = nullptr;
  sockaddr_storage worked_{};  // the address that accepted last; ss_family 0: none yet
};

}  // namespace quorate
