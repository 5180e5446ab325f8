// A TCP connection: bytes come in, bytes go out, and a stream knows nothing of what they mean. All
// connections with clients and members are streams, so what stands between a socket and the bytes
// that its owner sees has one place. Loop thread, in a process that ignores SIGPIPE.
//
// Back-pressure: an owner that cannot take more stops reading. What the kernel does not take of a
// Write stays with the stream, one Write at a time; what the owner has to send meanwhile stays with
// the owner, who can count and bound it.
#pragma once

#include <sys/socket.h>
#include <uv.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "src/net/loop.h"

namespace quorate {

class Stream {
 public:
  // The loop calls the owner, never from within a call of the stream. The owner may close, move or
  // destroy the stream in each of these calls, and is not called any more once it is closed.
  class Owner {
   public:
    // `bytes` is not empty, and valid during the call. A turn of the loop hands out at most
    // kReceivedBytesMax of one stream, so that others have theirs.
    virtual void OnReceived(std::string_view bytes) = 0;
    // The other side sends no more, and may still receive. Called once. Most owners have nothing to
    // say to somebody who cannot answer, so the connection counts as broken to them.
    virtual void OnEnd() { OnBroken(UvError(UV_EOF)); }
    // The other side, or the kernel, has given the connection up. Called once, and nothing is
    // called after it. All that is left to do is to close the stream.
    virtual void OnBroken(const std::string& reason) = 0;
    // The kernel has taken the rest of a Write that it had not taken at once.
    virtual void OnAllSent() = 0;

   protected:
    ~Owner() = default;
  };

  static constexpr size_t kReceivedBytesMax = 2 << 20;

  // Without a connection. Only the assignment, Close and the test for a connection do without.
  Stream() = default;
  // Takes over `descriptor`, a connected TCP socket. `loop` must outlive the stream.
  Stream(Loop& loop, int descriptor);
  // Takes the next connection of `server`, whose callback has said that there is one. Without a
  // connection if that fails.
  static Stream Accept(Loop& loop, uv_stream_t* server);
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;

  explicit operator bool() const { return socket_ != nullptr; }
  // Closes the connection, as the destructor does. Unsent bytes are dropped.
  void Close() { socket_.reset(); }

  // Begins to read, and to call `owner`, who must outlive the connection. Call once.
  void Start(Owner& owner);
  // While nothing is read, the other side comes to a halt as soon as the kernel's buffers are full,
  // and its end or failure can stay unnoticed. Both may be called at any time after Start.
  void StopReading();
  void StartReading();

  // Hands the bytes to the kernel with one system call, and returns how many it has taken. If these
  // are not all, the stream keeps the rest, hands it over when the kernel has room again, and then
  // calls OnAllSent. OnBroken tells a failure, later. Precondition: !writing().
  //
  // Leaves `bytes` empty, and with its memory if the kernel has taken all.
  size_t Write(std::string* bytes);
  // The same for bytes that lie in several places. They must stay there as long as `keeper` exists.
  // The stream holds `keeper` until the kernel has taken all.
  size_t Write(std::span<const std::string_view> pieces, const std::shared_ptr<const void>& keeper);
  // Whether OnAllSent is still to come.
  bool writing() const;
  // What the kernel has not taken of the newest Write. Shrinks as it takes more.
  size_t unsent_bytes() const;

  // The kernel asks for a sign of life when the other side was silent for so long.
  void SetKeepAlive(unsigned seconds);
  // The kernel gives the connection up when the other side does not acknowledge what was sent for
  // so long.
  void SetSendTimeout(unsigned milliseconds);

  // Of this end and of the other one. The family is AF_UNSPEC if the connection is gone.
  sockaddr_storage LocalAddress() const;
  sockaddr_storage RemoteAddress() const;
  // Returns another descriptor of the connection, which stays open when the stream is closed. The
  // caller closes it, or makes a stream of it. Nothing: the system has none left. Precondition:
  // !writing().
  std::optional<int> Duplicate() const;

 private:
  // Lives until libuv has let go of it, which is after the stream is gone.
  struct Socket;
  struct Release {
    void operator()(Socket* socket) const;
  };

  explicit Stream(Loop& loop);
  int Descriptor() const;
  // Sets Loop::pieces_ to what follows the first `skip` bytes.
  void Collect(std::span<const std::string_view> pieces, size_t skip);
  size_t TryWrite(std::span<const std::string_view> pieces);
  void WriteRest(std::span<const std::string_view> pieces, size_t taken,
                 std::shared_ptr<const void> keeper);
  static void OnRead(Socket& socket, ssize_t size, const uv_buf_t* buffer);
  static void OnWritten(Socket& socket, int status);
  static void Break(Socket& socket, int error);

  std::unique_ptr<Socket, Release> socket_;
};

}  // namespace quorate
