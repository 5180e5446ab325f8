#include "src/node/change_requests.h"

#include <utility>
#include <variant>
#include <vector>

namespace quorate {
namespace {

using consensus::ChangeRefusal;
using consensus::Index;
using consensus::Term;

constexpr std::string_view kNoLeader = "CLUSTERDOWN The cluster is down";
constexpr std::string_view kUnknownOutcome =
    "UNKNOWN No majority confirmed this change in time: it may or may not have been made";

// After a refusal that is for the moment.
constexpr int64_t kAskAgainMs = 10;
// The question, or the answer, seems to be lost: the leader waits for less.
constexpr int64_t kAnswerWaitMs = 3000;

}  // namespace

void ChangeRequests::Submit(MembershipChange change, int64_t deadline_ms, Done done) {
  requests_.emplace_back();
  requests_.back().change = std::move(change);
  requests_.back().deadline_ms = deadline_ms;
  requests_.back().done = std::move(done);
}

void ChangeRequests::Run(int64_t now_ms) {
  // What is done then may submit others.
  std::vector<Request> expired;
  std::erase_if(requests_, [&](Request& request) {
    if (now_ms < request.deadline_ms) return false;
    expired.push_back(std::move(request));
    return true;
  });
  for (const Request& request : expired) {
    if (!request.done) continue;
    if (request.in_doubt || request.asked != 0 || request.index != Index()) {
      request.done(kUnknownOutcome);
    } else if (request.obstacle.empty()) {
      request.done(kNoLeader);
    } else {
      request.done("TRYAGAIN " + request.obstacle);
    }
  }
  if (!requests_.empty()) Ask(requests_.front(), now_ms);
}

void ChangeRequests::Ask(Request& request, int64_t now_ms) {
  if (request.asked != 0 &&
      (request.term != raft_.current_term() || now_ms >= request.ask_again_ms)) {
    // No later leader does what this one was asked for. But it may have made it before it was lost;
    // then the next one has it in its log, or it was not made.
    request.asked = 0;
    request.ask_again_ms = 0;
    request.in_doubt = true;
  }
  if (request.asked != 0 || request.index != Index() || now_ms < request.ask_again_ms) return;
  const auto asked = raft_.RequestChange(request.change.change, request.change.force);
  if (!asked) {
    request.obstacle.clear();
    return;
  }
  request.asked = *asked;
  request.term = raft_.current_term();
  request.ask_again_ms = now_ms + kAnswerWaitMs;
}

void ChangeRequests::Receive(const consensus::ChangeAnswer& answer, Index last_applied,
                             Term last_applied_term, int64_t now_ms) {
  if (requests_.empty()) return;
  Request& request = requests_.front();
  if (request.asked == 0 || request.asked != answer.request) return;
  request.asked = 0;
  const ChangeRefusal refusal = answer.error.reason;
  if (consensus::IsForTheMoment(refusal)) {
    request.obstacle = answer.error.text;
    request.ask_again_ms = now_ms + kAskAgainMs;
  } else if (refusal == ChangeRefusal::kUnknownMember && !request.change.unknown.empty()) {
    FinishFirst(request.change.unknown);
  } else if (refusal != ChangeRefusal::kNone) {
    FinishFirst("ERR " + answer.error.text);
  } else {
    request.index = answer.index;
    request.term = answer.term;
    // The entry may have been faster than the reply.
    LookAt(request, last_applied, last_applied_term);
  }
}

void ChangeRequests::Applied(Index index, Term term) { LookAt(requests_.front(), index, term); }

// Precondition: the request is the first.
void ChangeRequests::LookAt(Request& request, Index applied, Term term) {
  if (request.index == Index() || applied < request.index) return;
  if (term == request.term) {
    // That entry itself, or one that the same leader put behind it.
    FinishFirst("");
    return;
  }
  // Terms never decrease along the log: with an older one here, or another one in its place, the
  // entry is in no log that counts. Where neither is seen, it may be.
  const bool was_lost = applied == request.index || term < request.term;
  request.in_doubt = request.in_doubt || !was_lost;
  request.index = Index();
  request.ask_again_ms = 0;
}

void ChangeRequests::FinishFirst(std::string_view error) {
  const Request request = std::move(requests_.front());
  requests_.pop_front();
  if (request.done) request.done(error);
}

}  // namespace quorate
