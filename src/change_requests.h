// Changes of the cluster's members that were asked for on this node (CLUSTER MEET, CLUSTER FORGET,
// a new address of its own), on their way: to the leader, through the log, until they are applied
// here. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/configuration.h"
#include "consensus/raft.h"
#include "consensus/types.h"
#include "src/pending.h"

namespace quorate {

// What a command asks for: one change after the other.
struct MembershipChange {
  std::vector<consensus::Change> steps;  // none: it is so already
  bool force = false;                    // even if no live majority would be left
};

class ChangeRequests {
 public:
  // `error` empty: done, all steps are committed and applied here.
  using Answer = std::function<void(const PendingRequest& request, std::string_view error)>;

  // `raft` must outlive this.
  ChangeRequests(consensus::Raft& raft, Answer answer) : raft_(raft), answer_(std::move(answer)) {}

  // A request without a session is this node's own, and answered to nobody.
  void Submit(PendingRequest request, MembershipChange change, int64_t deadline_ms);
  // Once a round, before Raft's effects are taken.
  void Run(int64_t now_ms);
  // What the leader has said, and what is the last entry that was applied here.
  void Receive(const consensus::ChangeAnswer& answer, consensus::Index last_applied,
               consensus::Term last_applied_term);
  // That entry was applied.
  void Applied(consensus::Index index, consensus::Term term);

  bool empty() const { return requests_.empty(); }

 private:
  struct Request {
    PendingRequest request;
    MembershipChange change;
    size_t step = 0;
    int64_t deadline_ms = 0;
    // The step that is under way. At most one of these is set.
    uint64_t asked = 0;      // the leader, by this number
    consensus::Index index;  // it is this entry
    consensus::Term term;    // of that entry
  };

  // Both true: it has been answered.
  bool Propose(Request& request);
  bool LookAt(Request& request, consensus::Index applied, consensus::Term term);
  void Finish(const Request& request, std::string_view error);

  consensus::Raft& raft_;
  const Answer answer_;
  std::vector<Request> requests_;
};

}  // namespace quorate
