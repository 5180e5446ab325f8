// Simulated time: what is to happen, in the order of when. Events of the same microsecond happen in
// the order in which they were planned.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <new>
#include <utility>
#include <vector>

namespace quorate::simulation {

using Time = int64_t;  // microseconds since the simulation began

inline constexpr Time kMillisecond = 1000;
inline constexpr Time kSecond = 1'000'000;

class EventQueue {
 public:
  EventQueue() = default;
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  Time now() const { return now_; }
  uint64_t events() const { return events_; }

  // `action`: any function object without arguments. Precondition: when >= now().
  template <typename Action>
  void At(Time when, Action action) {
    assert(when >= now_);
    Slot& slot = Plan(when);
    static_assert(sizeof(Action) <= sizeof(slot.bytes) && alignof(Action) <= alignof(Slot));
    new (slot.bytes) Action(std::move(action));
    slot.run = [](void* bytes) { (*static_cast<Action*>(bytes))(); };
    slot.destroy = [](void* bytes) { static_cast<Action*>(bytes)->~Action(); };
  }
  template <typename Action>
  void After(Time delay, Action action) {
    At(now_ + delay, std::move(action));
  }

  // Moves on to the next event and runs it. False: there is none.
  bool RunNext();

 private:
  // An action where it was planned: it takes no memory of its own, and is not moved. Many
  // millions of them are what a run consists of.
  struct alignas(std::max_align_t) Slot {
    std::byte bytes[120];
    void (*run)(void*);
    void (*destroy)(void*);
  };

  struct Planned {
    Time when;
    uint64_t sequence;
    uint32_t slot;  // in slots_
  };

  // For a heap with the earliest in front. A type, since calls through a pointer would not be
  // inlined.
  struct IsLater {
    bool operator()(const Planned& left, const Planned& right) const {
      return left.when != right.when ? left.when > right.when : left.sequence > right.sequence;
    }
  };

  // An empty slot, whose action is due then.
  Slot& Plan(Time when);

  Time now_ = 0;
  uint64_t sequence_ = 0;
  uint64_t events_ = 0;
  std::vector<Planned> heap_;
  std::deque<Slot> slots_;  // which stay where they are, also while one of them plans others
  std::vector<uint32_t> free_slots_;
};

}  // namespace quorate::simulation
