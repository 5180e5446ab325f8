#include "src/change_requests.h"

#include <spdlog/fmt/fmt.h>

#include <utility>
#include <variant>

namespace quorate {
namespace {

using consensus::ChangeError;
using consensus::ChangeRefusal;
using consensus::Index;
using consensus::Term;

constexpr std::string_view kNoLeader = "CLUSTERDOWN The cluster is down";
constexpr std::string_view kUnknownOutcome =
    "UNKNOWN No majority confirmed this change in time: it may or may not have been made";
constexpr std::string_view kLost = "TRYAGAIN The leader was lost with this change: it was not made";

// Nothing is wrong with the change, only with the moment.
bool IsWorthWaitingFor(ChangeRefusal reason) {
  return reason == ChangeRefusal::kNotLeader || reason == ChangeRefusal::kNotEstablished ||
         reason == ChangeRefusal::kChangePending;
}

}  // namespace

void ChangeRequests::Submit(PendingRequest request, MembershipChange change, int64_t deadline_ms) {
  requests_.push_back({std::move(request), std::move(change), 0, deadline_ms, 0, {}, {}});
  if (requests_.back().change.steps.empty()) {
    Finish(requests_.back(), "");
    requests_.pop_back();
  }
}

void ChangeRequests::Run(int64_t now_ms) {
  std::erase_if(requests_, [&](Request& request) {
    const bool under_way = request.asked != 0 || request.index != Index();
    if (now_ms >= request.deadline_ms) {
      Finish(request, under_way ? kUnknownOutcome : kNoLeader);
      return true;
    }
    return !under_way && Propose(request);
  });
}

bool ChangeRequests::Propose(Request& request) {
  const consensus::Change& change = request.change.steps[request.step];
  if (!raft_.is_leader()) {
    request.asked = raft_.RequestChange(change, request.change.force).value_or(0);
    return false;  // without a leader it waits for one
  }
  const auto result = raft_.ProposeChange(change, request.change.force);
  if (const auto* error = std::get_if<ChangeError>(&result)) {
    if (IsWorthWaitingFor(error->reason)) return false;
    Finish(request, "ERR " + error->text);
    return true;
  }
  request.index = std::get<Index>(result);
  request.term = raft_.current_term();
  return false;
}

void ChangeRequests::Receive(const consensus::ChangeAnswer& answer, Index last_applied,
                             Term last_applied_term) {
  std::erase_if(requests_, [&](Request& request) {
    if (request.asked == 0 || request.asked != answer.request) return false;
    request.asked = 0;
    if (answer.index == Index()) {
      Finish(request, "ERR " + answer.error);
      return true;
    }
    request.index = answer.index;
    request.term = answer.term;
    // The entry may have been faster than the reply.
    return LookAt(request, last_applied, last_applied_term);
  });
}

void ChangeRequests::Applied(Index index, Term term) {
  std::erase_if(requests_, [&](Request& request) { return LookAt(request, index, term); });
}

bool ChangeRequests::LookAt(Request& request, Index index, Term term) {
  if (request.index == Index() || index < request.index) return false;
  if (term == request.term) {
    // That entry itself, or one that the same leader put behind it.
    request.index = Index();
    if (++request.step < request.change.steps.size()) return false;
    Finish(request, "");
  } else if (index == request.index || term < request.term) {
    Finish(request, kLost);  // terms never decrease along the log
  } else {
    Finish(request, kUnknownOutcome);
  }
  return true;
}

void ChangeRequests::Finish(const Request& request, std::string_view error) {
  if (request.request.session) answer_(request.request, error);
}

}  // namespace quorate
