// Whether a simulation has found anything wrong. The first finding counts: what comes after it may
// be its consequence.
#pragma once

#include <string>
#include <utility>

namespace quorate::simulation {

class Verdict {
 public:
  void Fail(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }
  bool failed() const { return !violation_.empty(); }
  const std::string& violation() const { return violation_; }

 private:
  std::string violation_;
};

}  // namespace quorate::simulation
