#include "tests/simulation/log_order.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "src/requests/batch.h"

namespace quorate::simulation {
namespace {

uint64_t NumberIn(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data() + 1, text.data() + text.size(), number);
  return number;
}

// Places are counted in writes: place 3 is right behind the log's third.
class OrderCheck {
 public:
  OrderCheck(const std::vector<Operation>& operations, std::span<const size_t> writes,
             uint32_t key_count)
      : operations_(operations),
        writes_(writes),
        place_(operations.size(), 0),
        now_(key_count, 0),
        changes_(key_count) {}

  std::string Run() {
    ReplayWrites();
    for (const Operation& operation : operations_) {
      const bool done = operation.outcome == Outcome::kDone;
      if (done && IsWrite(operation.kind) && place_[operation.id] == 0) {
        Fail(operation, "is not in the log");
      }
    }
    if (violation_.empty()) FollowTime();
    return violation_;
  }

 private:
  struct Change {
    size_t place;
    ValueId value;
  };
  struct Moment {
    uint64_t at;
    size_t operation;
    bool is_call;
  };

  void Fail(const Operation& operation, std::string_view what) {
    if (violation_.empty()) violation_ = fmt::format("{}: {}", what, Describe(operation));
  }

  void ReplayWrites() {
    for (size_t i = 0; i < writes_.size() && violation_.empty(); ++i) {
      const Operation& write = operations_[writes_[i]];
      if (place_[write.id] != 0) Fail(write, "is in the log twice");
      if (write.outcome == Outcome::kNotExecuted) Fail(write, "was refused, and is in the log");
      place_[write.id] = i + 1;
      Replay(write, i + 1);
    }
  }

  void Replay(const Operation& write, size_t place) {
    const bool done = write.outcome == Outcome::kDone;
    const ValueId before = now_[write.keys.front()];
    bool happens = true;
    switch (write.kind) {
      case CommandKind::kSetNx:
      case CommandKind::kSetNxGet:
        happens = before == 0;
        break;
      case CommandKind::kSetXx:
      case CommandKind::kSetXxGet:
        happens = before != 0;
        break;
      default:
        break;
    }
    if (done) CheckReply(write, before, happens);
    for (size_t i = 0; happens && i < write.keys.size(); ++i) {
      const uint32_t key = write.keys[i];
      now_[key] = write.kind == CommandKind::kDel ? 0 : write.values[i];
      changes_[key].push_back({place, now_[key]});
    }
  }

  void CheckReply(const Operation& write, ValueId before, bool happens) {
    bool fits = true;
    switch (write.kind) {
      case CommandKind::kSetNx:
      case CommandKind::kSetXx:
        fits = write.count == (happens ? 1 : 0);
        break;
      case CommandKind::kSetGet:
      case CommandKind::kSetNxGet:
      case CommandKind::kSetXxGet:
        fits = write.found.front() == before;
        break;
      case CommandKind::kDel:
        fits = write.count == std::count_if(write.keys.begin(), write.keys.end(),
                                            [this](uint32_t key) { return now_[key] != 0; });
        break;
      default:
        break;
    }
    if (!fits) Fail(write, fmt::format("should have found another value, {}, in the log", before));
  }

  // Each operation has its place between its call and its return, and on a connection behind the
  // one before. A read gets the first place that fits: that leaves most room for those after it.
  void FollowTime() {
    std::vector<Moment> moments;
    for (const Operation& operation : operations_) {
      const bool done = operation.outcome == Outcome::kDone;
      if (!done && place_[operation.id] == 0) continue;
      moments.push_back({operation.invoked, operation.id, true});
      if (done) moments.push_back({operation.completed, operation.id, false});
    }
    std::sort(moments.begin(), moments.end(),
              [](const Moment& left, const Moment& right) { return left.at < right.at; });
    std::vector<size_t> after(operations_.size(), 0);
    std::unordered_map<uint64_t, size_t> reached_by;  // connections
    size_t reached = 0;
    for (const Moment& moment : moments) {
      const Operation& operation = operations_[moment.operation];
      size_t& floor = after[operation.id];
      if (moment.is_call) {
        floor = reached;
        if (place_[operation.id] != 0 && place_[operation.id] <= floor) {
          Fail(operation, "comes in the log before what had been done when it was sent");
        }
        continue;
      }
      size_t& connection = reached_by[operation.connection];
      floor = std::max(floor, connection);
      if (!IsWrite(operation.kind)) {
        const std::optional<size_t> place = FirstPlace(operation, floor);
        if (!place) {
          Fail(operation, fmt::format("fits nowhere in the log behind {}", floor));
          return;
        }
        place_[operation.id] = *place;
      } else if (place_[operation.id] <= floor) {
        Fail(operation, "comes in the log before what its connection had sent earlier");
      }
      connection = place_[operation.id];
      reached = std::max(reached, connection);
    }
  }

  static auto FirstBehind(const std::vector<Change>& changes, size_t place) {
    return std::upper_bound(
        changes.begin(), changes.end(), place,
        [](size_t wanted, const Change& change) { return wanted < change.place; });
  }

  ValueId ValueAt(uint32_t key, size_t place) const {
    const auto behind = FirstBehind(changes_[key], place);
    return behind == changes_[key].begin() ? 0 : std::prev(behind)->value;
  }

  bool Fits(const Operation& read, size_t place) const {
    int64_t count = 0;
    for (size_t i = 0; i < read.keys.size(); ++i) {
      const ValueId value = ValueAt(read.keys[i], place);
      if (value != 0) ++count;
      if (read.kind != CommandKind::kExists && value != read.found[i]) return false;
    }
    return read.kind != CommandKind::kExists || count == read.count;
  }

  std::optional<size_t> FirstPlace(const Operation& read, size_t floor) const {
    std::optional<size_t> place = floor;
    while (place && !Fits(read, *place)) {
      std::optional<size_t> next;
      for (const uint32_t key : read.keys) {
        const auto behind = FirstBehind(changes_[key], *place);
        if (behind != changes_[key].end())
          next = std::min(next.value_or(behind->place), behind->place);
      }
      place = next;
    }
    return place;
  }

  const std::vector<Operation>& operations_;
  std::span<const size_t> writes_;
  std::vector<size_t> place_;                 // of each operation; 0: none
  std::vector<ValueId> now_;                  // of each key
  std::vector<std::vector<Change>> changes_;  // of each key, in the log's order
  std::string violation_;
};

}  // namespace

std::optional<std::vector<size_t>> WritesIn(std::span<const consensus::Payload> batches,
                                            const std::vector<Operation>& operations) {
  std::unordered_map<ValueId, size_t> writer_of;
  for (const Operation& operation : operations) {
    for (const ValueId value : operation.values) writer_of.emplace(value, operation.id);
  }
  Batch batch;
  std::vector<size_t> writes;
  for (const consensus::Payload& payload : batches) {
    if (batch.Decode(payload.bytes()) != Batch::Status::kOk) return std::nullopt;
    for (const BatchUnit& unit : batch.units()) {
      const auto arguments = batch.arguments(unit);
      size_t id = operations.size();
      if (arguments[0] == "DEL") {
        id = NumberIn(arguments.back());
      } else if (const auto writer = writer_of.find(NumberIn(arguments[2]));
                 writer != writer_of.end()) {
        id = writer->second;
      }
      if (id >= operations.size()) return std::nullopt;
      writes.push_back(id);
    }
  }
  return writes;
}

std::string CheckLogOrder(const std::vector<Operation>& operations, std::span<const size_t> writes,
                          uint32_t key_count) {
  return OrderCheck(operations, writes, key_count).Run();
}

}  // namespace quorate::simulation
