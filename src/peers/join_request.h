// A new node's request to be taken into a cluster (directive join, or CLUSTER MEET on this node):
// connects to the client port of one of the members and sends it CLUSTER ADMIT with this node's own
// address, again and again until that was answered with OK. What follows comes from the cluster's
// leader, over the peer port. Loop thread.
#pragma once

#include <uv.h>

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/clock.h"
#include "src/net/dialer.h"
#include "src/node/joining.h"

namespace quorate {

class JoinRequest {
 public:
  struct Options {
    std::string host;  // of the member
    uint16_t port = 0;
    // This node's address. An empty host: the one that the connection to the member comes from, or
    // the first of `listens_on` where it is not among them.
    std::string own_host;
    std::vector<std::string> listens_on;  // hosts; empty: all that the machine has
    uint16_t own_port = 0;
    uint16_t own_peer_port = 0;
    unsigned retry_ms = 1000;    // after a failure
    unsigned connect_ms = 1000;  // for the lookup of the name, and for each of its addresses
    // For an answer: the member may have to wait for its leader, and that for another change.
    unsigned answer_ms = 15'000;
    uint64_t cluster_id = 0;     // that this node has as long as it is alone
    Clock* clock = nullptr;      // for `joining`
    Joining* joining = nullptr;  // is told of each answer and says when to ask; null: always
  };

  // `loop` must outlive the request, and run once more after Close.
  JoinRequest(uv_loop_t* loop, Options options);
  ~JoinRequest() { Close(); }
  JoinRequest(const JoinRequest&) = delete;
  JoinRequest& operator=(const JoinRequest&) = delete;

  void Start();
  void Close();

 private:
  struct Attempt;

  void Try();
  void OnConnected(int descriptor);
  void OnRead(ssize_t size);
  void Fail(const std::string& reason);
  void WaitAndRetry(const std::string& reason);
  void DropAttempt();
  void StartTimer(unsigned after_ms);

  uv_loop_t* loop_;
  const Options options_;
  Dialer dialer_;
  // These two live until libuv has let go of them, which may be after the request is gone.
  uv_timer_t* timer_;
  Attempt* attempt_ = nullptr;
  std::string last_failure_;  // logged once, not for each attempt
};

}  // namespace quorate
