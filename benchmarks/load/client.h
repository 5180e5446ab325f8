// Clients of a Redis server: each sends its requests, waits for all their replies, and sends the
// next ones. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/load/histogram.h"
#include "benchmarks/load/options.h"

namespace quorate::load {

// Nanoseconds since some fixed point.
int64_t Now();

// Ends the program with that text.
[[noreturn]] void Fail(const std::string& text);

class Client;

// What the clients of a group share.
class Group {
 public:
  explicit Group(const GroupOptions& group_options);

  const GroupOptions options;
  const std::string value;
  Histogram sets;
  Histogram gets;
  uint64_t retries = 0;
  uint64_t broken = 0;  // clients without a connection now

  uint64_t Random();
  // A client whose replies have all come, and who is to wait for the next request that is due.
  void Rest(Client* client) { resting_.push_back(client); }
  void BeginAt(int64_t now) { next_due_ = now; }
  // Has resting clients send what is due.
  void SendDue(int64_t now);
  // When SendDue has something to do next; a time far away where that depends on clients alone.
  int64_t next_due() const;

 private:
  uint64_t random_state_;
  std::vector<Client*> resting_;
  int64_t next_due_ = 0;
};

class Client {
 public:
  // `epoll` is a descriptor that reports events with the client's address. Both arguments, and
  // `ports`, must outlive the client.
  Client(Group* group, const std::vector<uint16_t>* ports, int epoll);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Waits until the server has taken the connection. False: there is none.
  bool Connect();
  // Begins; the requests' time counts from `start`.
  void Send(int64_t start);
  void OnEvent(uint32_t events);
  // Connects again, where it is time to, and repeats what was not answered.
  void Retry(int64_t now);
  bool is_connected() const { return socket_ >= 0; }
  int64_t retry_at() const { return retry_at_; }

 private:
  struct Request {
    bool set;
    uint64_t key;
    int64_t start;
  };

  void Encode(const Request& request);
  void Write();
  void Read();
  // False: the connection was given up.
  bool Take(std::string_view bytes, int64_t now);
  bool TakeLine(std::string_view line, int64_t now);
  void Answered(int64_t now);
  void WatchFor(bool writable);
  // Gives the connection up; the next one is to that port, or to another server.
  void Break(const std::string& why, uint16_t port = 0);

  Group& group_;
  const std::vector<uint16_t>& ports_;
  const int epoll_;
  uint16_t port_;
  int socket_ = -1;
  int64_t retry_at_ = 0;
  bool watches_writable_ = false;

  std::string output_;
  size_t written_ = 0;
  std::vector<Request> requests_;  // that were sent together
  size_t answered_ = 0;            // how many of them

  std::string line_;  // the beginning of a reply's first line
  size_t skip_ = 0;   // bytes of a value that have yet to come, with its line end
};

}  // namespace quorate::load
