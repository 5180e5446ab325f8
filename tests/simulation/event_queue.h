// Simulated time: what is to happen, in the order of when. Events of the same microsecond happen in
// the order in which they were planned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace quorate::simulation {

using Time = int64_t;  // microseconds since the simulation began

inline constexpr Time kMillisecond = 1000;
inline constexpr Time kSecond = 1'000'000;

class EventQueue {
 public:
  using Action = std::function<void()>;

  Time now() const { return now_; }
  uint64_t events() const { return events_; }

  // Precondition: when >= now().
  void At(Time when, Action action);
  void After(Time delay, Action action) { At(now_ + delay, std::move(action)); }

  // Moves on to the next event and runs it. False: there is none.
  bool RunNext();

 private:
  struct Planned {
    Time when;
    uint64_t sequence;
    uint32_t slot;  // in actions_
  };

  // For a heap with the earliest in front. A type, since calls through a pointer would not be
  // inlined.
  struct IsLater {
    bool operator()(const Planned& left, const Planned& right) const {
      return left.when != right.when ? left.when > right.when : left.sequence > right.sequence;
    }
  };

  Time now_ = 0;
  uint64_t sequence_ = 0;
  uint64_t events_ = 0;
  std::vector<Planned> heap_;
  std::vector<Action> actions_;
  std::vector<uint32_t> free_slots_;
};

}  // namespace quorate::simulation
