// Majority arithmetic: the only place that knows how many servers are enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "consensus/types.h"

namespace quorate::consensus {

// The least number of `voters` of which any two sets have a server in common.
// Precondition: voters > 0.
size_t Majority(size_t voters);

// The largest value that a majority of the servers has reached. `reached` holds one value for each
// voter, this server included, and is left in another order. Precondition: not empty.
Index ReachedByMajority(std::span<Index> reached);
uint64_t ReachedByMajority(std::span<uint64_t> reached);

// The votes of one election. A vote that comes twice counts once (section 5.2: "each server will
// vote for at most one candidate in a given term").
class VoteTally {
 public:
  explicit VoteTally(size_t needed) : needed_(needed) {}
  void Grant(NodeId voter);
  bool Won() const { return granted_.size() >= needed_; }

 private:
  size_t needed_;
  std::vector<NodeId> granted_;
};

}  // namespace quorate::consensus
