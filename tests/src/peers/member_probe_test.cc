// What answers at an address is asked before it is added to a cluster.
#include "src/peers/member_probe.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "src/peers/peer_refusal.h"
#include "tests/src/net/listener.h"

namespace quorate {
namespace {

using Kind = ProbeAnswer::Kind;

class MemberProbeTest : public testing::Test {
 protected:
  MemberProbeTest() {
    uv_loop_init(&loop_);
    uv_timer_init(&loop_, &timer_);
    timer_.data = this;
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<MemberProbeTest*>(timer->data)->Serve(); }, 1,
        1);
  }
  ~MemberProbeTest() override {
    for (const int descriptor : accepted_) close(descriptor);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  // Until there is an answer.
  ProbeAnswer Ask(uint64_t timeout_ms, unsigned attempt_ms = 1000) {
    Member place;
    place.host = "127.0.0.1";
    place.peer_port = port_;
    MemberProbe::Options options;
    options.hello.cluster_id = 5U;
    options.hello.from = consensus::NodeId(1);
    options.timeout_ms = timeout_ms;
    options.attempt_ms = attempt_ms;
    options.retry_ms = 5;
    std::optional<ProbeAnswer> answer;
    MemberProbe probe(&loop_, place, options, [&](const ProbeAnswer& given) {
      EXPECT_FALSE(answer);
      answer = given;
    });
    probe.Start();
    while (!answer) uv_run(&loop_, UV_RUN_ONCE);
    EXPECT_TRUE(probe.ended());
    return *answer;
  }

  // What each connection is answered with, the last one again and again. Empty: nothing, for ever.
  std::vector<std::string> lines_;
  // Not listening before that many rounds of the loop.
  int rounds_without_ = 0;
  std::vector<consensus::Hello> hellos_;

 private:
  void Serve() {
    if (rounds_without_-- > 0) return;
    if (!listener_) listener_.emplace("127.0.0.1", port_);
    if (const int accepted = accept(listener_->descriptor(), nullptr, nullptr); accepted >= 0) {
      accepted_.push_back(accepted);
    }
    // Each is asked once, one after the other.
    if (hellos_.size() == accepted_.size()) return;
    const int descriptor = accepted_[hellos_.size()];
    std::vector<char> bytes(4096);
    const ssize_t size = recv(descriptor, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0) return;  // it has not said Hello yet
    ASSERT_GT(size, 0);
    consensus::FrameDecoder decoder;
    std::string_view rest(bytes.data(), static_cast<size_t>(size));
    const auto result = decoder.Next(&rest);
    ASSERT_TRUE(std::holds_alternative<consensus::Hello>(result));
    hellos_.push_back(std::get<consensus::Hello>(result));
    const std::string line = lines_[std::min(hellos_.size(), lines_.size()) - 1];
    if (line.empty()) return;
    ASSERT_EQ(send(descriptor, line.data(), line.size(), 0), static_cast<ssize_t>(line.size()));
    shutdown(descriptor, SHUT_RDWR);
  }

  uv_loop_t loop_;
  uv_timer_t timer_;
  // A port that is free while nobody listens.
  const uint16_t port_ = Listener("127.0.0.1").port();
  std::optional<Listener> listener_;
  std::vector<int> accepted_;
};

TEST_F(MemberProbeTest, AnEmptyNodeSaysSo) {
  lines_ = {EmptyLine(77, "this is node 1 of cluster 9") + '\n'};
  EXPECT_EQ(Ask(5000).kind, Kind::kEmpty);
  ASSERT_EQ(hellos_.size(), 1U);
  EXPECT_EQ(hellos_[0].to, kNobody);
  EXPECT_EQ(hellos_[0].folder, 0U);
  EXPECT_EQ(hellos_[0].cluster_id, 5U);
}

TEST_F(MemberProbeTest, AMemberSaysWhichOne) {
  lines_ = {MemberLine(3, 0xab) + '\n'};
  const ProbeAnswer answer = Ask(5000);
  EXPECT_EQ(answer.kind, Kind::kMember);
  EXPECT_EQ(answer.member_id, 3U);
  EXPECT_EQ(answer.process, 0xabU);
}

TEST_F(MemberProbeTest, WhateverElseIsSaidIsPassedOnAsText) {
  lines_ = {"this is node 1\x01 of cluster 9\n more"};
  const ProbeAnswer answer = Ask(5000);
  EXPECT_EQ(answer.kind, Kind::kOther);
  EXPECT_EQ(answer.text, "this is node 1 of cluster 9");
}

// A server of another kind, or an attack: the answer is bounded.
TEST_F(MemberProbeTest, ALongLineIsCut) {
  lines_ = {std::string(2000, 'x')};
  const ProbeAnswer answer = Ask(5000);
  EXPECT_EQ(answer.kind, Kind::kOther);
  EXPECT_LE(answer.text.size(), 512U);
}

TEST_F(MemberProbeTest, WaitsForWhoIsStarting) {
  rounds_without_ = 50;
  lines_ = {MemberLine(3, 0xab) + '\n'};
  EXPECT_EQ(Ask(60'000).kind, Kind::kMember);
}

// It ends just then; what is started in its place answers.
TEST_F(MemberProbeTest, AsksAgainWhereTheConnectionBreaks) {
  lines_ = {"half a li", MemberLine(3, 0xab) + '\n'};
  EXPECT_EQ(Ask(60'000).kind, Kind::kMember);
  EXPECT_EQ(hellos_.size(), 2U);
}

TEST_F(MemberProbeTest, SaysWhyNobodyWasHeard) {
  rounds_without_ = 1'000'000;
  const ProbeAnswer answer = Ask(50);
  EXPECT_EQ(answer.kind, Kind::kNobody);
  EXPECT_NE(answer.text.find("connection refused"), std::string::npos) << answer.text;
}

// As a process that is stopped, or behind a firewall.
TEST_F(MemberProbeTest, GivesUpWhereNothingIsSaid) {
  lines_ = {""};
  const ProbeAnswer answer = Ask(50, 10);
  EXPECT_EQ(answer.kind, Kind::kNobody);
  EXPECT_EQ(answer.text, "it does not answer");
}

// The other side may be anybody: a word without a reason convicts nobody.
TEST(PeerRefusal, ALossHasAReason) {
  EXPECT_EQ(LossIn("LOST it was put back"), "it was put back");
  for (const char* line : {"LOST", "LOST ", "LOSTit", "lost it", "REMOVED it", ""}) {
    EXPECT_EQ(LossIn(line), std::nullopt) << line;
  }
}

TEST(PeerRefusal, ALineThatIsNotItsOwnIsOther) {
  for (const char* line : {"EMPTY 12", "EMPTY 00000000000000zz x", "MEMBER x", "MEMBER 0 x",
                           "MEMBER 3 of this cluster is here, as process", ""}) {
    EXPECT_EQ(AnswerIn(line).kind, Kind::kOther) << line;
  }
  EXPECT_EQ(FolderIn(EmptyLine(0xABCDEF0123456789, "x")), 0xABCDEF0123456789);
}

}  // namespace
}  // namespace quorate
