// Names for threads, so that top -H, perf and debuggers tell them apart.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace quorate::storage {

// At most 15 characters, as Linux has it.
template <size_t kBytes>
void NameThisThread(const char (&name)[kBytes]) {
  static_assert(kBytes <= 16);
  pthread_setname_np(pthread_self(), name);
}

}  // namespace quorate::storage
