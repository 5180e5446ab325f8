// The part of Node that keeps the log's clock (log_clock.h): what it hears of time, and tells.
#include <spdlog/spdlog.h>

#include <cstdint>
#include <variant>
#include <vector>

#include "src/node/node.h"

namespace quorate {

using consensus::Entry;
using consensus::EntryKind;
using consensus::Index;
using consensus::NodeId;

namespace {

int64_t BootUs(const Clock& clock) { return clock.boot_ns() / 1000; }

}  // namespace

void Node::ReadLogClock(Index last_index) {
  for (Index index = last_index; index > keys_.last_applied(); index = index - 1) {
    const Entry entry = parts_.log_reader.Read(index, index, 0).front();
    if (entry.kind != EntryKind::kBatch) continue;
    if (const auto clock_ms = BatchClock(entry.payload.bytes())) {
      log_clock_.Received(*clock_ms, BootUs(parts_.clock));
    }
    return;
  }
}

void Node::HearTime(NodeId from, const consensus::Message& message) {
  const auto hear = [&](uint64_t wall_ms) {
    if (wall_ms == 0) return;  // it does not know
    log_clock_.Heard(from.value(), static_cast<int64_t>(wall_ms), BootUs(parts_.clock));
  };
  if (const auto* vote = std::get_if<consensus::RequestVoteReply>(&message)) {
    hear(vote->wall_ms);
  } else if (const auto* heartbeat = std::get_if<consensus::HeartbeatReply>(&message)) {
    hear(heartbeat->wall_ms);
  } else if (const auto* append = std::get_if<consensus::AppendEntries>(&message)) {
    // The entry counts from its arrival on, not from when it is committed and applied.
    for (const Entry& entry : append->entries) {
      if (entry.kind != EntryKind::kBatch) continue;
      if (const auto clock_ms = BatchClock(entry.payload.bytes())) {
        log_clock_.Received(*clock_ms, BootUs(parts_.clock));
      }
    }
  }
}

void Node::TellTime(consensus::Message* message) const {
  const auto wall_ms = [this] { return static_cast<uint64_t>(parts_.clock.unix_us() / 1000); };
  if (auto* vote = std::get_if<consensus::RequestVoteReply>(message)) vote->wall_ms = wall_ms();
  if (auto* heartbeat = std::get_if<consensus::HeartbeatReply>(message)) {
    heartbeat->wall_ms = wall_ms();
  }
}

void Node::SteerClock() {
  steered_in_ = raft_.current_term();
  const int64_t boot_us = BootUs(parts_.clock);
  log_clock_.Heard(self().id, parts_.clock.unix_us() / 1000, boot_us);
  std::vector<uint64_t> voters;
  for (const Member& member : members()) {
    if (member.voter) voters.push_back(member.id);
  }
  if (const auto step = log_clock_.Steer(voters, boot_us)) {
    spdlog::warn(
        "the log's clock was {} ms behind the wall clocks of a majority, and is set forward: keys "
        "may expire at once. That is normal after all members were down",
        step->to_ms - step->from_ms);
  }
}

}  // namespace quorate
