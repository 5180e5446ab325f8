#include "tests/simulation/network.h"

#include <algorithm>
#include <cassert>
#include <memory>
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

SimNetwork::SimNetwork(size_t machine_count, EventQueue& events, Trace& trace, Verdict& verdict,
                       Random random, const NetworkSettings& settings)
    : machine_count_(machine_count),
      events_(events),
      trace_(trace),
      verdict_(verdict),
      random_(random),
      weather_(settings),
      links_(machine_count * machine_count) {
  // A decoder expects its connection's Hello first.
  for (size_t from = 0; from < machine_count; ++from) {
    for (size_t to = 0; to < machine_count; ++to) {
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

void SimNetwork::Send(size_t from, size_t to, const Address& address,
                      const consensus::Message& message) {
  if (IsCut(from, to) || random_.Chance(weather_.loss_permille)) {
    trace_.AddMessage(Happening::kLose, from + 1, to + 1, message);
    return;
  }
  trace_.AddMessage(Happening::kSend, from + 1, to + 1, message);
  std::string frame = Frame(message);
  if (random_.Chance(weather_.duplicate_permille)) Plan(from, to, address, frame);
  Plan(from, to, address, std::move(frame));
}

void SimNetwork::SendHello(size_t from, size_t to, const Address& address) {
  if (!IsCut(from, to) && !random_.Chance(weather_.loss_permille)) Plan(from, to, address, "");
}

void SimNetwork::Pass(size_t from, size_t to, const Address& address, Remark remark) {
  if (IsCut(from, to)) return;
  Link& link = At(from, to);
  // An event holds little by itself.
  const auto shared =
      std::make_shared<const std::pair<Address, Remark>>(address, std::move(remark));
  events_.At(Arrival(link), [this, from, to, number = link.sent++, shared] {
    const Link& taken = At(from, to);
    if (number < taken.dropped_before || taken.cuts > 0) return;
    remark_receiver_(to, shared->first, shared->second);
  });
}

void SimNetwork::AnswerEmpty(size_t place, const Address& refused, uint64_t folder) {
  const size_t to = PlaceOf(refused.from_port);
  if (IsCut(place, to)) return;
  events_.After(Latency(),
                [this, to, peer = refused.to, folder] { empty_receiver_(to, peer, folder); });
}

void SimNetwork::Probe(size_t from, size_t to, const Address& address,
                       std::function<void(const ProbeAnswer&)> answered) {
  if (IsCut(from, to) || random_.Chance(weather_.loss_permille)) return;
  events_.After(Latency(), [this, from, to, address, answered = std::move(answered)] {
    const std::optional<ProbeAnswer> answer = probe_receiver_(to, address);
    if (!answer || IsCut(to, from)) return;
    events_.After(Latency(), [answer = *answer, answered] { answered(answer); });
  });
}

Time SimNetwork::Arrival(Link& link) {
  Time arrival = events_.now() + Latency();
  if (random_.Chance(weather_.late_permille)) {
    arrival += random_.Between(0, weather_.late_max);
  } else if (!random_.Chance(weather_.reorder_permille)) {
    // One behind the other, as on a connection.
    arrival = std::max(arrival, link.last_arrival);
    link.last_arrival = arrival;
  }
  return arrival;
}

void SimNetwork::Plan(size_t from, size_t to, const Address& address, std::string frame) {
  Link& link = At(from, to);
  events_.At(Arrival(link),
             [this, from, to, address, number = link.sent++, frame = std::move(frame)] {
               Arrive(from, to, number, address, frame);
             });
}

void SimNetwork::Arrive(size_t from, size_t to, uint64_t number, const Address& address,
                        std::string_view frame) {
  Link& link = At(from, to);
  if (number < link.dropped_before || link.cuts > 0) return;
  if (frame.empty()) {
    receiver_(to, address, std::nullopt);
    return;
  }
  auto decoded = link.decoder.Next(&frame);
  auto* message = std::get_if<consensus::Message>(&decoded);
  if (message == nullptr || !frame.empty()) {
    verdict_.Fail("a message does not survive encoding and decoding");
    return;
  }
  trace_.AddMessage(Happening::kDeliver, from + 1, to + 1, *message);
  receiver_(to, address, std::move(*message));
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
  for (size_t to = 0; to < machine_count_; ++to) At(from, to).dropped_before = At(from, to).sent;
}

void SimNetwork::DropSentTo(size_t to) {
  for (size_t from = 0; from < machine_count_; ++from) {
    At(from, to).dropped_before = At(from, to).sent;
  }
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
