// A name has several addresses, and a server need not be at the first of them.
#include "src/net/dialer.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "src/net/uv_support.h"
#include "tests/src/net/listener.h"

namespace quorate {
namespace {

class DialerTest : public testing::Test {
 protected:
  DialerTest() {
    uv_loop_init(&loop_);
    Make(60'000);
  }
  ~DialerTest() override {
    dialer_.reset();
    for (int descriptor : connected_) close(descriptor);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  void Make(unsigned timeout_ms) {
    dialer_ = std::make_unique<Dialer>(
        &loop_, timeout_ms,
        Dialer::Callbacks{[this](int descriptor) { connected_.push_back(descriptor); },
                          [this](const std::string& reason) { failures_.push_back(reason); }});
  }

  static void Name(const std::string& names) { setenv("NAMES", names.c_str(), 1); }

  // Until it has called back.
  void Dial(const std::string& host, uint16_t port) {
    dialer_->Dial(host, port);
    EXPECT_TRUE(dialer_->busy());
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_FALSE(dialer_->busy());
  }

  // Where the newest connection has gone to, of all `count`.
  std::string Reached(size_t count) {
    if (connected_.size() != count) return "no new connection";
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(getpeername(connected_.back(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    const std::string text = FormatAddress(address);
    return text.substr(0, text.rfind(':'));
  }

  uv_loop_t loop_;
  std::unique_ptr<Dialer> dialer_;
  std::vector<int> connected_;
  std::vector<std::string> failures_;
};

TEST_F(DialerTest, ConnectsToTheFirstAddressThatAccepts) {
  const Listener second("127.0.0.2");
  const Listener third("127.0.0.3", second.port());
  ASSERT_TRUE(third.works());
  Name("name=127.0.0.1,127.0.0.2,127.0.0.3");
  Dial("name", second.port());
  EXPECT_EQ(Reached(1), "127.0.0.2");
  EXPECT_TRUE(failures_.empty());
}

TEST_F(DialerTest, GoesFromOneFamilyToTheOther) {
  const Listener v4("127.0.0.1");
  Name("name=::1,127.0.0.1");
  Dial("name", v4.port());
  EXPECT_EQ(Reached(1), "127.0.0.1");

  const Listener v6("::1");
  // Without IPv6 nobody can listen there.
  if (!v6.works()) GTEST_SKIP() << "this machine has no IPv6: only the other way was tested";
  Name("name=127.0.0.1,::1");
  Dial("name", v6.port());
  EXPECT_EQ(Reached(2), "[::1]");
}

// The kernel drops what would be the next connection, and says nothing.
TEST_F(DialerTest, GoesOnWhenAnAddressIsSilent) {
  const Listener full("127.0.0.2", 0, 0);
  const Listener good("127.0.0.1", full.port());
  ASSERT_TRUE(good.works());
  Make(100);
  Name("full=127.0.0.2");
  for (int i = 0; failures_.empty() && i < 10; ++i) Dial("full", full.port());
  EXPECT_EQ(failures_, std::vector<std::string>{"it does not answer"});
  const size_t before = connected_.size();

  Name("name=127.0.0.2,127.0.0.1");
  Dial("name", full.port());
  EXPECT_EQ(Reached(before + 1), "127.0.0.1");
}

TEST_F(DialerTest, TriesFirstWhatWorkedTheLastTime_IfTheNameStillHasIt) {
  const Listener good("127.0.0.1");
  Name("name=127.0.0.2,127.0.0.1");
  Dial("name", good.port());
  EXPECT_EQ(Reached(1), "127.0.0.1");

  const Listener another("127.0.0.2", good.port());
  const Listener third("127.0.0.3", good.port());
  ASSERT_TRUE(another.works() && third.works());
  Dial("name", good.port());
  EXPECT_EQ(Reached(2), "127.0.0.1");
  Name("name=127.0.0.3,127.0.0.2");
  Dial("name", good.port());
  EXPECT_EQ(Reached(3), "127.0.0.3");
}

TEST_F(DialerTest, SaysWhatEachAddressAnswered) {
  const Listener none("127.0.0.1", 0, -1);
  const std::string port = std::to_string(none.port());
  Name("name=127.0.0.1,127.0.0.2 single=127.0.0.1 twice=127.0.0.1,127.0.0.1 nobody=");
  const std::string refused = "connection refused (ECONNREFUSED)";
  Dial("name", none.port());
  Dial("single", none.port());
  Dial("twice", none.port());
  Dial("nobody", none.port());
  EXPECT_EQ(failures_,
            (std::vector<std::string>{
                "127.0.0.1:" + port + ": " + refused + "; 127.0.0.2:" + port + ": " + refused,
                refused, refused, "unknown node or service (EAI_NONAME)"}));
}

TEST_F(DialerTest, CallsNobodyOnceItIsStopped) {
  const Listener listener("127.0.0.1");
  Name("name=127.0.0.1");
  dialer_->Dial("name", listener.port());
  dialer_->Stop();
  EXPECT_FALSE(dialer_->busy());
  // It can be used at once.
  dialer_->Dial("name", listener.port());
  uv_run(&loop_, UV_RUN_DEFAULT);
  EXPECT_EQ(Reached(1), "127.0.0.1");

  // While it connects, too: the loop has run the lookup's callback then, and nothing more.
  dialer_->Dial("127.0.0.1", listener.port());
  uv_run(&loop_, UV_RUN_ONCE);
  dialer_.reset();
  uv_run(&loop_, UV_RUN_DEFAULT);
  EXPECT_LE(connected_.size(), 2U);
  EXPECT_TRUE(failures_.empty());
}

TEST_F(DialerTest, ANameThatCannotBeLookedUpIsAFailureToo) {
  Dial(std::string(300, 'x'), 1);
  ASSERT_EQ(failures_.size(), 1U);
  EXPECT_NE(failures_.front(), "");
}

}  // namespace
}  // namespace quorate
