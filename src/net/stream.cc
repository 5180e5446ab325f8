#include "src/net/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

namespace quorate {

struct Stream::Socket {
  explicit Socket(Loop& on_loop) : loop(on_loop) {
    uv_tcp_init(loop.uv(), &tcp);
    tcp.data = this;
    request.data = this;
  }
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }
  const uv_stream_t* stream() const { return reinterpret_cast<const uv_stream_t*>(&tcp); }

  Loop& loop;
  uv_tcp_t tcp;
  uv_write_t request;
  Owner* owner = nullptr;              // null: nobody is interested yet, or any more
  bool ended = false;                  // OnEnd was called
  bool broken = false;                 // OnBroken was called
  bool writing = false;                // `request` is libuv's
  int write_error = 0;                 // the first one
  std::shared_ptr<const void> keeper;  // of what is being written
};

Stream::Stream(Loop& loop) : socket_(new Socket(loop)) {}

Stream::Stream(Loop& loop, int descriptor) : Stream(loop) {
  [[maybe_unused]] const int opened = uv_tcp_open(&socket_->tcp, descriptor);
  assert(opened == 0);
  uv_tcp_nodelay(&socket_->tcp, 1);
}

Stream Stream::Accept(Loop& loop, uv_stream_t* server) {
  Stream accepted(loop);
  if (uv_accept(server, accepted.socket_->stream()) != 0) return {};
  uv_tcp_nodelay(&accepted.socket_->tcp, 1);
  return accepted;
}

void Stream::Release::operator()(Socket* socket) const {
  socket->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&socket->tcp),
           [](uv_handle_t* handle) { delete static_cast<Socket*>(handle->data); });
}

// --- Reading ---

void Stream::Start(Owner& owner) {
  assert(socket_->owner == nullptr);
  socket_->owner = &owner;
  StartReading();
}

void Stream::StopReading() { uv_read_stop(socket_->stream()); }

void Stream::StartReading() {
  assert(socket_->owner != nullptr);
  if (socket_->ended || socket_->broken) return;
  // Does nothing if it is reading already.
  uv_read_start(
      socket_->stream(),
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto& shared = static_cast<Socket*>(handle->data)->loop.read_buffer_;
        *buffer = uv_buf_init(shared.data(), shared.size());
      },
      [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
        OnRead(*static_cast<Socket*>(stream->data), size, buffer);
      });
}

// Calls the owner last: the stream may be gone then.
void Stream::OnRead(Socket& socket, ssize_t size, const uv_buf_t* buffer) {
  if (size > 0) {
    socket.owner->OnReceived({buffer->base, static_cast<size_t>(size)});
  } else if (size == UV_EOF) {
    socket.ended = true;
    socket.owner->OnEnd();
  } else if (size < 0) {
    Break(socket, static_cast<int>(size));
  }
}

void Stream::Break(Socket& socket, int error) {
  socket.broken = true;
  uv_read_stop(socket.stream());
  socket.owner->OnBroken(UvError(error));
}

// --- Writing ---

size_t Stream::Write(std::string* bytes) {
  const std::string_view piece = *bytes;
  const size_t taken = TryWrite({&piece, 1});
  if (taken < piece.size()) {
    const auto rest = std::make_shared<const std::string>(std::move(*bytes));
    const std::string_view moved = *rest;
    WriteRest({&moved, 1}, taken, rest);
  }
  bytes->clear();
  return taken;
}

size_t Stream::Write(std::span<const std::string_view> pieces,
                     const std::shared_ptr<const void>& keeper) {
  const size_t taken = TryWrite(pieces);
  size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  if (taken < size) WriteRest(pieces, taken, keeper);
  return taken;
}

void Stream::Collect(std::span<const std::string_view> pieces, size_t skip) {
  std::vector<uv_buf_t>& collected = socket_->loop.pieces_;
  collected.clear();
  for (std::string_view piece : pieces) {
    const size_t skipped = std::min(skip, piece.size());
    skip -= skipped;
    piece.remove_prefix(skipped);
    if (!piece.empty()) collected.push_back({const_cast<char*>(piece.data()), piece.size()});
  }
}

size_t Stream::TryWrite(std::span<const std::string_view> pieces) {
  assert(!socket_->writing);
  assert(!socket_->broken);
  Collect(pieces, 0);
  const std::vector<uv_buf_t>& buffers = socket_->loop.pieces_;
  if (buffers.empty()) return 0;
  const int sent =
      uv_try_write(socket_->stream(), buffers.data(), static_cast<unsigned>(buffers.size()));
  if (sent >= 0) return static_cast<size_t>(sent);
  if (sent != UV_EAGAIN) socket_->write_error = sent;
  return 0;
}

// After a failure too: libuv fails again, and calls back for it.
void Stream::WriteRest(std::span<const std::string_view> pieces, size_t taken,
                       std::shared_ptr<const void> keeper) {
  Collect(pieces, taken);
  const std::vector<uv_buf_t>& buffers = socket_->loop.pieces_;
  socket_->keeper = std::move(keeper);
  socket_->writing = true;
  [[maybe_unused]] const int queued =
      uv_write(&socket_->request, socket_->stream(), buffers.data(),
               static_cast<unsigned>(buffers.size()), [](uv_write_t* request, int status) {
                 OnWritten(*static_cast<Socket*>(request->data), status);
               });
  assert(queued == 0);
}

// Calls the owner last, as OnRead does.
void Stream::OnWritten(Socket& socket, int status) {
  socket.writing = false;
  socket.keeper.reset();
  if (socket.owner == nullptr || socket.broken) return;
  const int error = socket.write_error != 0 ? socket.write_error : status;
  if (error != 0) {
    Break(socket, error);
  } else {
    socket.owner->OnAllSent();
  }
}

bool Stream::writing() const { return socket_->writing; }

size_t Stream::unsent_bytes() const { return uv_stream_get_write_queue_size(socket_->stream()); }

// --- The socket ---

void Stream::SetKeepAlive(unsigned seconds) { uv_tcp_keepalive(&socket_->tcp, 1, seconds); }

void Stream::SetSendTimeout(unsigned milliseconds) {
  setsockopt(Descriptor(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

sockaddr_storage Stream::LocalAddress() const {
  sockaddr_storage address{};
  int size = sizeof address;
  uv_tcp_getsockname(&socket_->tcp, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

sockaddr_storage Stream::RemoteAddress() const {
  sockaddr_storage address{};
  int size = sizeof address;
  uv_tcp_getpeername(&socket_->tcp, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

std::optional<int> Stream::Duplicate() const {
  assert(!socket_->writing);
  const int duplicate = fcntl(Descriptor(), F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) return std::nullopt;
  return duplicate;
}

int Stream::Descriptor() const {
  uv_os_fd_t descriptor = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(&socket_->tcp), &descriptor);
  return descriptor;
}

}  // namespace quorate
