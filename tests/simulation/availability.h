// What a cluster owes its clients while things still go wrong. Two promises:
//
// - While a majority of the members is healthy and in touch, writes are committed: after at most so
//   long a time one is, whatever happens to the others. (Whether its client still waits is another
//   matter. Some runs ask of tiny queues more than they can ever answer in time.)
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
  // Members that could serve by themselves, and since when.
  struct Group {
    std::vector<size_t> members;
    Time good_since = 0;
  };

  bool IsGood(const Group& group) const;
  void LookForWrites();
  void LookAtLeader(const Server& server) const;

  const Surroundings surroundings_;
  const std::vector<std::unique_ptr<Server>>& servers_;
  const RaftChecker& checker_;
  Verdict& verdict_;
  std::vector<Group> majorities_;
  uint64_t committed_batches_ = 0;
  Time progress_at_ = 0;
  Time disturbed_at_ = 0;
  uint64_t looks_due_ = 0;
};

}  // namespace quorate::simulation
