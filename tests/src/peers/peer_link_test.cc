// A member's connection to another is given up and made anew when it no longer works, without a
// word from the other side: the kernel by itself would be patient for many minutes.
#include "src/peers/peer_link.h"

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
#include <vector>

namespace quorate {
namespace {

using consensus::AppendEntries;
using consensus::Entry;
using consensus::FrameDecoder;
using consensus::Heartbeat;
using consensus::Hello;
using consensus::HelloReply;
using consensus::Index;
using consensus::Message;
using consensus::NodeId;
using consensus::Payload;
using consensus::Start;
using consensus::Statement;
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
    options.process = 9;
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

  static void Write(const Descriptor& connection, std::string_view bytes) {
    ASSERT_EQ(send(connection.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string Encode(const HelloReply& reply) {
    consensus::FrameBuffer frames;
    frames.Add(reply);
    std::vector<std::string_view> pieces;
    frames.AppendPieces(&pieces);
    return std::string(pieces.at(0));
  }
  // Takes the Hello and answers it. The link has said its Statement then.
  void Welcome(const Descriptor& connection, FrameDecoder* decoder) {
    const FrameDecoder::Result first = Receive(connection, decoder);
    ASSERT_TRUE(std::holds_alternative<Hello>(first));
    EXPECT_EQ(std::get<Hello>(first), kHello);
    link_->Send(Heartbeat{Term(1), Index(2), 3});  // too early: it is not sent
    Write(connection, Encode({.welcome = {.nonce = ++nonce_}}));
    Until([&] { return link_->connected(); });
    EXPECT_EQ(link_->nonce(), nonce_);
    EXPECT_EQ(link_->said(), Start());
    link_->Send(Heartbeat{Term(1), Index(2), 4});
    const Statement statement{.nonce = nonce_, .starts = {{1, 6}}};
    link_->Say(statement);
    EXPECT_EQ(link_->said(), (Start{1, 6}));
    const FrameDecoder::Result second = Receive(connection, decoder);
    ASSERT_TRUE(std::holds_alternative<Statement>(second));
    EXPECT_EQ(std::get<Statement>(second), statement);
  }

  static inline const Hello kHello{
      .cluster_id = 5, .from = NodeId(1), .to = NodeId(2), .process = 9};

  uint64_t nonce_ = 0;
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
    FrameDecoder decoder;
    Welcome(accepted, &decoder);
    EXPECT_EQ(link_->peer().peer_port, there.peer_port);
    peer_ = there;
  }
}

TEST_F(PeerLinkTest, SaysWhoItIsFirst_OnEachConnection) {
  Connect({});
  for (int i = 0; i < 3; ++i) {
    const Descriptor connection = Accept();
    FrameDecoder decoder;
    Welcome(connection, &decoder);
    link_->Send(Heartbeat{Term(3), Index(4), 5});
    const FrameDecoder::Result second = Receive(connection, &decoder);
    ASSERT_TRUE(std::holds_alternative<Message>(second));
    EXPECT_EQ(std::get<Message>(second), Message(Heartbeat{Term(3), Index(4), 5}));
    // Closed by this side: another one is made.
  }
}

// The peer is judged by what was known when it was asked.
TEST_F(PeerLinkTest, TheWelcomeComesWithWhatWasKnownBefore) {
  std::vector<consensus::Expectation> expected;
  std::vector<std::pair<consensus::Expectation, consensus::Welcome>> welcomes;
  PeerLink::Options options;
  options.expect = [&] {
    expected.push_back({.noted = {expected.size() + 1, 5}});
    return expected.back();
  };
  options.welcomed = [&](const consensus::Expectation& expectation,
                         const consensus::Welcome& welcome) {
    welcomes.emplace_back(expectation, welcome);
    return std::string();
  };
  Connect(std::move(options));
  for (size_t i = 1; i <= 2; ++i) {
    const Descriptor connection = Accept();
    FrameDecoder decoder;
    Welcome(connection, &decoder);
    ASSERT_EQ(welcomes.size(), i);
    EXPECT_EQ(welcomes.back().first.noted, (Start{i, 5}));
    EXPECT_EQ(welcomes.back().second, (consensus::Welcome{.nonce = nonce_}));
  }
}

// As a member that has lost data.
TEST_F(PeerLinkTest, APeerWhoseWelcomeIsNotGoodEnoughIsLeft) {
  int judged = 0;
  PeerLink::Options options;
  options.welcomed = [&](const consensus::Expectation&, const consensus::Welcome&) {
    return std::string(++judged == 1 ? "it has lost data" : "");
  };
  Connect(std::move(options));
  {
    const Descriptor connection = Accept();
    Write(connection, Encode({}));
    Until([&] { return judged == 1; });
    EXPECT_FALSE(link_->connected());
  }
  const Descriptor connection = Accept();
  FrameDecoder decoder;
  Welcome(connection, &decoder);
}

TEST_F(PeerLinkTest, OnlyAWelcomeOfThisVersionIsOne) {
  Connect({});
  HelloReply later;
  later.abilities.version_min = later.abilities.version_max = consensus::kProtocolVersion + 1;
  std::string damaged = Encode({});
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  for (const std::string& answer : {Encode(later), damaged, std::string(8, '\0')}) {
    const Descriptor connection = Accept();
    Write(connection, answer);
  }
  const Descriptor connection = Accept();
  FrameDecoder decoder;
  Welcome(connection, &decoder);
}

TEST_F(PeerLinkTest, AWelcomeMayComeInPieces) {
  Connect({});
  const Descriptor connection = Accept();
  const std::string welcome = Encode({.welcome = {.nonce = 3}});
  int rounds = 0;
  for (const char byte : welcome) {
    EXPECT_FALSE(link_->connected());
    Write(connection, {&byte, 1});
    rounds = 0;
    Until([&] { return ++rounds > 3; });
  }
  Until([&] { return link_->connected(); });
  EXPECT_EQ(link_->nonce(), 3U);
}

// A process that is stopped: its kernel accepts connections for it.
TEST_F(PeerLinkTest, APeerThatDoesNotAnswerIsTriedAgain) {
  PeerLink::Options options;
  options.connect_timeout_ms = 50;
  Connect(std::move(options));
  const Descriptor silent = Accept();
  const Descriptor connection = Accept();
  FrameDecoder decoder;
  Welcome(connection, &decoder);
}

// At once, or when it has seen the Statement.
TEST_F(PeerLinkTest, ARefusalIsPassedOnAsText) {
  std::string reason;
  PeerLink::Options options;
  options.refused = [&](const std::string& text) { reason = text; };
  Connect(std::move(options));
  for (const bool at_once : {true, false}) {
    reason.clear();
    const Descriptor connection = Accept();
    FrameDecoder decoder;
    if (!at_once) Welcome(connection, &decoder);
    Write(connection, "TWIN another process\n");
    Until([&] { return !reason.empty(); });
    EXPECT_EQ(reason, "TWIN another process");
    EXPECT_FALSE(link_->connected());
  }
}

// What it learns before it may speak, too: the other side has to compare.
TEST_F(PeerLinkTest, SaysHelloAgainAtAnyTime) {
  consensus::FoundingId founding;
  PeerLink::Options options;
  options.founding = [&] { return founding; };
  Connect(std::move(options));
  const Descriptor connection = Accept();
  FrameDecoder decoder;
  ASSERT_EQ(std::get<Hello>(Receive(connection, &decoder)), kHello);
  founding = consensus::FoundingId(4);
  link_->SayHelloAgain();
  Hello again = kHello;
  again.founding = founding;
  EXPECT_EQ(std::get<Hello>(Receive(connection, &decoder)), again);
}

TEST_F(PeerLinkTest, PassesOnWhatOthersHaveSaid_OnceConnected) {
  const Hello other = {5, NodeId(3), NodeId(2), "there:1@2"};
  Connect({});
  link_->PassOn({5, NodeId(4), NodeId(2), "nobody:1@2"});  // there is no connection yet
  for (int i = 0; i < 2; ++i) {
    const Descriptor connection = Accept();
    FrameDecoder decoder;
    Welcome(connection, &decoder);
    link_->PassOn(other);
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
  FrameDecoder deaf_decoder;
  Welcome(deaf, &deaf_decoder);
  // More than the kernel has room for.
  link_->Send(Large());
  Until([&] { return !link_->connected(); });
  link_->Send(Heartbeat{Term(3), Index(4), 5});

  const Descriptor connection = Accept();
  FrameDecoder decoder;
  Welcome(connection, &decoder);
  link_->Send(Heartbeat{Term(6), Index(7), 8});
  const FrameDecoder::Result message = Receive(connection, &decoder);
  ASSERT_TRUE(std::holds_alternative<Message>(message));
  EXPECT_EQ(std::get<Message>(message), Message(Heartbeat{Term(6), Index(7), 8}));
}

}  // namespace
}  // namespace quorate
