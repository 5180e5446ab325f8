// The part of Node that has several first members found their cluster (CLUSTER CREATE). Nothing in
// their command lines says whether a cluster with these members was there before, so an operator
// has to. The decision is remembered by the votes of the first election, see Raft::BeginFounding.
// An initial cluster of one founds itself, and only has to answer when that is done.
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "src/members/member_address.h"
#include "src/node/node.h"

namespace quorate {
namespace {

constexpr const char* kIsAlone =
    "ERR this node was started alone and is a cluster already: CLUSTER MEET adds other nodes to it";
constexpr const char* kOthersHaveData =
    "ERR the cluster is not created: another first member holds data of this cluster already, and "
    "this node has lost its own";
constexpr const char* kHasNoLeader =
    "CLUSTERDOWN The cluster was created before, and no leader is known now";
constexpr const char* kUndecided =
    "UNKNOWN the first election has begun and is not decided: the cluster is there as soon as all "
    "its first members are in touch";

}  // namespace

void Node::SubmitCreate(Session& session, const Command& command) {
  creations_.push_back({MakePending(session, command), Deadline()});
  AnswerCreations();
}

void Node::AnswerCreations() {
  if (creations_.empty()) return;
  raft_.BeginFounding();
  std::erase_if(creations_, [this](const Creation& creation) {
    const bool expired = parts_.clock.monotonic_ms() >= creation.deadline_ms;
    const std::optional<std::string> answer = CreationAnswer(expired);
    if (!answer) return false;
    AnswerChange(creation.request, *answer);
    return true;
  });
  if (creations_.empty()) raft_.AbandonFounding();
}

std::optional<std::string> Node::CreationAnswer(bool expired) const {
  const bool is_founded = raft_.founding() != consensus::FoundingId();
  if (waits_for_create()) return expired ? std::optional(CreationObstacle()) : std::nullopt;
  if (options_.may_be_adopted && IsAlone()) {
    if (waits_to_join() || raft_.has_lost_its_data()) return DownError();
    if (!options_.may_be_created) return kIsAlone;
  }
  if (raft_.has_lost_its_data()) return kOthersHaveData;
  if (is_founded && raft_.leader()) return "";
  if (!expired) return std::nullopt;
  return is_founded ? kHasNoLeader : kUndecided;
}

std::string Node::CreationObstacle() const {
  std::string missing;
  for (const consensus::NodeId id : raft_.founders_missing()) {
    const Member* member = membership_.Find(id);
    const auto refusal = refusals_.find(id.value());
    missing += fmt::format("{}node {} at {} ({})", missing.empty() ? "" : ", ", id.value(),
                           member ? MemberAddress(*member) : "",
                           refusal == refusals_.end() ? "not reached, or it holds data"
                                                      : "it says: " + refusal->second);
  }
  return fmt::format(
      "ERR the cluster is not created: it takes all its first members at once, without data. "
      "Missing: {}",
      missing);
}

}  // namespace quorate
