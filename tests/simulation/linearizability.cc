#include "tests/simulation/linearizability.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "consensus/random.h"

namespace quorate::simulation {
namespace {

// What the key holds after the operation; nothing when the operation cannot have seen this state.
std::optional<ValueId> Step(ValueId state, const KeyOperation& operation) {
  using Seen = KeyOperation::Seen;
  using Condition = KeyOperation::Condition;
  switch (operation.seen) {
    case Seen::kNothing:
      break;
    case Seen::kValue:
      if (state != operation.value_seen) return std::nullopt;
      break;
    case Seen::kPresent:
      if (state == 0) return std::nullopt;
      break;
    case Seen::kMissing:
      if (state != 0) return std::nullopt;
      break;
  }
  if (operation.condition == Condition::kIfMissing && state != 0) return state;
  if (operation.condition == Condition::kIfPresent && state == 0) return state;
  switch (operation.effect) {
    case KeyOperation::Effect::kNone:
      return state;
    case KeyOperation::Effect::kSet:
      return operation.value;
    case KeyOperation::Effect::kDelete:
      return 0;
  }
  return state;
}

// Given what it has seen, it cannot have changed anything.
bool OnlyLooked(const KeyOperation& operation) {
  using Seen = KeyOperation::Seen;
  using Condition = KeyOperation::Condition;
  if (operation.effect == KeyOperation::Effect::kNone) return true;
  const bool saw_none = operation.seen == Seen::kMissing ||
                        (operation.seen == Seen::kValue && operation.value_seen == 0);
  const bool saw_one = operation.seen == Seen::kPresent ||
                       (operation.seen == Seen::kValue && operation.value_seen != 0);
  if (operation.condition == Condition::kIfMissing) return saw_one;
  if (operation.condition == Condition::kIfPresent) return saw_none;
  return operation.effect == KeyOperation::Effect::kDelete && saw_none;
}

// A set of operations together with the key's state, as 128 bits: each operation has its random
// number, and a set is the sum of its members' (Zobrist).
struct Visited {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Visited&) const = default;
};
struct VisitedHash {
  size_t operator()(const Visited& visited) const { return visited.low; }
};

class Search {
 public:
  Search(std::span<const KeyOperation> operations, uint64_t steps_max)
      : operations_(operations.begin(), operations.end()),
        steps_left_(steps_max),
        done_(operations.size(), false) {
    CountObservers();
    consensus::Random numbers(operations.size());
    for (size_t i = 0; i < operations.size(); ++i) {
      numbers_.push_back({numbers.Next(), numbers.Next()});
      only_looked_.push_back(OnlyLooked(operations[i]));
    }
    Link();
    LinkConnections();
  }

  Judgement Run() {
    if (known_left_ == 0) return Judgement::kLinearizable;
    stack_.push_back({FindChoices(), 0, state_, prior_, 0});
    while (!stack_.empty()) {
      if (steps_left_-- == 0) return Judgement::kUndecided;
      Level& level = stack_.back();
      if (level.next == level.choices.size()) {
        stack_.pop_back();
        if (!stack_.empty()) Undo();
        continue;
      }
      const size_t operation = level.choices[level.next++];
      if (!Do(operation)) continue;
      if (known_left_ == 0) return Judgement::kLinearizable;
      stack_.back().progress_before = progress_before_;
      stack_.push_back({FindChoices(), 0, state_, prior_, 0});
    }
    return Judgement::kNotLinearizable;
  }

 private:
  // Entries: operation i's call is 2i + 1, its return 2i + 2; 0 is the list's head and end.
  static constexpr size_t kEnd = 0;
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  // Before each of the operations chosen so far: what could have come next.
  struct Level {
    std::vector<size_t> choices;
    size_t next;  // the first one not tried; the one before it has been done
    ValueId state;
    std::optional<ValueId> prior;
    size_t progress_before;
  };

  // All values that nobody has seen are one: nothing can tell them apart.
  static constexpr ValueId kUnseen = std::numeric_limits<ValueId>::max();

  void CountObservers() {
    for (const KeyOperation& operation : operations_) {
      if (operation.seen == KeyOperation::Seen::kValue) ++observers_left_[operation.value_seen];
    }
    for (KeyOperation& operation : operations_) {
      const bool writes = operation.effect == KeyOperation::Effect::kSet;
      if (writes && !observers_left_.contains(operation.value)) operation.value = kUnseen;
    }
  }

  bool IsUnknown(size_t operation) const {
    return operations_[operation].ret == KeyOperation::kNever;
  }

  void Link() {
    std::vector<std::pair<uint64_t, size_t>> moments;
    for (size_t i = 0; i < operations_.size(); ++i) {
      moments.emplace_back(operations_[i].call, 2 * i + 1);
      if (IsUnknown(i)) continue;
      moments.emplace_back(operations_[i].ret, 2 * i + 2);
      ++known_left_;
    }
    std::sort(moments.begin(), moments.end());
    next_.assign(2 * operations_.size() + 1, kEnd);
    previous_.assign(2 * operations_.size() + 1, kEnd);
    size_t last = 0;
    for (const auto& [moment, entry] : moments) {
      next_[last] = entry;
      previous_[entry] = last;
      last = entry;
    }
    previous_[0] = last;
  }

  void LinkConnections() {
    std::map<uint64_t, size_t> number_of;
    std::vector<size_t> newest_known;
    std::vector<size_t> newest_unknown;
    for (size_t i = 0; i < operations_.size(); ++i) {
      const size_t number =
          number_of.emplace(operations_[i].connection, number_of.size()).first->second;
      if (number == newest_known.size()) {
        newest_known.push_back(kNone);
        newest_unknown.push_back(kNone);
      }
      connection_.push_back(number);
      known_before_.push_back(newest_known[number]);
      unknown_before_.push_back(newest_unknown[number]);
      (IsUnknown(i) ? newest_unknown : newest_known)[number] = i;
    }
    progress_.assign(number_of.size(), 0);
  }

  void Unlink(size_t entry) {
    next_[previous_[entry]] = next_[entry];
    previous_[next_[entry]] = previous_[entry];
  }
  void Relink(size_t entry) {
    next_[previous_[entry]] = entry;
    previous_[next_[entry]] = entry;
  }

  // It neither overtakes an operation of its connection, nor comes after one that was sent later.
  bool IsInOrder(size_t operation) const {
    const size_t before = known_before_[operation];
    return (before == kNone || done_[before]) && progress_[connection_[operation]] <= operation;
  }

  // No operation of its connection, sent earlier, may still happen if this one does not.
  bool ForbidsNothing(size_t operation) const {
    const size_t before = unknown_before_[operation];
    return before == kNone || progress_[connection_[operation]] > before;
  }

  // Each value is written once: who has seen it must have done so before another takes its place.
  bool LeavesObserversBehind(size_t operation, ValueId after) const {
    if (after == state_ || state_ == 0) return false;
    const auto found = observers_left_.find(state_);
    if (found == observers_left_.end()) return false;
    const bool is_one = operations_[operation].seen == KeyOperation::Seen::kValue;
    return found->second > (is_one ? 1U : 0U);
  }

  // The operation before this one was an unknown one, and this one does not need it: then it can as
  // well not have happened.
  bool WastesUnknown(size_t operation, ValueId after) const {
    return prior_ && Step(*prior_, operations_[operation]) == after;
  }

  // What may happen next, the most promising first.
  std::vector<size_t> FindChoices() const {
    std::vector<size_t> known;
    std::vector<size_t> unknown;
    std::vector<size_t> unmatched;
    for (size_t entry = next_[0]; entry % 2 == 1; entry = next_[entry]) {  // up to a return
      const size_t operation = (entry - 1) / 2;
      if (!IsInOrder(operation)) continue;
      const std::optional<ValueId> after = Step(state_, operations_[operation]);
      if (after && (LeavesObserversBehind(operation, *after) || WastesUnknown(operation, *after))) {
        continue;
      }
      if (IsUnknown(operation)) {
        // One that would change nothing can as well not have happened.
        if (after && *after != state_) unknown.push_back(operation);
      } else if (!after) {
        unmatched.push_back(operation);
      } else if (only_looked_[operation] && ForbidsNothing(operation)) {
        // It saw what is there now: whatever comes next, it may come before that.
        return {operation};
      } else {
        known.push_back(operation);
      }
    }
    // Replies come roughly in the order in which things have happened.
    std::sort(known.begin(), known.end(), [&](size_t left, size_t right) {
      return operations_[left].ret < operations_[right].ret;
    });
    // Of unknown ones, first those that would explain what somebody has seen.
    std::stable_partition(unknown.begin(), unknown.end(), [&](size_t operation) {
      const ValueId after = *Step(state_, operations_[operation]);
      return std::any_of(unmatched.begin(), unmatched.end(),
                         [&](size_t other) { return Step(after, operations_[other]).has_value(); });
    });
    known.insert(known.end(), unknown.begin(), unknown.end());
    return known;
  }

  // False: the same operations have led to the same value before, and on to nothing.
  bool Do(size_t operation) {
    const ValueId after = *Step(state_, operations_[operation]);
    std::optional<ValueId> prior = prior_;
    if (IsUnknown(operation)) {
      prior = state_;
    } else if (after != state_ || (prior && Step(*prior, operations_[operation]) != prior)) {
      prior.reset();
    }
    const Visited set = {set_.low + numbers_[operation].low, set_.high + numbers_[operation].high};
    const uint64_t how = after * 0x9e3779b97f4a7c15 + (prior ? *prior * 2 + 3 : 0);
    if (!seen_.insert({set.low ^ how, set.high + how * 0xbf58476d1ce4e5b9}).second) return false;
    set_ = set;
    state_ = after;
    prior_ = prior;
    if (operations_[operation].seen == KeyOperation::Seen::kValue) {
      --observers_left_.at(operations_[operation].value_seen);
    }
    done_[operation] = true;
    progress_before_ = std::exchange(progress_[connection_[operation]], operation + 1);
    Unlink(2 * operation + 1);
    if (!IsUnknown(operation)) {
      Unlink(2 * operation + 2);
      --known_left_;
    }
    return true;
  }

  // Takes the last choice of the top level back.
  void Undo() {
    const Level& level = stack_.back();
    const size_t operation = level.choices[level.next - 1];
    if (!IsUnknown(operation)) {
      Relink(2 * operation + 2);
      ++known_left_;
    }
    Relink(2 * operation + 1);
    progress_[connection_[operation]] = level.progress_before;
    done_[operation] = false;
    state_ = level.state;
    prior_ = level.prior;
    if (operations_[operation].seen == KeyOperation::Seen::kValue) {
      ++observers_left_.at(operations_[operation].value_seen);
    }
    set_.low -= numbers_[operation].low;
    set_.high -= numbers_[operation].high;
  }

  std::vector<KeyOperation> operations_;
  uint64_t steps_left_;
  std::unordered_map<ValueId, size_t> observers_left_;  // that are not done, of each value
  std::vector<Visited> numbers_;
  std::vector<bool> only_looked_;
  std::vector<size_t> next_;
  std::vector<size_t> previous_;
  size_t known_left_ = 0;
  std::vector<size_t> connection_;    // numbered from 0
  std::vector<size_t> known_before_;  // the connection's operation before this one, if any
  std::vector<size_t> unknown_before_;

  ValueId state_ = 0;
  // The last operation that changed something was an unknown one, and all since could have seen
  // what was there before it: this. Nothing where somebody needs that operation.
  std::optional<ValueId> prior_;
  Visited set_;
  std::vector<bool> done_;
  std::vector<size_t> progress_;  // of each connection: behind its newest operation that is done
  size_t progress_before_ = 0;
  std::vector<Level> stack_;
  std::unordered_set<Visited, VisitedHash> seen_;
};

}  // namespace

Judgement CheckKey(std::span<const KeyOperation> operations, uint64_t steps_max) {
  return Search(operations, steps_max).Run();
}

KeyOperation PartOf(const Operation& operation, size_t i) {
  using Seen = KeyOperation::Seen;
  using Condition = KeyOperation::Condition;
  using Effect = KeyOperation::Effect;
  assert(operation.outcome == Outcome::kDone || operation.outcome == Outcome::kUnknown);
  const bool done = operation.outcome == Outcome::kDone;
  KeyOperation part;
  part.call = operation.invoked;
  part.connection = operation.connection;
  part.ret = done ? operation.completed : KeyOperation::kNever;
  if (!operation.values.empty()) {
    part.effect = Effect::kSet;
    part.value = operation.values[i];
  }
  const auto see_value = [&] {
    if (!done) return;
    part.seen = Seen::kValue;
    part.value_seen = operation.found[i];
  };
  switch (operation.kind) {
    case CommandKind::kGet:
    case CommandKind::kMget:
      see_value();
      break;
    case CommandKind::kSet:
    case CommandKind::kMset:
      break;
    case CommandKind::kSetGet:
      see_value();
      break;
    case CommandKind::kSetNx:
      part.condition = Condition::kIfMissing;
      if (done) part.seen = operation.count == 1 ? Seen::kMissing : Seen::kPresent;
      break;
    case CommandKind::kSetXx:
      part.condition = Condition::kIfPresent;
      if (done) part.seen = operation.count == 1 ? Seen::kPresent : Seen::kMissing;
      break;
    case CommandKind::kSetNxGet:
      part.condition = Condition::kIfMissing;
      see_value();
      break;
    case CommandKind::kSetXxGet:
      part.condition = Condition::kIfPresent;
      see_value();
      break;
    case CommandKind::kExists:
    case CommandKind::kDel:
      if (operation.kind == CommandKind::kDel) part.effect = Effect::kDelete;
      // A count in between does not say which of the keys there were.
      if (done && operation.count == 0) part.seen = Seen::kMissing;
      if (done && operation.count == static_cast<int64_t>(operation.keys.size())) {
        part.seen = Seen::kPresent;
      }
      break;
  }
  return part;
}

namespace {

// What was known of the operations at that moment.
std::vector<KeyOperation> UpTo(std::span<const KeyOperation> operations, uint64_t moment) {
  std::vector<KeyOperation> known;
  for (KeyOperation operation : operations) {
    if (operation.call > moment) break;
    if (operation.ret != KeyOperation::kNever && operation.ret > moment) {
      operation.ret = KeyOperation::kNever;
      operation.seen = KeyOperation::Seen::kNothing;
    }
    known.push_back(operation);
  }
  return known;
}

// The first moment at which the operations could not be explained any more.
uint64_t FirstBadMoment(std::span<const KeyOperation> operations, uint64_t steps_max) {
  uint64_t good = 0;
  uint64_t bad = 0;
  for (const KeyOperation& operation : operations) {
    bad = std::max(bad, operation.ret == KeyOperation::kNever ? operation.call : operation.ret);
  }
  while (good + 1 < bad) {
    const uint64_t middle = good + (bad - good) / 2;
    const bool is_bad =
        CheckKey(UpTo(operations, middle), steps_max) == Judgement::kNotLinearizable;
    (is_bad ? bad : good) = middle;
  }
  return bad;
}

}  // namespace

HistoryReport CheckHistory(const std::vector<Operation>& operations, uint32_t key_count,
                           uint64_t steps_max) {
  std::vector<std::vector<KeyOperation>> parts(key_count);
  for (size_t source = 0; source < operations.size(); ++source) {
    const Operation& operation = operations[source];
    // What was not executed must have no effect, and so nobody may need it to explain anything.
    if (operation.outcome == Outcome::kNotExecuted) continue;
    if (operation.outcome == Outcome::kUnknown && !IsWrite(operation.kind)) continue;
    for (size_t i = 0; i < operation.keys.size(); ++i) {
      const uint32_t key = operation.keys[i];
      KeyOperation part = PartOf(operation, i);
      part.source = source;
      parts[key].push_back(part);
    }
  }
  HistoryReport report;
  report.keys = key_count;
  for (uint32_t key = 0; key < key_count; ++key) {
    const Judgement judgement = CheckKey(parts[key], steps_max);
    if (judgement == Judgement::kUndecided) ++report.undecided;
    if (judgement != Judgement::kNotLinearizable) continue;
    report.bad_key = key;
    report.bad_moment = FirstBadMoment(parts[key], steps_max);
    for (const KeyOperation& part : parts[key]) {
      if (part.call > report.bad_moment) break;
      report.bad_operations.push_back(Describe(operations[part.source]));
    }
    break;
  }
  return report;
}

}  // namespace quorate::simulation
