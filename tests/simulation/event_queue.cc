#include "tests/simulation/event_queue.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace quorate::simulation {

void EventQueue::At(Time when, Action action) {
  assert(when >= now_);
  uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(actions_.size());
    actions_.push_back(std::move(action));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    actions_[slot] = std::move(action);
  }
  heap_.push_back({when, sequence_++, slot});
  std::push_heap(heap_.begin(), heap_.end(), IsLater{});
}

bool EventQueue::RunNext() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), IsLater{});
  const Planned next = heap_.back();
  heap_.pop_back();
  now_ = next.when;
  ++events_;
  const Action action = std::exchange(actions_[next.slot], {});
  free_slots_.push_back(next.slot);
  action();
  return true;
}

}  // namespace quorate::simulation
