// The connection over which this node speaks to one other member. It begins with a handshake
// (consensus/codec.h), and then carries messages one way; the other's come on a connection of its
// own. Connects, and goes on trying; what cannot be sent is dropped, as Network allows. Loop
// thread.
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
#include "src/members/member.h"
#include "src/net/dialer.h"

namespace quorate {

class PeerLink {
 public:
  struct Options {
    uint64_t cluster_id = 0;
    uint64_t node_id = 0;                                       // this node's
    uint64_t process = 0;                                       // see Hello
    std::function<consensus::FoundingId()> founding = nullptr;  // as the Hello says it
    std::string own_address;  // where it can be answered, as MemberAddress has it
    // The kernel gives the connection up when what was sent is not acknowledged for so long. By
    // default it would back off for many minutes after a cut, and not notice that it has healed.
    unsigned send_timeout_ms = 1000;
    // For the lookup of the name, for each of its addresses, and for the answer to the Hello.
    unsigned connect_timeout_ms = 1000;
    unsigned retry_ms_min = 20;  // doubled with each failure
    unsigned retry_ms_max = 1000;
    size_t queued_bytes_max = 64 << 20;
    // The peer has refused the connection, with this line of text.
    std::function<void(const std::string& reason)> refused = nullptr;
    // What this node knows of the peer. Called with each new connection.
    std::function<consensus::Expectation()> expect = nullptr;
    // The peer has answered the Hello that was sent when `expect` was called. Returns why nothing
    // is to be said to this peer, empty if there is no such reason; then Say is to follow.
    std::function<std::string(const consensus::Expectation&, const consensus::Welcome&)> welcomed =
        nullptr;
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
  // The peer has answered this connection's Hello.
  bool connected() const { return state_ == State::kConnected; }
  // Of that answer. Precondition: connected().
  uint64_t nonce() const { return nonce_; }
  // The start that the newest Statement on this connection speaks for; none: there was none yet.
  consensus::Start said() const { return said_; }
  // With the address that it is connected to, or that is tried next.
  const Member& peer() const { return peer_; }
  // The address of this machine that the connection comes from, without brackets. Empty: there is
  // none.
  std::string local_host() const;

  // From the first one on, the connection takes what is sent. Precondition: connected().
  void Say(const consensus::Statement& statement);
  // Queue it until EndRound. Dropped where nothing was Said yet, or when too much is queued.
  void Send(const consensus::Message& message);
  void Confirm(const consensus::StartNoted& noted);
  void PassOn(const consensus::Hello& of_another);
  // Where there is a connection: says Hello again on it, with the founding that is known now.
  void SayHelloAgain();
  // Hands what was queued to the kernel, with one system call if it takes all.
  void EndRound();
  // For good.
  void Close();

 private:
  consensus::Hello OwnHello() const;
  // kGreeting: the Hello is sent, and not answered.
  enum class State : uint8_t { kWaiting, kConnecting, kGreeting, kConnected, kClosed };
  struct Socket;
  struct Timer;

  void OnConnected(int descriptor);
  void OnRead(ssize_t size);
  void OnWelcome(const consensus::HelloReply& reply);
  void OnRefused(std::string_view line);
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
  consensus::Expectation expectation_;
  uint64_t nonce_ = 0;
  consensus::Start said_;
  bool failure_logged_ = false;  // once for each loss, not for each attempt
  bool refused_ = false;         // by the peer, at the last attempt
  bool writing_ = false;         // the kernel has not yet taken what Socket::sending holds
  consensus::FrameBuffer queued_;
  std::vector<std::string_view> pieces_;
  std::vector<uv_buf_t> buffers_;
};

}  // namespace quorate
