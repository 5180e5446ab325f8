// Real connections over the loopback interface: what arrives, what is left to send, and who is
// called when the other side, or the owner itself, has gone.
#include "src/net/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "src/net/loop.h"
#include "src/net/uv_support.h"
#include "tests/src/net/listener.h"

namespace quorate {
namespace {

// More than the kernel takes for a connection whose other side reads nothing.
constexpr size_t kLarge = 32 << 20;

// Bytes that are not the same at any two places nearby.
std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 1;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

// The other end of a connection, without libuv.
class Other {
 public:
  explicit Other(int descriptor) : descriptor_(descriptor) {}
  ~Other() { Close(); }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;

  int descriptor() const { return descriptor_; }
  // As much as the kernel takes.
  size_t Send(std::string_view bytes) const {
    const ssize_t size = send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return size < 0 ? 0 : static_cast<size_t>(size);
  }
  // What is there.
  std::string Receive() {
    std::string bytes(1 << 20, '\0');
    const ssize_t size = recv(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size == 0) ended_ = true;
    if (size < 0 && errno != EAGAIN) broken_ = true;
    bytes.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return bytes;
  }
  bool ended() const { return ended_; }
  bool broken() const { return broken_; }
  void EndSending() const { shutdown(descriptor_, SHUT_WR); }
  void Close() {
    if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
  }
  // Without the courtesies: the kernel answers with a reset from now on.
  void Reset() {
    const linger at_once{1, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    Close();
  }

 private:
  int descriptor_;
  bool ended_ = false;
  bool broken_ = false;
};

// Notes what it is called with, and does what a test wants then.
class Recorder final : public Stream::Owner {
 public:
  std::string received;
  int ends = 0;
  int all_sent = 0;
  std::vector<std::string> broken;
  std::function<void(std::string_view bytes)> on_received = [](std::string_view) {};
  std::function<void()> on_end = [] {};
  std::function<void()> on_broken = [] {};
  std::function<void()> on_all_sent = [] {};

  size_t calls() const {
    return receptions_ + static_cast<size_t>(ends + all_sent) + broken.size();
  }

 private:
  void OnReceived(std::string_view bytes) override {
    EXPECT_FALSE(bytes.empty());
    ++receptions_;
    received += bytes;
    on_received(bytes);
  }
  void OnEnd() override {
    ++ends;
    on_end();
  }
  void OnBroken(const std::string& reason) override {
    broken.push_back(reason);
    on_broken();
  }
  void OnAllSent() override {
    ++all_sent;
    on_all_sent();
  }

  size_t receptions_ = 0;
};

// The two ends of a connection, one of them a stream.
struct Connection {
  explicit Connection(Loop& loop) {
    const Listener listener("127.0.0.1");
    sockaddr_storage address = AddressOf("127.0.0.1", listener.port());
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(sockaddr_in)),
              0);
    other = std::make_unique<Other>(
        accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    stream = Stream(loop, descriptor);
    port = listener.port();
  }

  Recorder owner;
  Stream stream;
  std::unique_ptr<Other> other;
  uint16_t port = 0;
};

class StreamTest : public testing::Test {
 protected:
  StreamTest() : connection_(loop_) {
    std::signal(SIGPIPE, SIG_IGN);
    // Wakes the loop, to look for what it does not see itself.
    uv_timer_init(loop_.uv(), &timer_);
    uv_timer_start(
        &timer_, [](uv_timer_t*) {}, 1, 1);
  }
  ~StreamTest() override { uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr); }

  void Turn() { uv_run(loop_.uv(), UV_RUN_ONCE); }
  // Runs the loop until then. A generous limit makes a hang a failure.
  template <typename Condition>
  void Until(const Condition& condition) {
    const uint64_t end_ms = loop_.now_ms() + 60'000;
    while (!condition()) {
      ASSERT_LT(loop_.now_ms(), end_ms) << "waited in vain";
      Turn();
    }
  }
  // Long enough for what is under way to happen.
  void SomeTurns() {
    for (int i = 0; i < 20; ++i) Turn();
  }
  // What the other side receives, until these are so many bytes.
  std::string ReceiveAll(size_t size) {
    std::string received;
    Until([&] {
      received += connection_.other->Receive();
      return received.size() >= size;
    });
    return received;
  }

  Loop loop_;
  uv_timer_t timer_;
  Connection connection_;
  Recorder& owner_ = connection_.owner;
  Stream& stream_ = connection_.stream;
  Other& other_ = *connection_.other;
};

TEST_F(StreamTest, HandsOutWhatArrives) {
  stream_.Start(owner_);
  const std::string sent = Bytes(300'000);
  std::string_view rest = sent;
  Until([&] {
    rest.remove_prefix(other_.Send(rest));
    return owner_.received.size() == sent.size();
  });
  EXPECT_EQ(owner_.received, sent);
  EXPECT_TRUE(owner_.broken.empty());
}

// One system call, no callback, and the memory is used again.
TEST_F(StreamTest, WhatTheKernelTakesAtOnceIsDoneWith) {
  stream_.Start(owner_);
  std::string bytes = Bytes(1000);
  const std::string sent = bytes;
  const char* const memory = bytes.data();
  EXPECT_EQ(stream_.Write(&bytes), 1000U);
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(bytes.data(), memory);
  EXPECT_GE(bytes.capacity(), 1000U);
  EXPECT_FALSE(stream_.writing());
  EXPECT_EQ(stream_.unsent_bytes(), 0U);
  EXPECT_EQ(ReceiveAll(1000), sent);
  SomeTurns();
  EXPECT_EQ(owner_.calls(), 0U);
}

TEST_F(StreamTest, NothingToWriteIsNothingToWaitFor) {
  stream_.Start(owner_);
  std::string bytes;
  EXPECT_EQ(stream_.Write(&bytes), 0U);
  const std::vector<std::string_view> pieces = {"", ""};
  EXPECT_EQ(stream_.Write(pieces, nullptr), 0U);
  EXPECT_FALSE(stream_.writing());
}

TEST_F(StreamTest, WhatTheKernelDoesNotTakeIsSentLater) {
  stream_.Start(owner_);
  const std::string sent = Bytes(kLarge);
  std::string bytes = sent;
  const size_t taken = stream_.Write(&bytes);
  EXPECT_GT(taken, 0U);
  ASSERT_LT(taken, kLarge);
  EXPECT_TRUE(bytes.empty());
  EXPECT_TRUE(stream_.writing());
  EXPECT_EQ(stream_.unsent_bytes(), kLarge - taken);

  // Progress can be seen before all is sent.
  std::string received;
  Until([&] {
    received += other_.Receive();
    return stream_.unsent_bytes() < kLarge - taken;
  });
  EXPECT_GT(stream_.unsent_bytes(), 0U);
  EXPECT_EQ(owner_.all_sent, 0);

  Until([&] {
    received += other_.Receive();
    return owner_.all_sent > 0;
  });
  EXPECT_FALSE(stream_.writing());
  EXPECT_EQ(stream_.unsent_bytes(), 0U);
  received += ReceiveAll(kLarge - received.size());
  EXPECT_TRUE(received == sent);
  SomeTurns();
  EXPECT_EQ(owner_.calls(), 1U);
}

TEST_F(StreamTest, TheOwnerGoesOnWhenAllIsSent) {
  stream_.Start(owner_);
  std::string expected;
  owner_.on_all_sent = [&] {
    std::string bytes = "the end";
    if (owner_.all_sent < 3) bytes = Bytes(kLarge / 4);
    expected += bytes;
    stream_.Write(&bytes);
  };
  std::string bytes = Bytes(kLarge);
  expected = bytes;
  stream_.Write(&bytes);
  std::string received;
  Until([&] {
    received += other_.Receive();
    return received.ends_with("the end");
  });
  EXPECT_TRUE(received == expected);
}

// With more pieces than the system takes with one call (IOV_MAX), and none copied.
TEST_F(StreamTest, PiecesAreSentInOrder_AndKeptUntilThen) {
  stream_.Start(owner_);
  const auto small = std::make_shared<const std::string>(Bytes(3000));
  std::vector<std::string_view> pieces;
  for (size_t i = 0; i < 3000; ++i) pieces.push_back(std::string_view(*small).substr(i, 1));
  const size_t taken = stream_.Write(pieces, small);
  EXPECT_EQ(taken < 3000, stream_.writing());
  EXPECT_EQ(ReceiveAll(3000), *small);
  Until([&] { return !stream_.writing(); });
  EXPECT_EQ(small.use_count(), 1);

  auto large = std::make_shared<const std::string>(Bytes(kLarge));
  const std::string sent = *large;
  const std::weak_ptr<const std::string> kept = large;
  pieces.clear();
  for (size_t at = 0; at < kLarge; at += 100'003) {
    pieces.push_back(std::string_view(*large).substr(at, 100'003));
  }
  ASSERT_LT(stream_.Write(pieces, large), kLarge);
  large.reset();
  EXPECT_FALSE(kept.expired());
  EXPECT_TRUE(ReceiveAll(kLarge) == sent);
  Until([&] { return !stream_.writing(); });
  EXPECT_TRUE(kept.expired());
}

TEST_F(StreamTest, WhatWasNotSentIsDroppedWithTheStream) {
  stream_.Start(owner_);
  auto bytes = std::make_shared<const std::string>(Bytes(kLarge));
  const std::weak_ptr<const std::string> kept = bytes;
  const std::vector<std::string_view> pieces = {*bytes};
  const size_t taken = stream_.Write(pieces, bytes);
  ASSERT_LT(taken, kLarge);
  bytes.reset();
  stream_.Close();
  EXPECT_FALSE(stream_);
  Until([&] { return kept.expired(); });
  std::string received;
  Until([&] {
    received += other_.Receive();
    return other_.ended();
  });
  EXPECT_EQ(received.size(), taken);
  EXPECT_EQ(owner_.calls(), 0U);
}

// The kernel stops the other side when its own buffers are full.
TEST_F(StreamTest, NothingIsReadUntilTheOwnerWants) {
  stream_.Start(owner_);
  stream_.StopReading();
  stream_.StopReading();
  const std::string sent = Bytes(kLarge);
  size_t size = 0;
  for (int without = 0; without < 20;) {
    const size_t more = other_.Send(std::string_view(sent).substr(size));
    size += more;
    without = more > 0 ? 0 : without + 1;
    Turn();
  }
  ASSERT_LT(size, kLarge);
  EXPECT_EQ(owner_.calls(), 0U);

  // As often as the owner likes, in the midst of what has arrived.
  owner_.on_received = [&](std::string_view) { stream_.StopReading(); };
  for (int i = 0; i < 3; ++i) {
    const size_t before = owner_.calls();
    stream_.StartReading();
    stream_.StartReading();
    Until([&] { return owner_.calls() > before; });
    SomeTurns();
    EXPECT_EQ(owner_.calls(), before + 1);
  }
  owner_.on_received = [](std::string_view) {};
  stream_.StartReading();
  Until([&] {
    size += other_.Send(std::string_view(sent).substr(size));
    return owner_.received.size() == kLarge;
  });
  EXPECT_TRUE(owner_.received == sent);
}

TEST_F(StreamTest, WhoSendsWithoutEndDoesNotKeepOthersWaiting) {
  Connection patient(loop_);
  patient.stream.Start(patient.owner);
  stream_.Start(owner_);
  size_t in_turn = 0;
  size_t in_turn_max = 0;
  owner_.on_received = [&](std::string_view bytes) {
    owner_.received.clear();
    in_turn += bytes.size();
    in_turn_max = std::max(in_turn_max, in_turn);
  };
  std::thread flood([&] {
    const std::string bytes = Bytes(1 << 20);
    const int flags = fcntl(other_.descriptor(), F_GETFL);
    fcntl(other_.descriptor(), F_SETFL, flags & ~O_NONBLOCK);
    while (send(other_.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  for (int turn = 0; turn < 200; ++turn) {
    in_turn = 0;
    EXPECT_EQ(patient.other->Send("x"), 1U);
    Turn();
  }
  EXPECT_LE(in_turn_max, Stream::kReceivedBytesMax);
  EXPECT_GT(patient.owner.received.size(), 0U);
  stream_.Close();
  Turn();
  flood.join();
}

TEST_F(StreamTest, AnEndLeavesTheOtherDirectionOpen) {
  stream_.Start(owner_);
  ASSERT_EQ(other_.Send("last words"), 10U);
  other_.EndSending();
  Until([&] { return owner_.ends > 0; });
  EXPECT_EQ(owner_.received, "last words");
  std::string answer = "the answer";
  stream_.Write(&answer);
  EXPECT_EQ(ReceiveAll(10), "the answer");
  // There is only one end.
  stream_.StopReading();
  stream_.StartReading();
  SomeTurns();
  EXPECT_EQ(owner_.ends, 1);
  EXPECT_TRUE(owner_.broken.empty());
}

TEST_F(StreamTest, AnEndIsAFailureForWhoHasNothingToSayThen) {
  struct Speaker final : Stream::Owner {
    void OnReceived(std::string_view) override {}
    void OnBroken(const std::string& reason) override { broken = reason; }
    void OnAllSent() override {}
    std::string broken;
  };
  Speaker owner;
  stream_.Start(owner);
  other_.EndSending();
  Until([&] { return !owner.broken.empty(); });
  EXPECT_EQ(owner.broken, "end of file (EOF)");
}

TEST_F(StreamTest, AResetIsToldOnce) {
  stream_.Start(owner_);
  other_.Reset();
  Until([&] { return !owner_.broken.empty(); });
  SomeTurns();
  EXPECT_EQ(owner_.broken, std::vector<std::string>{"connection reset by peer (ECONNRESET)"});
  EXPECT_EQ(owner_.calls(), 1U);
}

TEST_F(StreamTest, AResetWhileThereIsMoreToSendIsToldOnce) {
  for (const bool reads : {true, false}) {
    Connection connection(loop_);
    connection.stream.Start(connection.owner);
    if (!reads) connection.stream.StopReading();
    std::string bytes = Bytes(kLarge);
    ASSERT_LT(connection.stream.Write(&bytes), kLarge);
    connection.other->Reset();
    Until([&] { return !connection.owner.broken.empty(); });
    SomeTurns();
    EXPECT_EQ(connection.owner.broken.size(), 1U);
    EXPECT_EQ(connection.owner.calls(), 1U);
  }
}

// Who does not read learns of it by writing, and not in the midst of that.
TEST_F(StreamTest, AFailedWriteIsToldLater_AsItFailedFirst) {
  stream_.Start(owner_);
  stream_.StopReading();
  other_.Reset();
  SomeTurns();
  EXPECT_EQ(owner_.calls(), 0U);
  std::string bytes = "x";
  EXPECT_EQ(stream_.Write(&bytes), 0U);
  EXPECT_TRUE(owner_.broken.empty());
  Until([&] { return !owner_.broken.empty(); });
  SomeTurns();
  EXPECT_EQ(owner_.broken, std::vector<std::string>{"connection reset by peer (ECONNRESET)"});
  EXPECT_EQ(owner_.calls(), 1U);
}

TEST_F(StreamTest, MayBeClosedWhenItHasReceived) {
  stream_.Start(owner_);
  owner_.on_received = [&](std::string_view) { stream_.Close(); };
  // More than one call's worth, and the end behind it.
  ASSERT_EQ(other_.Send(Bytes(200'000)), 200'000U);
  other_.EndSending();
  Until([&] { return owner_.calls() > 0; });
  SomeTurns();
  EXPECT_EQ(owner_.calls(), 1U);
}

TEST_F(StreamTest, MayBeClosedAtTheEnd_WithBytesUnsent) {
  stream_.Start(owner_);
  owner_.on_end = [&] { stream_.Close(); };
  std::string bytes = Bytes(kLarge);
  ASSERT_LT(stream_.Write(&bytes), kLarge);
  other_.EndSending();
  Until([&] { return owner_.calls() > 0; });
  SomeTurns();
  EXPECT_EQ(owner_.calls(), 1U);
  EXPECT_EQ(owner_.ends, 1);
}

TEST_F(StreamTest, MayBeClosedWhenItBreaks_ByReadingOrByWriting) {
  for (const bool reads : {true, false}) {
    Connection connection(loop_);
    connection.stream.Start(connection.owner);
    connection.owner.on_broken = [&] { connection.stream.Close(); };
    if (!reads) connection.stream.StopReading();
    std::string bytes = Bytes(kLarge);
    ASSERT_LT(connection.stream.Write(&bytes), kLarge);
    connection.other->Reset();
    Until([&] { return connection.owner.calls() > 0; });
    SomeTurns();
    EXPECT_EQ(connection.owner.calls(), 1U);
    EXPECT_EQ(connection.owner.broken.size(), 1U);
  }
}

TEST_F(StreamTest, MayBeClosedWhenAllIsSent) {
  stream_.Start(owner_);
  owner_.on_all_sent = [&] { stream_.Close(); };
  std::string bytes = Bytes(kLarge);
  const std::string sent = bytes;
  ASSERT_LT(stream_.Write(&bytes), kLarge);
  std::string received;
  Until([&] {
    received += other_.Receive();
    return other_.ended();
  });
  // It closed what it had sent, and not what was still to be sent.
  EXPECT_TRUE(received == sent);
  EXPECT_EQ(owner_.calls(), 1U);
}

// With the stream, its owner goes.
TEST_F(StreamTest, TheOwnerMayBeGoneAfterAnyCall) {
  for (const std::string call : {"received", "end", "broken"}) {
    auto connection = std::make_unique<Connection>(loop_);
    const std::unique_ptr<Other> other = std::move(connection->other);
    connection->stream.Start(connection->owner);
    connection->owner.on_received = [&](std::string_view) { connection.reset(); };
    connection->owner.on_end = [&] { connection.reset(); };
    connection->owner.on_broken = [&] { connection.reset(); };
    if (call == "received") other->Send(Bytes(200'000));
    if (call == "end") other->EndSending();
    if (call == "broken") other->Reset();
    Until([&] { return connection == nullptr; });
    SomeTurns();
  }
}

TEST_F(StreamTest, AMovedStreamIsTheSameConnection) {
  stream_.Start(owner_);
  Stream moved = std::move(stream_);
  EXPECT_TRUE(moved);
  EXPECT_FALSE(stream_);
  ASSERT_EQ(other_.Send("x"), 1U);
  Until([&] { return owner_.received == "x"; });
  // An assignment closes what was there before.
  moved = Stream();
  Until([&] {
    other_.Receive();
    return other_.ended();
  });
}

TEST_F(StreamTest, KnowsBothAddresses) {
  EXPECT_EQ(FormatAddress(stream_.RemoteAddress()),
            "127.0.0.1:" + std::to_string(connection_.port));
  sockaddr_storage seen{};
  socklen_t size = sizeof seen;
  ASSERT_EQ(getpeername(other_.descriptor(), reinterpret_cast<sockaddr*>(&seen), &size), 0);
  EXPECT_EQ(FormatAddress(stream_.LocalAddress()), FormatAddress(seen));
  // One that was reset has none.
  other_.Reset();
  stream_.Start(owner_);
  Until([&] { return !owner_.broken.empty(); });
  EXPECT_EQ(FormatAddress(stream_.RemoteAddress()), "?:0");
}

TEST_F(StreamTest, ADuplicateOutlivesTheStream) {
  stream_.Start(owner_);
  const std::optional<int> duplicate = stream_.Duplicate();
  ASSERT_TRUE(duplicate);
  stream_.Close();
  SomeTurns();
  Recorder successor;
  Stream second(loop_, *duplicate);
  second.Start(successor);
  ASSERT_EQ(other_.Send("to the second"), 13U);
  Until([&] { return successor.received == "to the second"; });
  std::string answer = "from the second";
  second.Write(&answer);
  EXPECT_EQ(ReceiveAll(15), "from the second");
  EXPECT_EQ(owner_.calls(), 0U);
}

TEST_F(StreamTest, SetsWhatTheKernelIsToDo) {
  stream_.SetKeepAlive(77);
  stream_.SetSendTimeout(4321);
  const Other same(stream_.Duplicate().value());
  const auto option = [&](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(same.descriptor(), level, name, &value, &size), 0);
    return value;
  };
  EXPECT_NE(option(IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(option(SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 77);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
}

}  // namespace
}  // namespace quorate
