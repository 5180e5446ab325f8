// Rounds of faults: in each, load, one fault, and a look at everything that clients have seen.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "redis-tests/faults/disks.h"
#include "redis-tests/faults/fault_kinds.h"
#include "redis-tests/faults/judge.h"
#include "redis-tests/faults/pauses.h"
#include "redis-tests/faults/private_network.h"
#include "redis-tests/support/cluster.h"

namespace quorate::redis_tests {

// What is known of the faults of one kind.
struct KindReport {
  int faults = 0;
  int violations = 0;
  Distribution pauses;
  Distribution first_writes;
  Distribution recoveries;  // From space on the disks to the first write.
};

// For the thread that made the cluster.
class Rounds {
 public:
  // `network`, `disks`: null if there are none. All outlive this.
  Rounds(Cluster* cluster, PrivateNetwork* network, Disks* disks, uint64_t seed);

  // Asks the servers what they know. Precondition: they serve.
  void Prepare();
  bool has_incr() const { return has_incr_; }

  // One round with one fault. Returns what was wrong; empty: nothing. Afterwards all nodes serve,
  // unless that is what was wrong.
  std::vector<std::string> Run(const FaultKind& kind);
  // Whether what every round has left is still there.
  std::vector<std::string> CheckOldRounds();

  // What has happened in the last round, for a line of text.
  std::string last_round() const { return last_round_; }
  const std::map<std::string_view, KindReport>& kinds() const { return kinds_; }
  const Outcomes& outcomes() const { return outcomes_; }
  size_t undecided() const { return undecided_; }

 private:
  std::vector<std::string> FindUnexpectedEnds();
  std::vector<Request> ReadAll(Workload* workload, std::vector<std::string>* wrong);
  std::string CompareDigests();
  std::string RoundPrefix(size_t round) const { return "r" + std::to_string(round) + ":"; }

  Cluster* const cluster_;
  PrivateNetwork* const network_;
  Disks* const disks_;
  Random random_;
  bool has_incr_ = false;
  // For each round, what its keys held at its end.
  std::vector<std::vector<Reply>> left_;
  std::map<std::string_view, KindReport> kinds_;
  Outcomes outcomes_;
  size_t undecided_ = 0;
  std::string last_round_;
};

}  // namespace quorate::redis_tests
