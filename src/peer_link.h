// The connection over which this node speaks to one other member. It carries messages one way; the
// other's come on a connection of its own. Connects, and goes on trying; what cannot be sent is
// dropped, as Network allows. Loop thread.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/codec.h"
#include "consensus/message.h"
#include "src/dialer.h"
#include "src/member.h"

namespace quorate {

class PeerLink {
 public:
  struct Options {
    uint64_t cluster_id = 0;
    uint64_t node_id = 0;                                       // this node's
    std::function<consensus::FoundingId()> founding = nullptr;  // as the Hello says it
    std::string own_address;  // where it can be answered, as MemberAddress has it
    // The kernel gives the connection up when what was sent is not acknowledged for so long. By
    // default it would back off for many minutes after a cut, and not notice that it has healed.
    unsigned send_timeout_ms = 1000;
    unsigned connect_timeout_ms =
        1000;                    // for the lookup of the name, and for each of its addresses
    unsigned retry_ms_min = 20;  // doubled with each failure
    unsigned retry_ms_max = 1000;
    size_t queued_bytes_max = 64 << 20;
    // The peer has refused the connection, with this line of text.
    std::function<void(const std::string& reason)> refused = nullptr;
    // A connection is there, and Send takes what is to follow the Hello.
    std::function<void()> connected = nullptr;
  };

  PeerLink(uv_loop_t* loop, const Member& peer, Options options);
  ~PeerLink();
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  void Connect();
  // Somebody else says that the peer is there. That may be old, or newer than what this node knows:
  // both places are tried in turn, this one first.
  void MayAlsoBeAt(const Member& place);
  // The peer is there: if a failed attempt is being waited for, tries again now.
  void RetryNow();
  bool connected() const { return state_ == State::kConnected; }
  // With the address that it is connected to, or that is tried next.
  const Member& peer() const { return peer_; }
  // The address of this machine that the connection comes from, without brackets. Empty: there is
  // none.
  std::string local_host() const;

  // Queue it until EndRound. Dropped without a connection, or when too much is queued.
  void Send(const consensus::Message& message);
  void PassOn(const consensus::Hello& of_another);
  // Where there is a connection: says Hello again on it, with the founding that is known now.
  void SayHelloAgain();
  // Hands what was queued to the kernel, with one system call if it takes all.
  void EndRound();
  // For good.
  void Close();

 private:
  consensus::Hello OwnHello() const;
  enum class State : uint8_t { kWaiting, kConnecting, kConnected, kClosed };
  struct Socket;
  struct Timer;

  void OnConnected(int descriptor);
  void OnRead(ssize_t size);
  void OnWritten(int status);
  void NoteConnected();
  void OnTimer();
  bool MayQueue() const;
  void Fail(const std::string& reason);
  void DropSocket();
  void StartTimer(unsigned after_ms);

  uv_loop_t* loop_;
  Member peer_;
  std::optional<Member> other_place_;  // the same with another address
  const Options options_;
  State state_ = State::kWaiting;
  Dialer dialer_;
  // These two live until libuv has let go of them, which may be after the link is gone.
  Socket* socket_ = nullptr;
  Timer* timer_;
  unsigned retry_ms_;
  uint64_t connected_at_ms_ = 0;  // by the loop's clock
  bool failure_logged_ = false;   // once for each loss, not for each attempt
  bool refused_ = false;          // by the peer, at the last attempt
  bool writing_ = false;          // the kernel has not yet taken what Socket::sending holds
  consensus::FrameBuffer queued_;
  std::vector<std::string_view> pieces_;
  std::vector<uv_buf_t> buffers_;
};

}  // namespace quorate
