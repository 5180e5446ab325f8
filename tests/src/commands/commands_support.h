// Commands as a client sees them: what goes in, and the bytes that come back. Either on a bare key
// space, or through the dispatcher of a cluster of real nodes.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "src/commands/table.h"
#include "src/requests/statistics.h"
#include "storage/keyspace/key_space.h"
#include "tests/src/node/node_support.h"

namespace quorate {

// The replies to a request that only Read and Write functions answer.
class KeySpaceRunner {
 public:
  std::string Run(std::vector<std::string_view> arguments) {
    std::string reply;
    resp::ReplyWriter writer(resp::Protocol::kResp2, &reply);
    const auto resolved = Commands().Resolve(arguments);
    if (const auto* error = std::get_if<std::string>(&resolved)) {
      writer.Error(*error);
      return reply;
    }
    const Command& command = *std::get<const Command*>(resolved);
    if (const auto* read = std::get_if<ReadFunction>(&command.function)) {
      const ReadContext context{storage::ReadView(keys_, database_, keys_.clock_ms()), statistics_,
                                std::numeric_limits<size_t>::max()};
      (*read)(context, arguments, writer);
      return reply;
    }
    keys_.BeginEntry(keys_.last_applied() + 1, consensus::Term(1), {}, clock_ms_);
    keys_.BeginCommand();
    WriteContext context{storage::WriteView(keys_, database_), 0};
    std::get<WriteFunction>(command.function)(context, arguments, writer);
    keys_.EndEntry();
    return reply;
  }

  // Moves all changes to the checkpoint, where the next commands find them.
  void Checkpoint() {
    if (!keys_.has_changes()) return;
    state_.Start(keys_.BeginCheckpoint());
    keys_.CheckpointFinished();
  }

  // As SELECT.
  void Select(uint32_t database) { database_ = database; }
  // Of the entries to come.
  void set_clock_ms(int64_t clock_ms) { clock_ms_ = clock_ms; }

  const storage::KeySpace& keys() const { return keys_; }
  const Statistics& statistics() const { return statistics_; }

 private:
  TestState state_;
  storage::KeySpace keys_{state_, {}};
  uint32_t database_ = 0;
  int64_t clock_ms_ = 1000;
  Statistics statistics_;
};

// One client of one member.
class TestClient {
 public:
  TestClient(TestCluster& cluster, uint64_t member, std::string address = "127.0.0.1:50001",
             std::string local_address = "127.0.0.1:7000")
      : cluster_(cluster), member_(member) {
    TestMember& server = cluster.member(member);
    session_ = server.sessions.Open(std::move(address), std::move(local_address),
                                    cluster.clock().monotonic_ms());
  }

  // Sends a request, lets the cluster settle, and gives the replies.
  std::string Call(const std::vector<std::string_view>& arguments) {
    cluster_.Send(member_, *session_, Request(arguments));
    cluster_.Steps(10);
    return TestCluster::Replies(*session_);
  }
  // Those that have come since.
  std::string Replies() { return TestCluster::Replies(*session_); }
  Session& session() { return *session_; }

 private:
  TestCluster& cluster_;
  uint64_t member_;
  std::shared_ptr<Session> session_;
};

// The text of a bulk string or of a verbatim string.
inline std::string TextOf(const std::string& reply) {
  const size_t start = reply.find("\r\n");
  if (start == std::string::npos || (reply[0] != '$' && reply[0] != '=')) {
    ADD_FAILURE() << "no text: " << reply;
    return {};
  }
  const std::string text = reply.substr(start + 2, reply.size() - start - 4);
  return reply[0] == '=' ? text.substr(4) : text;
}

// What stands behind `name:` in a reply to INFO or CLUSTER INFO; "(none)" where there is no such
// line.
inline std::string FieldOf(const std::string& reply, std::string_view name) {
  const std::string text = "\n" + TextOf(reply);
  const std::string start = "\n" + std::string(name) + ":";
  const size_t found = text.find(start);
  if (found == std::string::npos) return "(none)";
  const size_t from = found + start.size();
  return text.substr(from, text.find("\r\n", from) - from);
}

}  // namespace quorate
