#include "redis-tests/faults/judge.h"

#include <algorithm>
#include <map>

#include "redis-tests/faults/counter_check.h"
#include "tests/simulation/linearizability.h"

namespace quorate::redis_tests {

namespace {

constexpr uint64_t kSearchStepsMax = 20'000'000;
constexpr size_t kReportedMax = 60;

std::vector<std::string> JudgeCounters(const std::vector<Request>& requests) {
  std::map<uint32_t, std::vector<CounterOperation>> counters;
  for (const Request& request : requests) {
    const Operation& operation = request.operation;
    if (operation.keys.front() < Workload::kFirstCounter ||
        operation.outcome == Outcome::kNotExecuted) {
      continue;
    }
    const bool done = operation.outcome == Outcome::kDone;
    counters[operation.keys.front()].push_back(
        {operation.invoked, done ? operation.completed : CounterOperation::kNever,
         operation.connection, request.increments, operation.count});
  }
  std::vector<std::string> violations;
  for (const auto& [key, operations] : counters) {
    if (std::string wrong = CheckCounter(operations); !wrong.empty()) {
      violations.push_back("counter " + std::to_string(key) + ": " + wrong);
    }
  }
  return violations;
}

}  // namespace

Verdict Judge(const std::vector<Request>& requests) {
  std::vector<Operation> operations;
  for (const Request& request : requests) {
    if (request.operation.keys.front() < Workload::kFirstCounter) {
      operations.push_back(request.operation);
    }
  }
  const simulation::HistoryReport report =
      simulation::CheckHistory(operations, Workload::kFirstCounter, kSearchStepsMax);
  Verdict verdict;
  verdict.violations = JudgeCounters(requests);
  verdict.undecided = report.undecided;
  if (report.bad_key) {
    std::string text = "key " + std::to_string(*report.bad_key) + ": what was seen until " +
                       std::to_string(report.bad_moment) + " cannot be explained; the last of " +
                       std::to_string(report.bad_operations.size()) + " operations:";
    const size_t shown = std::min(report.bad_operations.size(), kReportedMax);
    for (size_t i = report.bad_operations.size() - shown; i < report.bad_operations.size(); ++i) {
      text += "\n  " + report.bad_operations[i];
    }
    verdict.violations.push_back(std::move(text));
  }
  return verdict;
}

void Outcomes::Count(const std::vector<Request>& requests) {
  for (const Request& request : requests) {
    acknowledged += request.operation.outcome == Outcome::kDone ? 1 : 0;
    not_executed += request.operation.outcome == Outcome::kNotExecuted ? 1 : 0;
    unknown += request.operation.outcome == Outcome::kUnknown ? 1 : 0;
  }
}

}  // namespace quorate::redis_tests
