// What a server listens on, given the words of `bind`.
#include "src/net/uv_support.h"

#include <gtest/gtest.h>
#include <uv.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/src/net/listener.h"

namespace quorate {
namespace {

// Of a block that is for documentation: no machine has it (RFC 5737).
constexpr const char* kNobodys = "203.0.113.7";

class ListenOnTest : public testing::Test {
 protected:
  ListenOnTest() : has_ipv6_(Listener("::1").works()) {
    uv_loop_init(&loop_);
    setenv("NAMES",
           "both=::1,127.0.0.1 first=127.0.0.1,203.0.113.7 gone=203.0.113.7 nobody= "
           "two=127.0.0.1,127.0.0.2",
           1);
    const Listener free("127.0.0.1", 0, -1);
    port_ = free.port();
  }
  ~ListenOnTest() override {
    StopListening(&servers_);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  // What is listened on, sorted; or the error.
  std::vector<std::string> Listen(const std::vector<BindAddress>& names) {
    StopListening(&servers_);
    uv_run(&loop_, UV_RUN_DEFAULT);
    const std::optional<std::string> error =
        ListenOn(&loop_, names, {port_, 8, nullptr, [](uv_stream_t*, int) {}}, &servers_);
    if (error) return {*error};
    std::vector<std::string> hosts;
    for (const auto& server : servers_) {
      sockaddr_storage address{};
      int size = sizeof address;
      uv_tcp_getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size);
      const std::string text = FormatAddress(address);
      hosts.push_back(text.substr(0, text.rfind(':')));
    }
    std::sort(hosts.begin(), hosts.end());
    return hosts;
  }
  std::vector<std::string> Error(const std::string& host, const std::string& reason) const {
    return {"could not listen on " + host + ":" + std::to_string(port_) + ": " + reason};
  }

  using Hosts = std::vector<std::string>;

  const bool has_ipv6_;
  uv_loop_t loop_;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<uv_tcp_t>> servers_;
};

TEST_F(ListenOnTest, AllAddressesOfAName) {
  EXPECT_EQ(Listen({{"two", false}}), (Hosts{"127.0.0.1", "127.0.0.2"}));
  EXPECT_EQ(Listen({{"both", false}}),
            has_ipv6_ ? (Hosts{"127.0.0.1", "[::1]"}) : (Hosts{"127.0.0.1"}));
  EXPECT_EQ(Listen({{"127.0.0.1", false}, {"::1", true}}),
            has_ipv6_ ? (Hosts{"127.0.0.1", "[::1]"}) : (Hosts{"127.0.0.1"}));
}

TEST_F(ListenOnTest, AnAddressOnce) {
  EXPECT_EQ(Listen({{"127.0.0.1", false}, {"two", false}, {"127.0.0.2", false}}),
            (Hosts{"127.0.0.1", "127.0.0.2"}));
}

TEST_F(ListenOnTest, WildcardsOfBothFamiliesSideBySide) {
  EXPECT_EQ(Listen({{"*", false}, {"::*", true}}),
            has_ipv6_ ? (Hosts{"0.0.0.0", "[::]"}) : (Hosts{"0.0.0.0"}));
}

TEST_F(ListenOnTest, PassesOverWhatTheMachineDoesNotHave) {
  EXPECT_EQ(Listen({{"127.0.0.1", false}, {kNobodys, true}, {"nobody", true}, {"gone", true}}),
            (Hosts{"127.0.0.1"}));
  EXPECT_EQ(Listen({{"first", false}}), (Hosts{"127.0.0.1"}));
}

TEST_F(ListenOnTest, NeedsWhatMustBeThere) {
  const std::string not_here = "address not available (EADDRNOTAVAIL)";
  EXPECT_EQ(Listen({{"127.0.0.1", false}, {kNobodys, false}}), Error(kNobodys, not_here));
  EXPECT_EQ(Listen({{"127.0.0.1", false}, {"gone", false}}), Error("gone", not_here));
  EXPECT_EQ(Listen({{"127.0.0.1", false}, {"nobody", false}}),
            Error("nobody", "unknown node or service (EAI_NONAME)"));
  EXPECT_EQ(
      Listen({{kNobodys, true}, {"nobody", true}}),
      (Hosts{"none of the addresses to bind is available for port " + std::to_string(port_)}));
}

// Another server there would get a part of the clients.
TEST_F(ListenOnTest, ATakenPortIsAnError_AtEachAddress_AlsoWhereItMayBeAbsent) {
  const Listener other("127.0.0.2", port_);
  ASSERT_TRUE(other.works());
  const std::string taken = "address already in use (EADDRINUSE)";
  EXPECT_EQ(Listen({{"two", false}}), Error("two", taken));
  EXPECT_EQ(Listen({{"127.0.0.1", false}, {"127.0.0.2", true}}), Error("127.0.0.2", taken));
}

TEST(SameHost, ComparesAddressesWithoutPorts) {
  EXPECT_TRUE(SameHost(AddressOf("127.0.0.1", 1), AddressOf("127.0.0.1", 2)));
  EXPECT_FALSE(SameHost(AddressOf("127.0.0.1", 1), AddressOf("127.0.0.2", 1)));
  EXPECT_TRUE(SameHost(AddressOf("::1", 1), AddressOf("::1", 2)));
  EXPECT_FALSE(SameHost(AddressOf("::1", 1), AddressOf("::2", 1)));
  EXPECT_FALSE(SameHost(AddressOf("::", 1), AddressOf("0.0.0.0", 1)));
  EXPECT_FALSE(SameHost({}, {}));
}

}  // namespace
}  // namespace quorate
