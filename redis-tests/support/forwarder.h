// A port that leads to another one, as behind a translation of addresses.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace quorate::redis_tests {

// Listens on a port of 127.0.0.1 and passes everything on to another, both ways, from a thread of
// its own.
class Forwarder {
 public:
  Forwarder(uint16_t from, uint16_t to);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  // Connections so far that have reached the other port.
  int connections() const { return connections_; }

 private:
  struct Pair {
    int one;
    int other;
  };

  void Run();
  void Accept();
  // False: one side has ended.
  static bool Pass(int from, int to);

  const uint16_t to_;
  int listener_;
  std::vector<Pair> pairs_;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace quorate::redis_tests
