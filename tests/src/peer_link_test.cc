// A member's connection to another is given up and made anew when it no longer works, without a
// word from the other side: the kernel by itself would be patient for many minutes.
#include "src/peer_link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace quorate {
namespace {

using consensus::AppendEntries;
using consensus::Entry;
using consensus::FrameDecoder;
using consensus::Heartbeat;
using consensus::Hello;
using consensus::Index;
using consensus::Message;
using consensus::NodeId;
using consensus::Payload;
using consensus::Term;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

class PeerLinkTest : public testing::Test {
 protected:
  PeerLinkTest() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    spdlog::set_level(spdlog::level::off);
    uv_loop_init(&loop_);
    // Wakes the loop, to look for what it does not see itself.
    uv_timer_init(&loop_, &timer_);
    uv_timer_start(
        &timer_, [](uv_timer_t*) {}, 1, 1);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_.number(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.number(), 8), 0);
    EXPECT_EQ(getsockname(listener_.number(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    peer_ = {2, "127.0.0.1", 7002, ntohs(address.sin_port)};
  }
  ~PeerLinkTest() override {
    link_.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  void Connect(PeerLink::Options options) {
    options.cluster_id = 5;
    options.node_id = 1;
    link_ = std::make_unique<PeerLink>(&loop_, peer_, std::move(options));
    link_->Connect();
  }

  // Runs the loop until then. A generous limit makes a hang a failure.
  template <typename Condition>
  void Until(const Condition& condition) {
    const uint64_t end_ms = uv_now(&loop_) + 60'000;
    while (!condition()) {
      ASSERT_LT(uv_now(&loop_), end_ms) << "waited in vain";
      link_->EndRound();
      uv_run(&loop_, UV_RUN_ONCE);
    }
  }

  // Nobody listens there.
  static uint16_t FreePort() {
    const Descriptor taken(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(taken.number(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(taken.number(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    return ntohs(address.sin_port);
  }

  Descriptor Accept() {
    Descriptor accepted(-1);
    Until([&] {
      accepted = Descriptor(accept4(listener_.number(), nullptr, nullptr, SOCK_NONBLOCK));
      return accepted.open();
    });
    return accepted;
  }

  // The next frame on a connection.
  FrameDecoder::Result Receive(const Descriptor& connection, FrameDecoder* decoder) {
    FrameDecoder::Result result = FrameDecoder::NeedMore();
    Until([&] {
      // Byte by byte: what follows the frame stays for later.
      char byte = 0;
      ssize_t size = 0;
      while ((size = recv(connection.number(), &byte, 1, 0)) > 0) {
        std::string_view input(&byte, 1);
        result = decoder->Next(&input);
        if (!std::holds_alternative<FrameDecoder::NeedMore>(result)) return true;
      }
      EXPECT_EQ(size, -1) << "closed";
      EXPECT_EQ(errno, EAGAIN);
      return false;
    });
    return result;
  }

  uv_loop_t loop_;
  uv_timer_t timer_;
  Descriptor listener_;
  Member peer_;
  std::unique_ptr<PeerLink> link_;
};

Message Large() {
  AppendEntries append{Term(1), Index(), Term(), consensus::Chain(), Index(), {}};
  Entry entry;
  entry.term = Term(1);
  entry.index = Index(1);
  entry.payload = Payload(std::string(size_t{16} << 20, 'x'));
  append.entries.push_back(std::move(entry));
  return append;
}

// Others may have an old address of the peer, or a newer one than this node.
TEST_F(PeerLinkTest, TriesInTurnWhereItMayBe) {
  for (const bool others_are_right : {true, false}) {
    Member nowhere = peer_;
    nowhere.peer_port = FreePort();
    const Member there = peer_;
    if (others_are_right) peer_ = nowhere;
    Connect({});
    link_->MayAlsoBeAt(others_are_right ? there : nowhere);
    const Descriptor accepted = Accept();
    Until([&] { return link_->connected(); });
    EXPECT_EQ(link_->peer().peer_port, there.peer_port);
    peer_ = there;
  }
}

TEST_F(PeerLinkTest, SaysWhoItIsFirst_OnEachConnection) {
  Connect({});
  for (int i = 0; i < 3; ++i) {
    const Descriptor connection = Accept();
    FrameDecoder decoder;
    const FrameDecoder::Result first = Receive(connection, &decoder);
    ASSERT_TRUE(std::holds_alternative<Hello>(first));
    EXPECT_EQ(std::get<Hello>(first), (Hello{5, NodeId(1), NodeId(2)}));
    link_->Send(Heartbeat{Term(3), Index(4), 5});
    const FrameDecoder::Result second = Receive(connection, &decoder);
    ASSERT_TRUE(std::holds_alternative<Message>(second));
    EXPECT_EQ(std::get<Message>(second), Message(Heartbeat{Term(3), Index(4), 5}));
    // Closed by this side: another one is made.
  }
}

TEST_F(PeerLinkTest, PassesOnWhatOthersHaveSaid_OnceConnected) {
  const Hello other = {5, NodeId(3), NodeId(2), "there:1@2"};
  PeerLink::Options options;
  options.connected = [&] { link_->PassOn(other); };
  Connect(std::move(options));
  link_->PassOn({5, NodeId(4), NodeId(2), "nobody:1@2"});  // there is no connection yet
  for (int i = 0; i < 2; ++i) {
    const Descriptor connection = Accept();
    FrameDecoder decoder;
    ASSERT_TRUE(std::holds_alternative<Hello>(Receive(connection, &decoder)));
    const FrameDecoder::Result second = Receive(connection, &decoder);
    ASSERT_TRUE(std::holds_alternative<Hello>(second));
    EXPECT_EQ(std::get<Hello>(second), other);
  }
}

// A process that is stopped, or a network that is cut: what is sent is not taken, and nobody says
// so. What was to be sent meanwhile is not sent later: it would be old.
TEST_F(PeerLinkTest, APeerThatTakesNothingIsGivenUp) {
  PeerLink::Options options;
  options.send_timeout_ms = 200;
  Connect(std::move(options));
  const Descriptor deaf = Accept();
  Until([&] { return link_->connected(); });
  // More than the kernel has room for.
  link_->Send(Large());
  Until([&] { return !link_->connected(); });
  link_->Send(Heartbeat{Term(3), Index(4), 5});

  const Descriptor connection = Accept();
  FrameDecoder decoder;
  ASSERT_TRUE(std::holds_alternative<Hello>(Receive(connection, &decoder)));
  link_->Send(Heartbeat{Term(6), Index(7), 8});
  const FrameDecoder::Result message = Receive(connection, &decoder);
  ASSERT_TRUE(std::holds_alternative<Message>(message));
  EXPECT_EQ(std::get<Message>(message), Message(Heartbeat{Term(6), Index(7), 8}));
}

}  // namespace
}  // namespace quorate
