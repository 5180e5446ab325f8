// What a cluster owes its clients while things still go wrong. Two promises:
//
// - While a majority of the voters is healthy and in touch, writes are committed: after at most so
//   long a time one is, whatever happens to the others. While the voters change, it has to be a
//   majority by what each of it knows. (Whether a write's client still waits is another matter.
//   Some runs ask of tiny queues more than they can ever answer in time. And where checkpoints are
//   slow, what is committed may have to be applied before a leader takes more. And what a new
//   leader has to replicate before its own first entry may be much: it has to get on with it.)
// - While a majority is healthy and in touch but for disks that are full, it has a leader, which
//   answers reads. Not so where one of it needs a snapshot, and has no space for it.
// - A leader that is cut off from the majority stops leading within an election timeout
//   (dissertation 6.2), so that its clients look elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/simulation/event_queue.h"
#include "tests/simulation/network.h"
#include "tests/simulation/raft_checker.h"
#include "tests/simulation/server.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/verdict.h"

namespace quorate::simulation {

class Availability {
 public:
  Availability(const Surroundings& surroundings,
               const std::vector<std::unique_ptr<Server>>& servers, const RaftChecker& checker,
               Verdict& verdict);

  // Looks at the whole cluster. Called every few milliseconds.
  void Look();
  // Somebody has asked for what keeps any cluster from serving for a while, such as another leader:
  // what it owes counts from now on.
  void Disturbed() { disturbed_at_ = surroundings_.events.now(); }
  // How many of the looks were at a cluster that owed its clients writes.
  uint64_t looks_due() const { return looks_due_; }

 private:
  // A set of places, as bits.
  using Places = uint32_t;
  // Voters that could serve by themselves, and since when; and since when all but writes.
  struct Group {
    Places members = 0;
    Time good_since = 0;
    Time reads_since = 0;
  };

  // What of the cluster is as it should be now.
  struct State {
    // By place: who is in touch with it, itself among them, where both are healthy.
    std::vector<Places> in_touch;
    // By place: those that it knows as voters.
    std::vector<Places> voters;
  };

  State Observe(bool (Server::*healthy)() const) const;
  Places VotersOf(const consensus::Configuration& configuration) const;
  // A snapshot does not fit on a full disk.
  void LeaveOutThoseWithoutSpaceForASnapshot(State& state) const;
  static bool IsGood(const Group& group, const State& state);
  // All sets of at least a majority of the voters.
  void FollowVoters();
  void LookForProgress();
  // When a group owes something that has been as it should be since then, and undisturbed.
  Time DueSince(const Group& group, Time good_since) const;
  // Fails when it owes it, and it was not done for too long.
  void Look(const Group& group, Time good_since, Time done_at, const char* what);
  void LookAtLeader(const Server& server) const;

  const Surroundings surroundings_;
  const std::vector<std::unique_ptr<Server>>& servers_;
  const RaftChecker& checker_;
  Verdict& verdict_;
  uint64_t configuration_index_ = 0;  // of the one that majorities_ are of
  std::vector<Group> majorities_;
  uint64_t committed_batches_ = 0;
  std::vector<consensus::Index> applied_;  // by place, when it led last
  // By a leader that has committed nothing of its own term yet, the highest of all.
  consensus::Index replicated_;
  Time progress_at_ = 0;
  Time led_at_ = 0;
  Time disturbed_at_ = 0;
  uint64_t looks_due_ = 0;
};

}  // namespace quorate::simulation
