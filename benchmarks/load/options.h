// What resp-load is told to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quorate::load {

// Clients that all do the same.
struct GroupOptions {
  std::string name;
  int clients = 50;
  bool idle = false;    // connect, and ask nothing
  int set_percent = 0;  // the others are GETs
  int pipeline = 1;     // requests that a client sends at once, before it waits for all replies
  uint64_t keys = 100'000;
  std::string prefix = "key:";  // of a key, before 12 digits
  size_t value_bytes = 64;
  // Requests per second of all clients together, at even distances; 0: each client asks as soon as
  // it has its reply. Where it is given, a request's time counts from when it was due, not from
  // when a client was free to send it.
  double rate = 0;
};

struct Options {
  std::vector<uint16_t> ports;  // of 127.0.0.1; the first one is asked first
  double seconds = 0;
  double interval_seconds = 0;  // also report after each of these; 0: at the end only
  std::vector<GroupOptions> groups;
};

// Ends the program where they make no sense.
Options ParseOptions(int argc, char** argv);

}  // namespace quorate::load
