#include "tests/simulation/network.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>

namespace quorate::simulation {
namespace {

std::string Bytes(const consensus::FrameBuffer& frames) {
  std::vector<std::string_view> pieces;
  frames.AppendPieces(&pieces);
  std::string bytes;
  bytes.reserve(frames.bytes());
  for (const std::string_view piece : pieces) bytes += piece;
  return bytes;
}

}  // namespace

SimNetwork::SimNetwork(size_t node_count, EventQueue& events, Trace& trace, Verdict& verdict,
                       Random random, const NetworkSettings& settings)
    : node_count_(node_count),
      events_(events),
      trace_(trace),
      verdict_(verdict),
      random_(random),
      weather_(settings),
      links_(node_count * node_count) {
  // A decoder expects its connection's Hello first.
  for (size_t from = 0; from < node_count; ++from) {
    for (size_t to = 0; to < node_count; ++to) {
      consensus::FrameBuffer frames;
      frames.Add(consensus::Hello{0x51, consensus::NodeId(from + 1), consensus::NodeId(to + 1)});
      const std::string hello = Bytes(frames);
      std::string_view rest = hello;
      const auto result = At(from, to).decoder.Next(&rest);
      assert(std::holds_alternative<consensus::Hello>(result));
    }
  }
}

std::string SimNetwork::Frame(const consensus::Message& message) {
  consensus::FrameBuffer frames;
  frames.Add(message);
  return Bytes(frames);
}

Time SimNetwork::Latency() { return random_.Between(weather_.latency_min, weather_.latency_max); }

void SimNetwork::Send(consensus::NodeId from, consensus::NodeId to,
                      const consensus::Message& message) {
  const size_t sender = from.value() - 1;
  const size_t target = to.value() - 1;
  if (IsCut(sender, target) || random_.Chance(weather_.loss_permille)) {
    trace_.AddMessage(Happening::kLose, from.value(), to.value(), message);
    return;
  }
  trace_.AddMessage(Happening::kSend, from.value(), to.value(), message);
  std::string frame = Frame(message);
  if (random_.Chance(weather_.duplicate_permille)) Plan(sender, target, frame);
  Plan(sender, target, std::move(frame));
}

void SimNetwork::Plan(size_t from, size_t to, std::string frame) {
  Link& link = At(from, to);
  Time arrival = events_.now() + Latency();
  if (random_.Chance(weather_.late_permille)) {
    arrival += random_.Between(0, weather_.late_max);
  } else if (!random_.Chance(weather_.reorder_permille)) {
    // One behind the other, as on a connection.
    arrival = std::max(arrival, link.last_arrival);
    link.last_arrival = arrival;
  }
  events_.At(arrival, [this, from, to, number = link.sent++, frame = std::move(frame)] {
    Arrive(from, to, number, frame);
  });
}

void SimNetwork::Arrive(size_t from, size_t to, uint64_t number, std::string_view frame) {
  Link& link = At(from, to);
  if (number < link.dropped_before || link.cuts > 0) return;
  auto decoded = link.decoder.Next(&frame);
  auto* message = std::get_if<consensus::Message>(&decoded);
  if (message == nullptr || !frame.empty()) {
    verdict_.Fail("a message does not survive encoding and decoding");
    return;
  }
  trace_.AddMessage(Happening::kDeliver, from + 1, to + 1, *message);
  receiver_(consensus::NodeId(from + 1), consensus::NodeId(to + 1), std::move(*message));
}

void SimNetwork::Mend(size_t from, size_t to) {
  Link& link = At(from, to);
  // MendAll may have come in between.
  if (link.cuts > 0) --link.cuts;
}

void SimNetwork::MendAll() {
  for (Link& link : links_) link.cuts = 0;
}

void SimNetwork::DropSentBy(size_t from) {
  for (size_t to = 0; to < node_count_; ++to) At(from, to).dropped_before = At(from, to).sent;
}

void SimNetwork::Calm() {
  MendAll();
  weather_.loss_permille = 0;
  weather_.duplicate_permille = 0;
  weather_.reorder_permille = 0;
  weather_.late_permille = 0;
  for (Link& link : links_) link.last_arrival = events_.now();
}

}  // namespace quorate::simulation
