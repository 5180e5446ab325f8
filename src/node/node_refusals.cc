// The part of Node that answers requests which are not executed, or may not have been.
#include <spdlog/fmt/fmt.h>

#include <cassert>
#include <string>
#include <string_view>
#include <utility>

#include "src/node/node.h"
#include "src/node/told_host.h"
#include "storage/keyspace/key_slot.h"

namespace quorate {
namespace {

using consensus::NodeId;

// Requests that never entered a log were certainly not executed, and get errors that clients retry
// on. Those that did enter one and whose fate is open get a code of their own.
constexpr const char* kNotExecuted = "CLUSTERDOWN The cluster is down";
constexpr const char* kRemoved = "CLUSTERDOWN This node was removed from the cluster";
constexpr const char* kWaitsForCreate =
    "CLUSTERDOWN This node has no data and has heard of no cluster: to create a new one, send "
    "CLUSTER CREATE";
constexpr const char* kLostData =
    "CLUSTERDOWN This node is a member of a cluster, and its data folder was lost: start it with "
    "its data folder, or replace it with CLUSTER MEET";
constexpr const char* kUnknownOutcome =
    "UNKNOWN No majority confirmed this write in time: it may or may not have been executed";

// How often the deadlines are looked at.
constexpr int64_t kExpiryIntervalMs = 100;

}  // namespace

void Node::RefuseGroup(const ReadGroup& group, const char* error) {
  for (const PendingRead& read : group.reads) {
    Refuse(read, group.arena.At(read.request), error);
  }
  kept_bytes_ -= group.arena.bytes();
}

void Node::RefuseBatch(const PendingBatch& batch, const char* write_error, const char* read_error) {
  Batch decoded;
  const Batch::Status status = decoded.Decode(batch.payload.bytes());
  assert(status == Batch::Status::kOk);  // this node has built it
  auto unit = decoded.units().begin();
  for (const BatchOperation& operation : batch.operations) {
    if (operation.is_read) {
      Refuse(operation, batch.arena.At(operation.request), read_error);
      continue;
    }
    Refuse(operation, unit->request, write_error);
    ++unit;
  }
}

void Node::Refuse(const PendingRequest& request, std::string_view bytes, const char* error) {
  if (request.session->gone()) return;
  if (error) {
    AnswerWithError(request, error);
  } else if (LeaderMayAppear()) {
    held_.push_back({request, std::string(bytes)});
    kept_bytes_ += bytes.size();
  } else {
    AnswerWithError(request, RedirectError(request, Parse(bytes)));
  }
}

void Node::AnswerWithError(const PendingRequest& request, std::string_view error) {
  Session& session = *request.session;
  if (session.gone()) return;
  session.replies.Answer(request.ticket, [&](resp::ReplyWriter& writer) { writer.Error(error); });
  CountError(parts_.statistics, error);
  ++parts_.statistics.commands[request.command->number].rejected_calls;
  parts_.sessions.Schedule(session);
}

bool Node::LeaderMayAppear() {
  const bool has_leader = raft_.leader() || raft_.successor();
  if (had_leader_ && !has_leader) leaderless_since_ms_ = parts_.clock.monotonic_ms();
  had_leader_ = has_leader;
  return !has_leader && !waits_for_create() && !raft_.has_lost_its_data() &&
         parts_.clock.monotonic_ms() < leaderless_since_ms_ + options_.leader_wait_ms;
}

void Node::AnswerHeld() {
  const bool wait = LeaderMayAppear();
  if (held_.empty() || wait) return;
  for (const Held& held : std::exchange(held_, {})) {
    kept_bytes_ -= held.bytes.size();
    AnswerWithError(held.request, RedirectError(held.request, Parse(held.bytes)));
  }
}

void Node::ExpireRequests() {
  const int64_t now_ms = parts_.clock.monotonic_ms();
  if (now_ms - last_expiry_ms_ < kExpiryIntervalMs) return;
  last_expiry_ms_ = now_ms;

  // Those of clients that have gone; all others are answered in the end.
  std::erase_if(held_back_, [](const Held& held) { return held.request.session->gone(); });

  for (auto& [index, batch] : proposed_) {
    if (batch.expired || batch.deadline_ms > now_ms) continue;
    RefuseBatch(batch, kUnknownOutcome, kNotExecuted);
    batch.operations = {};
    kept_bytes_ -= batch.arena.bytes();
    batch.arena = {};
    batch.expired = true;
    proposed_bytes_ -= batch.payload.size();
    expired_bytes_ += batch.payload.size();
  }
  std::erase_if(unproven_, [&](auto& entry) {
    if (entry.second.deadline_ms > now_ms) return false;
    RefuseGroup(entry.second, kNotExecuted);
    return true;
  });
  std::erase_if(late_reads_, [&](auto& entry) {
    if (entry.second.deadline_ms > now_ms) return false;
    RefuseGroup(entry.second, kNotExecuted);
    return true;
  });
  if (builder_.command_count() > 0 && filling_.deadline_ms <= now_ms) {
    // Never proposed: leadership was being handed over, or the entry before it was not committed.
    PendingBatch batch = std::exchange(filling_, {});
    ++batch_number_;
    batch.payload = consensus::Payload(builder_.Finish(0, 0));
    RefuseBatch(batch, kNotExecuted, kNotExecuted);
  }
}

const char* Node::DownError() const {
  if (raft_.has_lost_its_data()) return kLostData;
  if (waits_to_join()) return kWaitsToJoin;
  if (waits_for_create()) return kWaitsForCreate;
  if (removed_ && !raft_.leader()) return kRemoved;
  return kNotExecuted;
}

std::string Node::RedirectError(const PendingRequest& request, Arguments arguments) const {
  if (waits_to_join()) return DownError();
  std::optional<NodeId> leader = raft_.leader();
  if (!leader && removed_) return DownError();
  if (!leader) leader = raft_.successor();
  if (!leader) return DownError();
  const Member* member = membership_.Find(*leader);
  if (!member || !CanBeTold(*member)) return kNotExecuted;
  const std::string_view* key = FirstKey(request.command->keys, arguments);
  const uint16_t slot = key ? storage::KeySlot(*key) : 0;
  return fmt::format("MOVED {} {}:{}", slot, ReachableHost(*request.session, *member),
                     member->port);
}

}  // namespace quorate
