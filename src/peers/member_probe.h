// Asks what answers at a peer port: connects, sends a Hello for nobody, and reads the one line that
// every node answers with. Tries again until something answers, or for a limited time. Loop thread.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <string>

#include "consensus/codec.h"
#include "src/members/member.h"
#include "src/members/probe_answer.h"
#include "src/net/dialer.h"

namespace quorate {

class MemberProbe {
 public:
  struct Options {
    consensus::Hello hello;      // `to` and `folder` do not matter
    uint64_t timeout_ms = 0;     // for all attempts together
    unsigned attempt_ms = 1000;  // to connect to an address, and for the answer
    unsigned retry_ms = 100;     // between two attempts
  };
  using Done = std::function<void(const ProbeAnswer& answer)>;

  // `loop` must outlive the probe, and run once more after its end.
  MemberProbe(uv_loop_t* loop, Member place, Options options, Done done);
  ~MemberProbe();
  MemberProbe(const MemberProbe&) = delete;
  MemberProbe& operator=(const MemberProbe&) = delete;

  // Calls `done` once and later, unless the probe is destroyed before; not from within `done`.
  void Start();
  bool ended() const { return timer_ == nullptr; }

 private:
  struct Attempt;

  void OnConnected(int descriptor);
  void OnRead(ssize_t size);
  void OnTimer();
  void Retry(const std::string& reason);
  void End(const ProbeAnswer& answer);
  void StartTimer(unsigned after_ms);
  void DropAttempt();
  void Close();

  uv_loop_t* loop_;
  const Member place_;
  const Options options_;
  const Done done_;
  Dialer dialer_;
  uint64_t deadline_ms_ = 0;  // by the loop's clock
  // These two live until libuv has let go of them, which may be after the probe is gone.
  uv_timer_t* timer_;
  Attempt* attempt_ = nullptr;
};

}  // namespace quorate
