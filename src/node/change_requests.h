// Changes of the cluster's members that were asked for on this node (CLUSTER MEET, CLUSTER FORGET,
// a new address of its own), on their way: to the leader, through the log, until they are applied
// here. One after the other, since a cluster makes one at a time. Loop thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/configuration.h"
#include "consensus/raft.h"
#include "consensus/types.h"
#include "src/members/member.h"

namespace quorate {

// What a command asks for.
struct MembershipChange {
  consensus::Change change;
  bool force = false;   // even if no live majority would be left
  std::string unknown;  // the error where the change speaks of a member that there is not
  // On a node that nobody has used yet, it is this node that joins: whom to ask to be taken in.
  std::optional<Member> join = {};
  // A node that has this cluster id, alone, asks to be taken in.
  std::optional<uint64_t> asker = {};
};

// The leader decides what can be done, and waits with what cannot be done just now; so it makes no
// difference which node is asked. When the leader is lost, the next one is asked. That a change is
// asked for twice does not matter: what is so already is not done again.
class ChangeRequests {
 public:
  // `error` empty: it is so, by what is committed and applied here. Must not destroy this.
  using Done = std::function<void(std::string_view error)>;

  // `raft` must outlive this.
  explicit ChangeRequests(consensus::Raft& raft) : raft_(raft) {}

  // Calls `done`, where there is one, once and later.
  void Submit(MembershipChange change, int64_t deadline_ms, Done done = nullptr);
  // Once a round, before Raft's effects are taken.
  void Run(int64_t now_ms);
  // What the leader has said, and what is the last entry that was applied here.
  void Receive(const consensus::ChangeAnswer& answer, consensus::Index last_applied,
               consensus::Term last_applied_term, int64_t now_ms);
  // That entry was applied.
  void Applied(consensus::Index index, consensus::Term term);

  bool empty() const { return requests_.empty(); }

 private:
  struct Request {
    MembershipChange change;
    int64_t deadline_ms = 0;
    Done done;
    // At most one of these is set, and only of the first request.
    uint64_t asked = 0;      // the leader, by this number
    consensus::Index index;  // it is this entry
    consensus::Term term;    // in which it was asked, or of that entry
    int64_t ask_again_ms = 0;
    std::string obstacle;   // why it was refused, but may be asked again
    bool in_doubt = false;  // an earlier attempt may have made it
  };

  void Ask(Request& request, int64_t now_ms);
  void LookAt(Request& request, consensus::Index applied, consensus::Term term);
  void FinishFirst(std::string_view error);

  consensus::Raft& raft_;
  std::deque<Request> requests_;
};

}  // namespace quorate
