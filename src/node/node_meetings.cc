// The part of Node that takes in new members: CLUSTER MEET, from the question to the answer.
//
//   1. The address is probed. Only an empty node goes further: one that holds data, or belongs to a
//      cluster, is never taken in. So nothing enters the log for an address where nobody is, and a
//      member that is only rebooting is not replaced.
//   2. The leader adds the address as a learner.
//   3. The leader hears the newcomer, which has been taken in by then. Only now the answer is OK.
//      If nobody comes, the learner is removed again.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "src/members/member_address.h"
#include "src/node/node.h"

namespace quorate {
namespace {

using consensus::Health;
using consensus::NodeId;

// Each holds a socket. More are not an operator's.
constexpr size_t kMeetingsMax = 64;

const Member* FindByAddress(const std::vector<Member>& members, const std::string& address) {
  const auto found = std::ranges::find_if(
      members, [&](const Member& member) { return MemberAddress(member) == address; });
  return found != members.end() ? &*found : nullptr;
}

}  // namespace

void Node::BeginMeeting(PendingRequest request, const std::string& address) {
  if (meetings_.size() >= kMeetingsMax) {
    AnswerWithError(request, "TRYAGAIN too many nodes are being added already");
    return;
  }
  if (MemberAddress(self()) == address) {
    // A node that has lost its folder, or was removed, must not call itself a member.
    const bool belongs = raft_.leader() && membership_.Find(raft_.id());
    AnswerChange(request, belongs ? "" : "CLUSTERDOWN The cluster is down");
    return;
  }
  const auto place = std::get<Member>(ParseMemberAddress(address));
  const uint64_t number = ++last_meeting_;
  meetings_.emplace(number, Meeting{std::move(request), address});
  parts_.network.Probe(
      place, options_.request_timeout_ms,
      [this, number](const ProbeAnswer& answer) { MeetAfterProbe(number, answer); });
}

void Node::MeetAfterProbe(uint64_t number, const ProbeAnswer& answer) {
  const std::string& address = meetings_.at(number).address;
  switch (answer.kind) {
    case ProbeAnswer::Kind::kEmpty:
      changes_.Submit({consensus::AddLearner{address}, false, {}}, Deadline(),
                      [this, number](std::string_view error) { WaitForNewcomer(number, error); });
      return;
    case ProbeAnswer::Kind::kMember: {
      const NodeId id(answer.member_id);
      if (membership_.Find(id)) {
        EndMeeting(number, "");
      } else if (was_removed(id)) {
        EndMeeting(number, fmt::format("ERR the node at {} is node {}, which was removed from this "
                                       "cluster: it can return only with an empty data folder",
                                       address, answer.member_id));
      } else {
        EndMeeting(number, fmt::format("TRYAGAIN this node has not heard yet that node {} belongs "
                                       "to the cluster",
                                       answer.member_id));
      }
      return;
    }
    case ProbeAnswer::Kind::kOther:
      EndMeeting(number,
                 fmt::format("ERR the node at {} cannot be added: it holds data, or belongs "
                             "to another cluster. It says: {}",
                             address, answer.text));
      return;
    case ProbeAnswer::Kind::kNobody: {
      const Member* member = FindByAddress(members(), address);
      EndMeeting(number,
                 fmt::format("ERR no node answers at {}: {}{}", address, answer.text,
                             member ? fmt::format(". Node {} stays a member", member->id) : ""));
      return;
    }
  }
}

void Node::WaitForNewcomer(uint64_t number, std::string_view error) {
  if (!error.empty()) {
    EndMeeting(number, error);
    return;
  }
  Meeting& meeting = meetings_.at(number);
  meeting.is_added = true;
  meeting.deadline_ms = Deadline();
}

void Node::RunMeetings() {
  const int64_t now_ms = parts_.clock.monotonic_ms();
  std::vector<uint64_t> waiting;
  for (const auto& [number, meeting] : meetings_) {
    if (meeting.is_added) waiting.push_back(number);
  }
  for (const uint64_t number : waiting) {
    Meeting& meeting = meetings_.at(number);
    const Member* newcomer = FindByAddress(members(), meeting.address);
    if (!newcomer) {
      EndMeeting(number, fmt::format("ERR {} was added, and removed again before the node there "
                                     "followed the leader",
                                     meeting.address));
      continue;
    }
    const Health seen = health(*newcomer);
    if (seen == Health::kOnline || seen == Health::kLoading) {
      EndMeeting(number, "");
    } else if (now_ms >= meeting.deadline_ms) {
      GiveUpMeeting(number, *newcomer);
    }
  }
}

// Precondition: the newcomer was not heard.
void Node::GiveUpMeeting(uint64_t number, const Member& newcomer) {
  Meeting& meeting = meetings_.at(number);
  if (newcomer.voter || newcomer.folder != 0) {
    // A node has taken the place, and will not be empty any more when it comes.
    EndMeeting(number, fmt::format("TRYAGAIN the node at {} is node {} of the cluster now, but the "
                                   "leader does not hear it",
                                   meeting.address, newcomer.id));
    return;
  }
  meeting.is_added = false;
  changes_.Submit({consensus::RemoveMember{NodeId(newcomer.id)}, false, {}}, Deadline(),
                  [this, number](std::string_view error) {
                    const std::string& address = meetings_.at(number).address;
                    EndMeeting(number, fmt::format("ERR the node at {} did not follow the leader, "
                                                   "and {}",
                                                   address,
                                                   error.empty() ? "was removed again"
                                                                 : "could not be removed again"));
                  });
}

void Node::EndMeeting(uint64_t number, std::string_view error) {
  const auto meeting = meetings_.extract(number);
  AnswerChange(meeting.mapped().request, error);
}

}  // namespace quorate
