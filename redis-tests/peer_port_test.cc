// What comes to the peer port from others than members closes its own connection, and nothing else.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/codec.h"
#include "redis-tests/support/cluster_test.h"
#include "redis-tests/support/eventually.h"
#include "redis-tests/support/free_ports.h"
#include "redis-tests/support/raw_connection.h"

namespace quorate::redis_tests {

namespace {

using consensus::FrameDecoder;
using consensus::Hello;
using consensus::HelloReply;
using consensus::NodeId;
using consensus::Term;

class PeerPort : public ClusterTest {
 protected:
  static void SetUpTestSuite() { SetUpTestSuiteWithDefaults(); }

  uint16_t port() const {
    return static_cast<uint16_t>(cluster().port(leader()) + kPeerPortOffset);
  }
  std::string RaftField(const std::string& name) {
    return Field(LeaderClient().Command({"INFO", "raft"}).text, name);
  }
  uint64_t cluster_id() { return std::strtoull(RaftField("raft_cluster_id").c_str(), nullptr, 16); }
  NodeId self() const { return NodeId(static_cast<uint64_t>(leader())); }
  NodeId other() const { return NodeId(static_cast<uint64_t>(follower())); }

  template <typename... Frames>
  static std::string Encode(const Frames&... frames) {
    consensus::FrameBuffer buffer;
    (buffer.Add(frames), ...);
    std::vector<std::string_view> pieces;
    buffer.AppendPieces(&pieces);
    std::string bytes;
    for (const std::string_view piece : pieces) {
      bytes += piece;
    }
    return bytes;
  }

  // What comes behind the answer to a Hello that is taken, if there is one.
  static std::string ReadToTheEnd(RawConnection& connection) {
    const std::string answer = connection.ReadUntilClosed();
    std::string_view rest = answer;
    FrameDecoder decoder(FrameDecoder::First::kHelloReply);
    const bool is_taken = std::holds_alternative<HelloReply>(decoder.Next(&rest));
    return is_taken ? std::string(rest) : answer;
  }

  // The bytes are answered with one line that holds `reason`, and the connection is closed.
  void ExpectRefused(const std::string& bytes, const std::string& reason) {
    RawConnection connection(port());
    connection.Send(bytes);
    const std::string line = ReadToTheEnd(connection);
    EXPECT_NE(line.find(reason), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  }
  // The bytes end the connection that they came on, without an answer, and the cluster goes on as
  // it was: the same leader in the same term.
  void ExpectClosed(const std::string& bytes) {
    const std::string term = RaftField("raft_term");
    RawConnection connection(port());
    connection.Send(bytes);
    EXPECT_EQ(ReadToTheEnd(connection), "");
    EXPECT_EQ(LeaderClient().Command({"SET", Key("a"), "1"}), Status("OK"));
    EXPECT_EQ(RaftField("raft_term"), term);
    EXPECT_EQ(RaftField("raft_leader_id"), std::to_string(leader()));
  }
};

TEST_F(PeerPort, AnswersNoRedisClient) {
  ExpectClosed("PING\r\nPING\r\nPING\r\n");
  ExpectClosed(EncodeCommand({"SET", Key("b"), "2"}));
  ExpectClosed("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(LeaderClient().Command({"GET", Key("b")}), Nil());
}

TEST_F(PeerPort, ClosesOnRandomBytes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    std::string bytes(1 + random() % 4096, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random());
    }
    // So that a frame is complete, and not waited for.
    if (bytes.size() >= 4) {
      bytes.replace(0, 4, std::string(4, '\0'));
    } else {
      bytes += std::string(64, '\0');
    }
    ExpectClosed(bytes);
  }
}

TEST_F(PeerPort, ClosesOnLengthsThatNoFrameHas) {
  ExpectClosed(std::string(64, '\xff'));
  ExpectClosed(std::string(64, '\0'));
}

// A server that is refused is told why.
TEST_F(PeerPort, RefusesAnotherCluster) {
  ExpectRefused(Encode(Hello{cluster_id() + 1, other(), self()}), "not of ");
}

// With the same members and the same token, and founded another time; said at once, or as soon as
// it is known.
TEST_F(PeerPort, RefusesAnotherLifeOfTheCluster) {
  const uint64_t founding = std::strtoull(RaftField("raft_founding_id").c_str(), nullptr, 16);
  ASSERT_NE(founding, 0U);
  Hello hello{cluster_id(), other(), self()};
  const std::string unknown = Encode(hello);
  hello.founding = consensus::FoundingId(founding + 1);
  ExpectRefused(Encode(hello), "another life of the cluster");
  ExpectRefused(unknown + Encode(hello), "another life of the cluster");
}

TEST_F(PeerPort, RefusesWhatIsMeantForAnotherMember) {
  ExpectRefused(Encode(Hello{cluster_id(), other(), other()}), "not node ");
}

TEST_F(PeerPort, RefusesMessagesWithoutAHello) {
  consensus::RequestVote vote;
  vote.term = Term(1'000'000);
  ExpectClosed(Encode(vote));
}

// A Hello can be copied. Nothing counts that comes before the Statement.
TEST_F(PeerPort, RefusesMessagesWithoutAStatement) {
  const Hello hello{cluster_id(), other(), self()};
  consensus::RequestVote vote;
  vote.term = Term(1'000'000);
  ExpectClosed(Encode(hello, vote));
  ExpectClosed(Encode(hello, consensus::StartNoted{{1'000'000, 1}}));
  ExpectClosed(Encode(hello, Hello{cluster_id(), NodeId(1'000'000), self()}));
}

// Whoever claims a member's place is told that it is taken, and the member keeps it. What it says
// of itself is not held against the member.
TEST_F(PeerPort, AMemberKeepsItsPlace) {
  Hello hello{cluster_id(), other(), self()};
  hello.process = 1;
  RawConnection connection(port());
  connection.Send(Encode(hello));
  connection.Send(Encode(consensus::Statement{.starts = {{1, 1}}, .term = Term(1)}));
  EXPECT_EQ(ReadToTheEnd(connection), "TWIN another process is node " +
                                          std::to_string(other().value()) +
                                          " of this cluster, and answers at its address\n");
  ASSERT_TRUE(cluster().WaitUntilAllServe());
  EXPECT_EQ(
      Field(Client(cluster().port(follower())).Command({"INFO", "raft"}).text, "raft_lost_data"),
      "0");
}

// Those that say nothing, or not enough, are let go of after some seconds.
TEST_F(PeerPort, ClosesWhatDoesNotSayWhoItIs) {
  const std::string hello = Encode(Hello{cluster_id(), other(), self()});
  RawConnection silent(port());
  RawConnection slow(port());
  RawConnection half(port());
  slow.Send(hello.substr(0, 3));
  half.Send(hello);
  EXPECT_EQ(silent.ReadUntilClosed(), "");
  EXPECT_EQ(slow.ReadUntilClosed(), "");
  EXPECT_EQ(ReadToTheEnd(half), "");
}

// Many of them take nobody's place who has something to say.
TEST_F(PeerPort, StrangersGiveWay) {
  std::vector<std::unique_ptr<RawConnection>> strangers;
  for (int i = 0; i < 80; ++i) {
    strangers.push_back(std::make_unique<RawConnection>(port()));
  }
  ExpectRefused(Encode(Hello{cluster_id() + 1, other(), self()}), "not of ");
  EXPECT_EQ(strangers.front()->ReadUntilClosed(), "");
}

TEST_F(PeerPort, ClosesOnADamagedFrame) {
  std::string bytes = Encode(Hello{cluster_id(), other(), self()},
                             consensus::Statement{.starts = {{1, 1}}, .term = Term(1)});
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  ExpectClosed(bytes);
}

}  // namespace

}  // namespace quorate::redis_tests
