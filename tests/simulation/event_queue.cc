#include "tests/simulation/event_queue.h"

#include <algorithm>

namespace quorate::simulation {

EventQueue::~EventQueue() {
  for (const Planned& planned : heap_) {
    Slot& slot = slots_[planned.slot];
    slot.destroy(slot.bytes);
  }
}

EventQueue::Slot& EventQueue::Plan(Time when) {
  uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  heap_.push_back({when, sequence_++, slot});
  std::push_heap(heap_.begin(), heap_.end(), IsLater{});
  return slots_[slot];
}

bool EventQueue::RunNext() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), IsLater{});
  const Planned next = heap_.back();
  heap_.pop_back();
  now_ = next.when;
  ++events_;
  Slot& slot = slots_[next.slot];
  slot.run(slot.bytes);
  slot.destroy(slot.bytes);
  free_slots_.push_back(next.slot);
  return true;
}

}  // namespace quorate::simulation
