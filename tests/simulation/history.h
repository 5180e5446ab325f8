// Everything that clients have asked and learned, in the order of asking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tests/simulation/operation.h"

namespace quorate::simulation {

class History {
 public:
  // The moment now, in the order of all moments.
  uint64_t NextMoment() { return ++moment_; }
  ValueId NextValue() { return ++last_value_; }
  ValueId last_value() const { return last_value_; }

  // Gives the operation its id, which is its place, and the moment of its call.
  size_t Begin(Operation operation) {
    operation.id = operations_.size();
    operation.invoked = NextMoment();
    operations_.push_back(std::move(operation));
    return operations_.back().id;
  }
  void End(size_t id, Outcome outcome) {
    operations_[id].outcome = outcome;
    operations_[id].completed = NextMoment();
    if (outcome == Outcome::kDone) ++done_;
    if (outcome == Outcome::kUnknown) ++unknown_;
  }
  // No more answers come.
  void EndAll() {
    for (Operation& operation : operations_) {
      if (operation.outcome == Outcome::kPending) operation.outcome = Outcome::kUnknown;
    }
  }

  Operation& at(size_t id) { return operations_[id]; }
  size_t size() const { return operations_.size(); }
  size_t done() const { return done_; }
  size_t unknown() const { return unknown_; }
  const std::vector<Operation>& operations() const { return operations_; }

 private:
  uint64_t moment_ = 0;
  ValueId last_value_ = 0;
  size_t done_ = 0;
  size_t unknown_ = 0;
  std::vector<Operation> operations_;
};

}  // namespace quorate::simulation
