// Many clients that want much and give nothing: the server's memory stays bounded, and nobody else
// pays for them.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "redis-tests/support/client.h"
#include "redis-tests/support/cluster.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/raw_connection.h"

namespace quorate::redis_tests {

namespace {

constexpr int kManyClients = 10'000;
constexpr size_t kMebibyte = size_t{1} << 20;

// How much the server may grow. A sanitizer needs memory of its own for each object, and keeps what
// is freed: there the clients are as many and are served as well, and nothing is measured.
void ExpectGrowthBelow(int64_t bytes_max, int64_t bytes) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(bytes, bytes_max);
#else
  std::cout << bytes << " bytes with a sanitizer, where " << bytes_max << " are allowed without\n";
#endif
}

// Sockets that a test may have beside those of its clients.
constexpr rlim_t kOtherDescriptors = 500;

bool MayOpen(rlim_t descriptors) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = descriptors + kOtherDescriptors;
  if (limit.rlim_cur >= wanted) {
    return true;
  }
  limit.rlim_cur = wanted;
  limit.rlim_max = std::max(limit.rlim_max, wanted);
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// A client without a library's own memory.
class ThinClient {
 public:
  explicit ThinClient(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~ThinClient() { close(socket_); }
  ThinClient(ThinClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_) {}
  ThinClient& operator=(ThinClient&&) = delete;

  bool connected() const { return connected_; }
  bool Send(const std::string& bytes) {
    return send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Takes what has come; how many bytes that has been, in all. Nothing: the connection has ended.
  std::optional<size_t> Receive(std::vector<char>* buffer) {
    while (true) {
      const ssize_t got = recv(socket_, buffer->data(), buffer->size(), MSG_DONTWAIT);
      if (got <= 0) {
        return got < 0 && errno == EAGAIN ? std::optional(received_) : std::nullopt;
      }
      received_ += static_cast<size_t>(got);
    }
  }

 private:
  int socket_;
  bool connected_ = false;
  size_t received_ = 0;
};

class ClientMemory : public ::testing::Test {
 protected:
  ClientMemory() : cluster_({.size = 1}) {}
  void SetUp() override {
    // Their number is what is tested, so there is no smaller test where the hard limit is lower.
    if (!MayOpen(kManyClients)) {
      GTEST_SKIP() << "this user may not open " << kManyClients << " sockets (ulimit -n)";
    }
    ASSERT_TRUE(cluster_.Start());
    control_ = std::make_unique<Client>(cluster_.port(1));
  }
  void TearDown() override {
    if (HasFailure()) {
      cluster_.PrintLogs(std::cerr);
    }
  }

  int64_t InfoField(const std::string& name) {
    return std::atoll(Field(control_->Command({"INFO"}).text, name).c_str());
  }
  // What the process has for itself.
  int64_t UsedMemory() { return InfoField("used_memory"); }
  void Connect(int count) {
    clients_.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      clients_.emplace_back(cluster_.port(1));
      ASSERT_TRUE(clients_.back().connected()) << i;
    }
    ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return InfoField("connected_clients") > count; }));
  }
  // Another client is served as ever.
  void ExpectService() {
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(control_->Command({"SET", "key", std::to_string(i)}), Status("OK"));
      ASSERT_EQ(control_->Command({"GET", "key"}), Text(std::to_string(i)));
    }
  }

  Cluster cluster_;
  std::unique_ptr<Client> control_;
  std::vector<ThinClient> clients_;
};

TEST_F(ClientMemory, TenThousandIdleConnections) {
  const int64_t before = UsedMemory();
  Connect(kManyClients - 1);
  const int64_t each = (UsedMemory() - before) / kManyClients;
  RecordProperty("bytes_per_idle_connection", static_cast<int>(each));
  std::cout << each << " bytes for each idle connection\n";
  ExpectGrowthBelow(4096, each);
  ExpectService();
}

TEST_F(ClientMemory, TenThousandSlowReadersOwedAMebibyteEach) {
  const std::string value(kMebibyte, 'v');
  ASSERT_EQ(control_->Command({"SET", "large", value}), Status("OK"));
  const int64_t before = UsedMemory();
  Connect(kManyClients - 1);
  int64_t most = 0;
  for (size_t i = 0; i < clients_.size(); ++i) {
    ASSERT_TRUE(clients_[i].Send(EncodeCommand({"GET", "large"}))) << i;
    if (i % 1000 == 0) {
      most = std::max(most, UsedMemory() - before);
    }
  }
  for (int i = 0; i < 10; ++i) {
    ExpectService();
    most = std::max(most, UsedMemory() - before);
  }
  std::cout << most / static_cast<int64_t>(kMebibyte) << " MiB of growth\n";
  ExpectGrowthBelow(static_cast<int64_t>(256 * kMebibyte), most);
  EXPECT_EQ(InfoField("connected_clients"), kManyClients);
  EXPECT_EQ(InfoField("evicted_clients"), 0);
  // When they begin to read, others get theirs: far more than were made before.
  const size_t reply_bytes = value.size() + std::string("$1048576\r\n\r\n").size();
  std::vector<char> buffer(kMebibyte);
  EXPECT_TRUE(Eventually(kDeadlineMs, [&] {
    int complete = 0;
    for (ThinClient& client : clients_) {
      const std::optional<size_t> received = client.Receive(&buffer);
      if (!received) {
        ADD_FAILURE() << "a client has lost its connection";
        return true;
      }
      complete += *received == reply_bytes ? 1 : 0;
    }
    return complete >= 500;
  }));
}

TEST_F(ClientMemory, AThousandClientsThatAnnounceMuchAndSendNothing) {
  Connect(1000);
  const int64_t before = UsedMemory();
  for (size_t i = 0; i < clients_.size(); ++i) {
    // As much as is allowed, and far more, which is refused.
    const std::string length = i % 2 == 0 ? "16777216" : "536870912";
    ASSERT_TRUE(clients_[i].Send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$" + length + "\r\n"));
  }
  ExpectService();
  ExpectGrowthBelow(static_cast<int64_t>(8 * kMebibyte), UsedMemory() - before);
}

// Requests that never become complete: those who send most are let go, as Redis does it.
TEST_F(ClientMemory, MaxmemoryClientsDisconnectsThoseThatTakeMost) {
  ASSERT_EQ(control_->Command({"CONFIG", "SET", "maxmemory-clients", "32mb"}), Status("OK"));
  Connect(8);
  const std::string half = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$16777216\r\n";
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].Send(half + std::string((i < 6 ? 8 : 1) * kMebibyte, 'x'));
  }
  ASSERT_TRUE(Eventually(kDeadlineMs, [&] { return InfoField("evicted_clients") > 0; }));
  ExpectService();
  EXPECT_LE(InfoField("mem_clients_normal"), static_cast<int64_t>(32 * kMebibyte));
  EXPECT_LE(InfoField("evicted_clients"), 6);
}

}  // namespace

}  // namespace quorate::redis_tests
