// The part of Node that joins another cluster because a client says so (CLUSTER MEET on a node that
// nobody has used yet), and tells whether it belongs to one (CLUSTER RESET).
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>
#include <utility>

#include "src/node/node.h"

namespace quorate {
namespace {

constexpr std::string_view kTakesInNobody =
    "TRYAGAIN This node waits to be taken into a cluster itself";
constexpr std::string_view kMembersAreNotReset =
    "ERR CLUSTER RESET can't be called with a member of a cluster, since it would lose "
    "acknowledged "
    "writes. Send CLUSTER FORGET with this node's id to another member first";
constexpr std::string_view kKeysAreNotReset =
    "ERR CLUSTER RESET can't be called with master nodes containing keys";
constexpr std::string_view kUsedIsNotReset =
    "ERR CLUSTER RESET can't be called with a node that has held data. Start it with an empty "
    "folder instead";

}  // namespace

bool Node::untouched() const {
  // What is on its way counts: a write that were in the log by the time that this life ends would
  // be taken away with the folder.
  const bool idle = builder_.command_count() == 0 &&
                    raft_.last_log_index() == keys_.last_applied() && changes_.empty();
  return options_.may_be_adopted && idle && members().size() <= 1 &&
         raft_.configuration().members.size() <= 1 && keys_.revision() == 0 &&
         keys_.key_count() == 0;
}

void Node::RouteMeet(Joining::Meet meet) {
  if (untouched() && has_replayed_alone()) {
    Member target = *meet.change.join;
    joining_.Begin(std::move(meet), std::move(target));
    return;
  }
  const bool in_use = !options_.may_be_adopted || members().size() > 1 ||
                      raft_.configuration().members.size() > 1 || keys_.revision() > 0 ||
                      keys_.key_count() > 0;
  if (in_use || parts_.clock.monotonic_ms() >= meet.deadline_ms) {
    MakeChange(std::move(meet.request), std::move(meet.change));
  } else {
    undecided_meets_.push_back(std::move(meet));
  }
}

std::optional<std::string> Node::AdmissionError(uint64_t asker) {
  if (asker == options_.cluster_id) return "ERR a node cannot be taken in by itself";
  if (!joining_.MayAdmit(asker, options_.cluster_id, parts_.clock.monotonic_ms())) {
    return std::string(kTakesInNobody);
  }
  return std::nullopt;
}

void Node::RunJoining() {
  for (Joining::Meet& meet : std::exchange(undecided_meets_, {})) RouteMeet(std::move(meet));
  if (const auto failure = joining_.Failure(parts_.clock.monotonic_ms())) EndJoining(*failure);
}

void Node::EndJoining(std::string_view error) {
  if (joining_.active()) AnswerChange(joining_.End().request, error);
}

// --- CLUSTER RESET ---

void Node::SubmitReset(Session& session, const Command& command) {
  resets_.push_back({MakePending(session, command), Deadline()});
  AnswerResets();
}

void Node::AnswerResets() {
  if (resets_.empty()) return;
  std::optional<std::string_view> answer = ResetAnswer();
  std::erase_if(resets_, [&](const Reset& reset) {
    if (!answer && parts_.clock.monotonic_ms() >= reset.deadline_ms) answer = kMembersAreNotReset;
    if (!answer) return false;
    AnswerChange(reset.request, *answer);
    return true;
  });
}

std::optional<std::string_view> Node::ResetAnswer() const {
  // Whoever was removed hears of it when it connects to the members again, a moment later.
  if (removed_ && !raft_.leader()) return "";
  if (waits_for_create()) return "";
  if (!raft_.leader_is_established() || !membership_.Find(raft_.id())) return std::nullopt;
  if (!IsAlone()) return kMembersAreNotReset;
  if (keys_.key_count() > 0) return kKeysAreNotReset;
  return untouched() ? std::string_view() : kUsedIsNotReset;
}

}  // namespace quorate
