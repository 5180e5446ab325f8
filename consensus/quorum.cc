#include "consensus/quorum.h"

#include <algorithm>
#include <cassert>
#include <functional>

namespace quorate::consensus {

namespace {

template <typename T>
T Reached(std::span<T> reached) {
  assert(!reached.empty());
  // In falling order, the value at place Majority - 1 is reached by exactly the servers up to
  // there, or by more.
  auto place = reached.begin() + static_cast<std::ptrdiff_t>(Majority(reached.size()) - 1);
  std::nth_element(reached.begin(), place, reached.end(), std::greater<>());
  return *place;
}

}  // namespace

size_t Majority(size_t voters) {
  assert(voters > 0);
  return voters / 2 + 1;
}

Index ReachedByMajority(std::span<Index> reached) { return Reached(reached); }

uint64_t ReachedByMajority(std::span<uint64_t> reached) { return Reached(reached); }

void VoteTally::Grant(NodeId voter) {
  if (std::find(granted_.begin(), granted_.end(), voter) == granted_.end()) {
    granted_.push_back(voter);
  }
}

}  // namespace quorate::consensus
