// Fuzz target: what a client sends to a whole node: the dispatcher, all commands, the log, and the
// state that they lead to. Disks, network and clock are those of the unit tests.
//
// The input: one byte that says how the stream is cut, and whether clients are bounded tightly, the
// stream.
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/simulation/reply_reader.h"
#include "tests/src/node/node_support.h"

namespace quorate {
namespace {

constexpr int kStepsPerPiece = 4;
// So low that short inputs reach them.
constexpr Sessions::Bounds kTightBounds = {.reply_bytes = 20'000, .memory_bytes = 10'000};

// Whether the stream may ask for another protocol than the one that is read here.
bool SaysHello(std::string_view stream) {
  std::string lower(stream);
  for (char& byte : lower) byte = static_cast<char>(byte | 0x20);
  return lower.find("hello") != std::string::npos;
}

void Check(size_t piece_bytes, bool tightly, std::string_view stream) {
  TestCluster cluster(1);
  TestMember& member = cluster.member(cluster.WaitForLeader());
  const std::shared_ptr<Session> session = cluster.Connect(1);
  if (tightly) member.sessions.set_bounds(kTightBounds);
  simulation::ReplyReader replies;
  const bool is_resp2 = !SaysHello(stream);
  const auto settle = [&] {
    cluster.Steps(kStepsPerPiece);
    // As client_listener.cc and client_connection.cc do at a round's end.
    member.sessions.TakeScheduled();
    member.dispatcher->Resume(*session);
    replies.Feed(TestCluster::Replies(*session));
  };
  for (size_t at = 0; at < stream.size(); at += piece_bytes) {
    if (session->close_now || session->close_after_replies) break;
    if (member.dispatcher->MayRead(*session)) {
      const std::string_view piece = stream.substr(at, piece_bytes);
      const auto bytes = std::make_unique<char[]>(piece.size());
      std::copy(piece.begin(), piece.end(), bytes.get());
      cluster.Send(1, *session, {bytes.get(), piece.size()});
    }
    settle();
  }
  settle();
  while (is_resp2 && replies.Next()) {
  }
  assert(!is_resp2 || !replies.failed());
  member.sessions.Close(*session);
  cluster.Steps(kStepsPerPiece);

  // The log leads to the same state once more.
  const storage::KeySpace& keys = member.node->keys();
  const consensus::Index applied = keys.last_applied();
  const uint64_t digest = keys.digest();
  const uint64_t key_count = keys.key_count();
  cluster.Restart(1);
  cluster.WaitForLeader();
  const storage::KeySpace& again = member.node->keys();
  assert(again.last_applied() > applied);
  assert(again.digest() == digest);
  assert(again.key_count() == key_count);
}

}  // namespace
}  // namespace quorate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 2) {
    quorate::Check(size_t{data[0]} / 2 + 1, data[0] % 2 == 0,
                   std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  }
  return 0;
}
